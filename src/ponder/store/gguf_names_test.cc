#include "ponder/store/gguf_names.h"

#include <gtest/gtest.h>

#include <set>

#include "ponder/base/cat.h"

namespace ponder::store {
namespace {

struct Known {
  const char *architecture, *hf, *gguf;
  GgufChange change;
};

TEST(GgufNames, AreThoseOfLlamaCpp) {
  const Known kKnown[] = {
      {"llama", "model.embed_tokens.weight", "token_embd.weight", GgufChange::kNone},
      {"llama", "model.norm.weight", "output_norm.weight", GgufChange::kNone},
      {"llama", "lm_head.weight", "output.weight", GgufChange::kNone},
      {"llama", "model.layers.0.input_layernorm.weight", "blk.0.attn_norm.weight", GgufChange::kNone},
      {"llama", "model.layers.31.self_attn.q_proj.weight", "blk.31.attn_q.weight", GgufChange::kTurnHeads},
      {"llama", "model.layers.1.self_attn.k_proj.weight", "blk.1.attn_k.weight", GgufChange::kTurnHeads},
      {"llama", "model.layers.1.self_attn.v_proj.weight", "blk.1.attn_v.weight", GgufChange::kNone},
      {"llama", "model.layers.1.self_attn.o_proj.weight", "blk.1.attn_output.weight", GgufChange::kNone},
      {"llama", "model.layers.1.post_attention_layernorm.weight", "blk.1.ffn_norm.weight", GgufChange::kNone},
      {"llama", "model.layers.1.mlp.gate_proj.weight", "blk.1.ffn_gate.weight", GgufChange::kNone},
      {"llama", "model.layers.1.mlp.up_proj.weight", "blk.1.ffn_up.weight", GgufChange::kNone},
      {"llama", "model.layers.1.mlp.down_proj.weight", "blk.1.ffn_down.weight", GgufChange::kNone},
      {"qwen2", "model.layers.2.self_attn.q_proj.bias", "blk.2.attn_q.bias", GgufChange::kNone},
      {"qwen2", "model.layers.2.self_attn.q_proj.weight", "blk.2.attn_q.weight", GgufChange::kNone},
      {"qwen3", "model.layers.2.self_attn.q_norm.weight", "blk.2.attn_q_norm.weight", GgufChange::kNone},
      {"qwen3", "model.layers.2.post_attention_layernorm.weight", "blk.2.ffn_norm.weight", GgufChange::kNone},
      {"gemma3", "model.norm.weight", "output_norm.weight", GgufChange::kAddOne},
      {"gemma3", "model.embed_tokens.weight", "token_embd.weight", GgufChange::kNone},
      {"gemma3", "model.layers.2.input_layernorm.weight", "blk.2.attn_norm.weight", GgufChange::kAddOne},
      {"gemma3", "model.layers.2.self_attn.k_norm.weight", "blk.2.attn_k_norm.weight", GgufChange::kAddOne},
      {"gemma3", "model.layers.2.self_attn.k_proj.weight", "blk.2.attn_k.weight", GgufChange::kNone},
      {"gemma3", "model.layers.2.post_attention_layernorm.weight", "blk.2.post_attention_norm.weight",
       GgufChange::kAddOne},
      {"gemma3", "model.layers.2.pre_feedforward_layernorm.weight", "blk.2.ffn_norm.weight", GgufChange::kAddOne},
      {"gemma3", "model.layers.2.post_feedforward_layernorm.weight", "blk.2.post_ffw_norm.weight", GgufChange::kAddOne},
  };
  for (const Known& known : kKnown) {
    const auto gguf = gguf_name(known.architecture, known.hf), hf = hf_name(known.architecture, known.gguf);
    ASSERT_TRUE(gguf && hf) << known.hf;
    EXPECT_EQ(gguf->name, known.gguf);
    EXPECT_EQ(gguf->change, known.change) << known.hf;
    EXPECT_EQ(hf->name, known.hf);
    EXPECT_EQ(hf->change, known.change) << known.hf;
  }
}

TEST(GgufNames, WhatAnArchitectureHasNotIsNotNamed) {
  const std::pair<const char*, const char*> kUnknown[] = {
      {"llama", ""},
      {"llama", ".weight"},
      {"llama", "model.embed_tokens"},
      {"llama", "lm_head.bias"},
      {"llama", "model.layers.1.self_attn.q_proj.bias"},
      {"llama", "model.layers.1.self_attn.q_norm.weight"},
      {"llama", "model.layers.1.pre_feedforward_layernorm.weight"},
      {"llama", "model.layers.01.self_attn.q_proj.weight"},
      {"llama", "model.layers.-1.self_attn.q_proj.weight"},
      {"llama", "model.layers..self_attn.q_proj.weight"},
      {"llama", "model.layers.12345678.self_attn.q_proj.weight"},
      {"llama", "model.layers.1.mlp.experts.0.up_proj.weight"},
      {"llama", "model.layers.1.weight"},
      {"qwen2", "model.layers.1.mlp.up_proj.bias"},
      {"phi3", "model.embed_tokens.weight"},
  };
  for (const auto& [architecture, name] : kUnknown) EXPECT_FALSE(gguf_name(architecture, name)) << name;
  for (const char* name : {"blk.0.attn_qkv.weight", "rope_freqs.weight", "blk.0.ffn_gate_exps.weight",
                           "token_embd.bias", "blk.x.attn_q.weight", "model.embed_tokens.weight"})
    EXPECT_FALSE(hf_name("llama", name)) << name;
}

TEST(GgufNames, ModelTypesHaveArchitectures) {
  EXPECT_EQ(gguf_architecture("mistral"), "llama");
  EXPECT_EQ(gguf_architecture("gemma3_text"), "gemma3");
  EXPECT_FALSE(gguf_architecture("gpt2"));
}

TEST(GgufNames, TurnedHeadsComeBack) {
  // Of a head of 6: rotary pairs (0,3), (1,4), (2,5) of Hugging Face lie side by side in GGUF.
  const int64_t kExpected[12] = {0, 3, 1, 4, 2, 5, 6, 9, 7, 10, 8, 11};
  std::set<int64_t> seen;
  for (int64_t row = 0; row < 12; ++row) {
    EXPECT_EQ(turned_row(row, 6), kExpected[row]);
    EXPECT_EQ(unturned_row(turned_row(row, 6), 6), row);
    seen.insert(turned_row(row, 6));
  }
  EXPECT_EQ(seen.size(), 12u);
}

}  // namespace
}  // namespace ponder::store
