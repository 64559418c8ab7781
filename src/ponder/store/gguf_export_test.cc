#include "ponder/store/gguf_export.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <list>

#include "ponder/base/error.h"
#include "ponder/base/json.h"
#include "ponder/base/rng.h"
#include "ponder/store/gguf_end_tokens.h"
#include "ponder/store/gguf_info.h"
#include "ponder/store/shards.h"
#include "ponder/store/test_dir.h"

namespace ponder::store {
namespace {

using base::Json;

// Two layers of width 64, four heads of 16 over two of keys, a vocabulary of 12.
class GgufExport : public TestDir {
 protected:
  GgufExport() {
    base::make_directories(model());
    decoder("llama");
  }
  std::string model() const { return path("tiny"); }
  void write(std::string_view name, const Json& json) {
    base::write_file_atomic(base::join_path(model(), name), json.dump());
  }
  // What the file says of the decoder.
  void decoder(const char* architecture) {
    gguf_ = {.architecture = architecture, .vocab = 12, .head_dim = 16, .tied = true};
    gguf_.tokens = {.bos = 1, .ends = {2}};
    const std::pair<const char*, int64_t> kCounts[] = {{"context_length", 128},     {"embedding_length", 64},
                                                       {"block_count", 2},          {"vocab_size", 12},
                                                       {"attention.head_count", 4}, {"attention.head_count_kv", 2},
                                                       {"feed_forward_length", 96}, {"attention.key_length", 16}};
    for (const auto& [key, value] : kCounts) gguf_.pairs.add_u32(base::cat(architecture, ".", key), value);
  }
  void tensor(const std::string& name, std::vector<int64_t> shape) {
    int64_t n = 1;
    for (int64_t d : shape) n *= d;
    std::vector<float>& data = data_.emplace_back();
    for (int64_t i = 0; i < n; ++i) data.push_back(static_cast<float>(rng_.below(2001) - 1000) / 512);
    tensors_.push_back({name, "F32", std::move(shape), data.data()});
  }
  void tensors(bool head_norms, bool both_sides, bool biases) {
    tensor("model.embed_tokens.weight", {12, 64});
    tensor("model.norm.weight", {64});
    for (int layer = 0; layer < 2; ++layer) {
      const std::string l = base::cat("model.layers.", layer, ".");
      for (const char* norm : {"input_layernorm", "post_attention_layernorm"}) tensor(l + norm + ".weight", {64});
      if (both_sides) tensor(l + "pre_feedforward_layernorm.weight", {64});
      if (both_sides) tensor(l + "post_feedforward_layernorm.weight", {64});
      for (const char* part : {"q", "k", "v"}) {
        const int64_t rows = *part == 'q' ? 64 : 32;
        tensor(base::cat(l, "self_attn.", part, "_proj.weight"), {rows, 64});
        if (biases) tensor(base::cat(l, "self_attn.", part, "_proj.bias"), {rows});
      }
      tensor(l + "self_attn.o_proj.weight", {64, 64});
      if (head_norms) tensor(l + "self_attn.q_norm.weight", {16});
      if (head_norms) tensor(l + "self_attn.k_norm.weight", {16});
      tensor(l + "mlp.gate_proj.weight", {96, 64});
      tensor(l + "mlp.up_proj.weight", {96, 64});
      tensor(l + "mlp.down_proj.weight", {64, 96});
    }
  }
  void save() { write_safetensors(base::join_path(model(), "model.safetensors"), tensors_, {{"format", "pt"}}); }
  std::string export_error(GgmlType type = GgmlType::kF32) {
    try {
      export_gguf(model(), path("m.gguf"), type, gguf_);
    } catch (const Error& e) {
      EXPECT_EQ(e.code(), ErrorCode::kInput) << e.what();
      EXPECT_EQ(std::string(e.what()).find(model()), 0u) << e.what();
      EXPECT_FALSE(base::file_exists(path("m.gguf")));
      EXPECT_FALSE(base::file_exists(path("m.gguf.tmp")));
      return e.what();
    }
    return "";
  }
  void expect_error(const char* message) {
    const std::string found = export_error();
    EXPECT_NE(found.find(message), std::string::npos) << found << "\n  lacks " << message;
  }

  base::Rng rng_{base::RngKey(8).child("export")};
  GgufModel gguf_;
  std::vector<TensorView> tensors_;
  std::list<std::vector<float>> data_;
};

TEST_F(GgufExport, ThereAndBackIsTheSame) {
  struct Family {
    const char* architecture;
    bool head_norms, both_sides, biases;
  };
  for (const Family& f : {Family{"llama", false, false, false}, Family{"qwen2", false, false, true},
                          Family{"qwen3", true, false, false}, Family{"gemma3", true, true, false}}) {
    tensors_.clear();
    decoder(f.architecture);
    tensors(f.head_norms, f.both_sides, f.biases);
    save();
    export_gguf(model(), path("m.gguf"), GgmlType::kF32, gguf_);
    const GgufFile file(path("m.gguf"));
    const GgufMetadata& m = file.metadata();
    const std::string prefix = base::cat(f.architecture, ".");
    EXPECT_EQ(m.string_at("general.architecture"), f.architecture);
    EXPECT_EQ(m.string_at("general.name"), "tiny");
    EXPECT_EQ(m.int_at("general.file_type"), 0);
    EXPECT_EQ(m.int_at(prefix + "context_length"), 128);
    EXPECT_EQ(m.string_at("tokenizer.ggml.model"), "none");
    EXPECT_EQ(m.int_at("tokenizer.ggml.bos_token_id"), 1);
    EXPECT_EQ(m.int_at("tokenizer.ggml.eos_token_id"), 2);
    EXPECT_EQ(file.tensors().size(), tensors_.size());
    export_safetensors(file, path("back.safetensors"), "F32");
    EXPECT_EQ(base::read_file(path("back.safetensors")), base::read_file(base::join_path(model(), "model.safetensors")))
        << f.architecture;
  }
}

TEST_F(GgufExport, QueryRowsAreTurnedAndNormsMoved) {
  tensors(false, false, false);
  save();
  export_gguf(model(), path("m.gguf"), GgmlType::kF32, gguf_);
  const GgufFile file(path("m.gguf"));
  const SafetensorsDirectory from(model());
  const std::vector<float> hf = from.read(from.at("model.layers.1.self_attn.k_proj.weight"));
  const std::vector<float> gguf = file.read(file.at("blk.1.attn_k.weight"));
  for (int64_t row = 0; row < 32; ++row) {
    // transformers' permute: [heads, 2, 8, columns] -> [heads, 8, 2, columns]
    const int64_t head = row / 16, pair = row % 16 / 2, half = row % 2;
    for (int64_t c = 0; c < 64; ++c) ASSERT_EQ(gguf[row * 64 + c], hf[(head * 16 + half * 8 + pair) * 64 + c]);
  }
  decoder("gemma3");
  tensors_.clear();
  tensors(true, true, false);
  save();
  export_gguf(model(), path("m.gguf"), GgmlType::kBf16, gguf_);
  const GgufFile gemma(path("m.gguf"));
  const SafetensorsDirectory gemma_from(model());
  const std::vector<float> norm = gemma_from.read(gemma_from.at("model.norm.weight"));
  const std::vector<float> moved = gemma.read(gemma.at("output_norm.weight"));
  for (size_t i = 0; i < norm.size(); ++i) EXPECT_EQ(moved[i], norm[i] + 1);
}

TEST_F(GgufExport, MatricesTakeTheTypeThatIsAskedFor) {
  tensors(false, false, false);
  tensor("lm_head.weight", {12, 64});  // tied: left out
  save();
  for (const GgmlType type : {GgmlType::kF32, GgmlType::kF16, GgmlType::kBf16, GgmlType::kQ8_0}) {
    export_gguf(model(), path("m.gguf"), type, gguf_);
    const GgufFile file(path("m.gguf"));
    EXPECT_EQ(file.find("output.weight"), nullptr);
    EXPECT_EQ(file.at("blk.0.ffn_up.weight").type->type, type);
    EXPECT_EQ(file.at("blk.0.attn_norm.weight").type->type, GgmlType::kF32);
    const SafetensorsDirectory from(model());
    const std::vector<float> wanted = from.read(from.at("model.layers.0.mlp.up_proj.weight"));
    const std::vector<float> found = file.read(file.at("blk.0.ffn_up.weight"));
    for (size_t i = 0; i < wanted.size(); ++i) ASSERT_NEAR(found[i], wanted[i], 0.01);
  }
  gguf_.tied = false;
  tensors_.clear();
  tensor("model.embed_tokens.weight", {12, 64});
  tensor("model.layers.0.mlp.down_proj.weight", {64, 80});  // 80 is no multiple of 32
  tensor("lm_head.weight", {12, 64});
  save();
  export_gguf(model(), path("m.gguf"), GgmlType::kQ8_0, gguf_);
  const GgufFile file(path("m.gguf"));
  EXPECT_EQ(file.at("blk.0.ffn_down.weight").type->type, GgmlType::kF16);
  EXPECT_EQ(file.at("output.weight").type->type, GgmlType::kQ8_0);
}

TEST_F(GgufExport, DivisorsOfTheRopeAreATensor) {
  tensor("model.embed_tokens.weight", {12, 64});
  save();
  gguf_.rope_divisors = {1, 1, 1.5f, 2, 8, 8, 8, 8};
  EXPECT_EQ(export_error(GgmlType::kQ8_0), "");
  const GgufFile file(path("m.gguf"));
  EXPECT_EQ(file.at("rope_freqs.weight").type->type, GgmlType::kF32);
  EXPECT_EQ(file.read(file.at("rope_freqs.weight")), gguf_.rope_divisors);
}

Json byte_tokenizer() {
  return Json::parse(R"({"model":{"type":"BPE","vocab":{"a":0,"b":1,"ab":2,"Ġ":3,"Ġa":4},"merges":["a b",["Ġ","a"]]},
    "pre_tokenizer":{"type":"ByteLevel","add_prefix_space":false},
    "added_tokens":[{"id":5,"content":"<s>","special":true},{"id":6,"content":"<tool>","special":false},
      {"id":7,"content":"<|im_end|>","special":true},{"id":12,"content":"<image>","special":true}]})");
}

TEST_F(GgufExport, TokenizersOverBytes) {
  tensor("model.embed_tokens.weight", {12, 64});
  save();
  gguf_.tokens.ends = {1};
  write("tokenizer.json", byte_tokenizer());
  write(
      "tokenizer_config.json",
      Json::parse(R"({"bos_token":{"content":"<s>"},"eos_token":"b","add_bos_token":true,"chat_template":"{{ x }}"})"));
  EXPECT_EQ(export_error(), "");
  const GgufFile file(path("m.gguf"));
  const GgufMetadata& m = file.metadata();
  EXPECT_EQ(m.string_at("tokenizer.ggml.model"), "gpt2");
  EXPECT_EQ(m.string_at("tokenizer.ggml.pre"), "gpt-2");
  EXPECT_EQ(m.strings_at("tokenizer.ggml.tokens"),
            (std::vector<std::string_view>{"a", "b", "ab", "Ġ", "Ġa", "<s>", "<tool>", "<|im_end|>", "[PAD8]", "[PAD9]",
                                           "[PAD10]", "[PAD11]"}));
  EXPECT_EQ(m.ints_at("tokenizer.ggml.token_type"), (std::vector<int64_t>{1, 1, 1, 1, 1, 3, 4, 3, 5, 5, 5, 5}));
  EXPECT_EQ(m.strings_at("tokenizer.ggml.merges"), (std::vector<std::string_view>{"a b", "Ġ a"}));
  EXPECT_EQ(m.int_at("tokenizer.ggml.bos_token_id"), 5);
  EXPECT_EQ(m.int_at("tokenizer.ggml.eos_token_id"), 1);
  EXPECT_EQ(m.int_at("tokenizer.ggml.eot_token_id"), 7);
  EXPECT_FALSE(m.has("tokenizer.ggml.eom_token_id"));
  EXPECT_FALSE(m.bool_at("tokenizer.ggml.add_bos_token")) << "the post-processor says what stands before a text";
  EXPECT_FALSE(m.bool_at("tokenizer.ggml.add_eos_token"));
  EXPECT_EQ(m.string_at("tokenizer.chat_template"), "{{ x }}");
  write("chat_template.json", Json::parse(R"({"chat_template":[{"name":"default","template":"{{ z }}"},
      {"name":"rag","template":"{{ r }}"}]})"));
  EXPECT_EQ(export_error(), "");
  const GgufFile named(path("m.gguf"));
  EXPECT_EQ(named.metadata().string_at("tokenizer.chat_template"), "{{ z }}");
  EXPECT_EQ(named.metadata().strings_at("tokenizer.chat_templates"), std::vector<std::string_view>{"rag"});
  EXPECT_EQ(named.metadata().string_at("tokenizer.chat_template.rag"), "{{ r }}");
  base::make_directories(base::join_path(model(), "additional_chat_templates"));
  base::write_file_atomic(base::join_path(model(), "additional_chat_templates/tool_use.jinja"), "{{ t }}");
  base::write_file_atomic(base::join_path(model(), "chat_template.jinja"), "{{ y }}");
  EXPECT_EQ(export_error(), "");
  EXPECT_EQ(GgufFile(path("m.gguf")).metadata().string_at("tokenizer.chat_template"), "{{ y }}");
  EXPECT_EQ(GgufFile(path("m.gguf")).metadata().string_at("tokenizer.chat_template.tool_use"), "{{ t }}");
  Json split = byte_tokenizer();
  split["pre_tokenizer"] = Json::parse(
      R"({"type":"Sequence","pretokenizers":[{"type":"Split","pattern":{"Regex":"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+"},"behavior":"Isolated"},{"type":"ByteLevel","use_regex":false}]})");
  write("tokenizer.json", split);
  base::remove_all(path("m.gguf"));
  expect_error("normalizer is null; in GGUF the pre-tokenizer qwen2 goes with NFC");
  split["normalizer"]["type"] = "NFC";
  write("tokenizer.json", split);
  EXPECT_EQ(export_error(), "");
  EXPECT_EQ(GgufFile(path("m.gguf")).metadata().string_at("tokenizer.ggml.pre"), "qwen2");
}

// Of the tokens that end what the model writes: eos by its key, a turn's end by its key, the others by their text; what
// has no such text takes a key that is free.
TEST_F(GgufExport, EndTokensHaveAKeyOrAText) {
  tensor("model.embed_tokens.weight", {12, 64});
  save();
  const auto ends = [&](const char* eos, const char* token, std::vector<int64_t> of_model) {
    Json tokenizer = byte_tokenizer();
    for (Json& added : tokenizer["added_tokens"].as_array())
      if (added.int_at("id") == 7) added["content"] = token;
    write("tokenizer.json", tokenizer);
    write("tokenizer_config.json", Json(Json::Object{{"eos_token", eos}}));
    gguf_.tokens.ends = std::move(of_model);
    EXPECT_EQ(export_error(), "");
    const GgufFile file(path("m.gguf"));
    std::vector<int64_t> keys;
    for (const char* key : {"eos", "eot", "eom"})
      keys.push_back(file.metadata().int_or(base::cat("tokenizer.ggml.", key, "_token_id"), -1));
    std::vector<int64_t> read = gguf_end_tokens(file.metadata(), 12);
    std::sort(read.begin(), read.end());
    return std::pair{keys, read};
  };
  using Ids = std::vector<int64_t>;
  EXPECT_EQ(ends("b", "<|im_end|>", {1}), std::pair(Ids{1, 7, -1}, Ids{1, 7}));
  EXPECT_EQ(ends("b", "<|end|>", {7, 1}), std::pair(Ids{1, 7, -1}, Ids{1, 7}));
  EXPECT_EQ(ends("<|eot_id|>", "<|eot_id|>", {7}), std::pair(Ids{7, -1, -1}, Ids{7}));
  EXPECT_EQ(ends("b", "<|end_of_text|>", {7, 1}), std::pair(Ids{1, -1, -1}, Ids{1, 7})) << "known by its text";
  EXPECT_EQ(ends("b", "<|x|>", {1, 7}), std::pair(Ids{1, 7, -1}, Ids{1, 7}));
  EXPECT_EQ(ends("<|eot_id|>", "<|eot_id|>", {7, 4, 3}), std::pair(Ids{7, 4, 3}, Ids{3, 4, 7}));
  EXPECT_EQ(ends("none such", "<|x|>", {4, 3}), std::pair(Ids{4, 3, -1}, Ids{3, 4})) << "by the model's id";
}

TEST_F(GgufExport, TokenizersOverCharacters) {
  tensor("model.embed_tokens.weight", {12, 64});
  save();
  write("tokenizer.json", Json::parse(R"({"model":{"type":"BPE","byte_fallback":true,"unk_token":"<unk>",
    "vocab":{"<unk>":0,"<s>":1,"</s>":2,"<0x0A>":3,"▁":4,"a":5,"b":6,"ab":7,"▁ab":8,"▁▁":9},
    "merges":["a b","▁ ab","▁a b"]},"normalizer":{"type":"Sequence","normalizers":[{"type":"Prepend","prepend":"▁"}]},
    "post_processor":{"type":"TemplateProcessing","single":[{"SpecialToken":{"id":"<s>"}},{"Sequence":{"id":"A"}}],
      "special_tokens":{"<s>":{"ids":[1]}}},
    "added_tokens":[{"id":1,"content":"<s>","special":true},
      {"id":9,"content":"▁▁","special":false}]})"));
  EXPECT_EQ(export_error(), "");
  const GgufFile file(path("m.gguf"));
  const GgufMetadata& m = file.metadata();
  EXPECT_EQ(m.string_at("tokenizer.ggml.model"), "llama");
  EXPECT_EQ(m.strings_at("tokenizer.ggml.tokens")[9], "  ");
  EXPECT_EQ(m.floats_at("tokenizer.ggml.scores"), (std::vector<float>{0, 0, 0, 0, 0, 0, 0, -1, -2, 0, 0, 0}));
  EXPECT_EQ(m.ints_at("tokenizer.ggml.token_type"), (std::vector<int64_t>{2, 3, 1, 6, 1, 1, 1, 1, 1, 4, 5, 5}));
  EXPECT_TRUE(m.bool_at("tokenizer.ggml.add_space_prefix"));
  EXPECT_TRUE(m.bool_at("tokenizer.ggml.add_bos_token"));
  EXPECT_EQ(m.int_at("tokenizer.ggml.bos_token_id"), 1);  // config.json's
}

TEST_F(GgufExport, WhatHasNoPlaceIsNamed) {
  tensor("model.embed_tokens.weight", {12, 64});
  save();
  Json tokenizer = byte_tokenizer();
  tokenizer["model"]["type"] = "Unigram";
  write("tokenizer.json", tokenizer);
  expect_error("tokenizer.json: model.type is \"Unigram\"");
  tokenizer = byte_tokenizer();
  tokenizer["model"]["vocab"]["c"] = 12;
  write("tokenizer.json", tokenizer);
  expect_error("the token \"c\" has the id 12, but the model has 12");
  tokenizer = byte_tokenizer();
  tokenizer["pre_tokenizer"] = Json::parse(R"({"type":"Whitespace"})");
  write("tokenizer.json", tokenizer);
  expect_error("no name for the pre-tokenizer");
  tokenizer = byte_tokenizer();
  tokenizer["post_processor"] = Json::parse(R"({"type":"BertProcessing","cls":["<s>",5],"sep":["b",1]})");
  write("tokenizer.json", tokenizer);
  expect_error("post_processor: GGUF has no place for {\"type\":\"BertProcessing\"");
  tokenizer = byte_tokenizer();
  tokenizer["model"]["merges"] = Json::parse(R"(["ab"])");
  write("tokenizer.json", tokenizer);
  expect_error("the merge \"ab\" is no pair");
  tokenizer["model"]["merges"] = 1;
  write("tokenizer.json", tokenizer);
  expect_error("tokenizer.json: ");
  write("tokenizer.json", Json());
  tensor("model.layers.0.self_attn.q_norm.weight", {16});
  save();
  expect_error("model.safetensors: tensor \"model.layers.0.self_attn.q_norm.weight\" has no place");
  tensors_.pop_back();
  tensor("model.layers.0.self_attn.q_proj.weight", {60, 64});
  save();
  expect_error("rows of heads of 16 are expected");
  tensors_.pop_back();
  tensor("model.layers.0.mlp.up_proj.weight", {2, 2, 2});
  save();
  expect_error("a vector or a matrix is expected");
  tensors_.pop_back();
  tensor("model.layers.0.mlp.up_proj.weight", {1, 64});
  data_.back()[3] = 1e6f;
  save();
  EXPECT_NE(export_error(GgmlType::kF16).find("holds a weight beyond what F16 can hold"), std::string::npos);
  data_.back()[3] = std::nanf("");
  save();
  expect_error("holds a weight that is NaN");
}

TEST_F(GgufExport, InfoSaysWhatAFileIs) {
  tensors(false, false, false);
  save();
  write("tokenizer.json", byte_tokenizer());
  export_gguf(model(), path("m.gguf"), GgmlType::kQ8_0, gguf_);
  const Json info = describe_gguf(GgufFile(path("m.gguf")));
  EXPECT_EQ(info.string_at("family"), "llama");
  EXPECT_EQ(info.int_at("context"), 128);
  EXPECT_EQ(info.int_at("vocab"), 12);
  EXPECT_EQ(info.int_at("layers"), 2);
  EXPECT_EQ(info.at("tied"), Json(true));
  EXPECT_EQ(info.at("types").at("F32").int_at("tensors"), 5);
  EXPECT_EQ(info.at("types").at("Q8_0").int_at("tensors"), 15);
  EXPECT_EQ(info.at("types").at("F32").int_at("weights") + info.at("types").at("Q8_0").int_at("weights"),
            info.int_at("parameters"));
  EXPECT_EQ(info.at("tokenizer").string_at("model"), "gpt2");
  EXPECT_EQ(info.at("metadata").string_at("tokenizer.ggml.merges"), "2 x string");
  EXPECT_EQ(info.string_at("path"), path("m.gguf"));
}

// Names that llama.cpp's converter takes for control tokens, whatever tokenizer.json says of them.
TEST_F(GgufExport, UnusedTokensAreControlTokens) {
  tensor("model.embed_tokens.weight", {12, 64});
  save();
  write("tokenizer.json", Json::parse(R"({"model":{"type":"BPE","byte_fallback":true,
    "vocab":{"a":0,"<unused0>":1,"<mask>":2,"<|x|>":3,"<｜y｜>":4,"<unused":5,"<|>":6,"\n\n":7},"merges":[]},
    "added_tokens":[{"id":1,"content":"<unused0>","special":false},{"id":2,"content":"<mask>","special":false},
      {"id":3,"content":"<|x|>","special":false},{"id":4,"content":"<｜y｜>","special":false},
      {"id":5,"content":"<unused","special":false},{"id":6,"content":"<|>","special":false},
      {"id":7,"content":"\n\n","special":false}]})"));
  EXPECT_EQ(export_error(), "");
  EXPECT_EQ(GgufFile(path("m.gguf")).metadata().ints_at("tokenizer.ggml.token_type"),
            (std::vector<int64_t>{1, 3, 3, 3, 3, 4, 3, 4, 5, 5, 5, 5}));
}

// Gemma as a Hugging Face directory against its GGUF file: vocabulary and ids as llama.cpp's own converter wrote them,
// and every tensor in F32.
TEST_F(GgufExport, WritesARealModel) {
  const char *hf = std::getenv("PONDER_TEST_GEMMA_HF"), *gguf = std::getenv("PONDER_TEST_GEMMA");
  if (!hf || !gguf) GTEST_SKIP() << "PONDER_TEST_GEMMA_HF names no directory, or PONDER_TEST_GEMMA no GGUF file";
  const char* keep = std::getenv("PONDER_TEST_GEMMA_OUT");
  const std::string out = keep ? keep : path("m.gguf");
  GgufModel gemma{.architecture = "gemma3", .vocab = 262144, .head_dim = 256, .tied = true};
  gemma.pairs.add_u32("gemma3.attention.sliding_window", 512);
  export_gguf(hf, out, GgmlType::kF32, gemma);
  const GgufFile made(out), wanted(gguf);
  for (const char* key : {"tokenizer.ggml.tokens", "tokenizer.ggml.token_type", "tokenizer.ggml.bos_token_id",
                          "tokenizer.ggml.eos_token_id", "gemma3.attention.sliding_window"}) {
    EXPECT_TRUE(made.metadata().at(key).bytes == wanted.metadata().at(key).bytes) << key;
  }
  // The scores are others; the order in which they join tokens must not be.
  const std::vector<float> a = made.metadata().floats_at("tokenizer.ggml.scores");
  const std::vector<float> b = wanted.metadata().floats_at("tokenizer.ggml.scores");
  ASSERT_EQ(a.size(), b.size());
  std::vector<size_t> order;
  const std::vector<int64_t> kinds = wanted.metadata().ints_at("tokenizer.ggml.token_type");
  for (size_t i = 0; i < a.size(); ++i)
    if (kinds[i] == 1 && a[i] != 0) order.push_back(i);  // normal, and made by a merge
  EXPECT_GT(order.size(), 200'000u);
  std::stable_sort(order.begin(), order.end(), [&](size_t i, size_t j) { return a[i] > a[j]; });
  for (size_t i = 1; i < order.size(); ++i) ASSERT_GT(b[order[i - 1]], b[order[i]]);
  ASSERT_EQ(made.tensors().size(), wanted.tensors().size());
  for (const GgufTensor& tensor : wanted.tensors())
    EXPECT_EQ(made.read(made.at(tensor.name)), wanted.read(tensor)) << tensor.name;
}

}  // namespace
}  // namespace ponder::store
