#include "ponder/model/gguf.h"

#include <ATen/core/Tensor.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/allclose.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/equal.h>
#include <ATen/ops/eye.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <functional>

#include "ponder/base/error.h"
#include "ponder/base/file.h"
#include "ponder/model/decoder.h"
#include "ponder/model/test_families.h"
#include "ponder/tensor/half.h"
#include "ponder/tensor/ops.h"

namespace ponder::model {
namespace {

// A GGUF file of a model, written as llama.cpp's converter would: names, turned heads, norms around 0.
class GgufBytes {
 public:
  void number(const std::string& key, uint32_t value) { pair(key, 4, raw(value)); }
  void real(const std::string& key, float value) { pair(key, 6, raw(value)); }
  void text(const std::string& key, const std::string& value) { pair(key, 8, string(value)); }
  void tensor(const std::string& name, const std::vector<int64_t>& shape, const std::vector<float>& values) {
    tensor(name, shape, 0, std::string(reinterpret_cast<const char*>(values.data()), values.size() * sizeof(float)));
  }
  void tensor(const std::string& name, const std::vector<int64_t>& shape, uint32_t type, const std::string& bytes) {
    std::string info = string(name) + raw(static_cast<uint32_t>(shape.size()));
    for (size_t i = shape.size(); i-- > 0;) info += raw(static_cast<uint64_t>(shape[i]));
    infos_ += info + raw(type) + raw(static_cast<uint64_t>(data_.size()));
    data_ += bytes;
    data_.resize((data_.size() + 31) / 32 * 32);
    ++tensors_;
  }
  std::string bytes() const {
    std::string out = "GGUF" + raw(uint32_t{3}) + raw(tensors_) + raw(pairs_) + keys_ + infos_;
    out.resize((out.size() + 31) / 32 * 32);
    return out + data_;
  }

 private:
  template <class T>
  static std::string raw(T value) {
    return std::string(reinterpret_cast<const char*>(&value), sizeof value);
  }
  static std::string string(const std::string& text) { return raw(static_cast<uint64_t>(text.size())) + text; }
  void pair(const std::string& key, uint32_t type, const std::string& value) {
    keys_ += string(key) + raw(type) + value;
    ++pairs_;
  }
  std::string keys_, infos_, data_;
  uint64_t pairs_ = 0, tensors_ = 0;
};

std::string replaced(std::string text, const std::string& from, const std::string& to) {
  const size_t at = text.find(from);
  return at == std::string::npos ? text : text.replace(at, from.size(), to);
}

std::string gguf_name(std::string name, bool sandwich) {
  name = replaced(name, "model.layers.", "blk.");
  for (const auto& [hf, gguf] : std::vector<std::pair<std::string, std::string>>{
           {"model.embed_tokens", "token_embd"},
           {"model.norm", "output_norm"},
           {"lm_head", "output"},
           {"input_layernorm", "attn_norm"},
           {"post_attention_layernorm", sandwich ? "post_attention_norm" : "ffn_norm"},
           {"pre_feedforward_layernorm", "ffn_norm"},
           {"post_feedforward_layernorm", "post_ffw_norm"},
           {"self_attn.o_proj", "attn_output"},
           {"self_attn.q_proj", "attn_q"},
           {"self_attn.k_proj", "attn_k"},
           {"self_attn.v_proj", "attn_v"},
           {"self_attn.q_norm", "attn_q_norm"},
           {"self_attn.k_norm", "attn_k_norm"},
           {"mlp.gate_proj", "ffn_gate"},
           {"mlp.up_proj", "ffn_up"},
           {"mlp.down_proj", "ffn_down"}})
    name = replaced(name, hf, gguf);
  return name;
}

// Floats as blocks of Q8_0 (8), Q5_0 (6) or Q4_0 (2), or as BF16 (30), cut off rather than rounded: any block will do.
std::string as_blocks(const std::vector<float>& values, uint32_t type) {
  std::string bytes;
  const auto put = [&](const auto value) { bytes.append(reinterpret_cast<const char*>(&value), sizeof value); };
  if (type == 30) {
    for (const float v : values) put(static_cast<uint16_t>(std::bit_cast<uint32_t>(v) >> 16));
    return bytes;
  }
  for (size_t b = 0; b < values.size(); b += 32) {
    float largest = 0;
    for (size_t i = b; i < b + 32; ++i) largest = std::max(largest, std::abs(values[i]));
    const uint16_t scale = tensor::float_to_half(largest / (type == 8 ? 100.0f : type == 6 ? 14.0f : 7.5f));
    const auto q = [&](size_t i) { return static_cast<int>(values[b + i] / tensor::half_to_float(scale)); };
    put(scale);
    if (type == 8) {
      for (size_t i = 0; i < 32; ++i) put(static_cast<int8_t>(q(i)));
      continue;
    }
    if (type == 2) {
      for (size_t i = 0; i < 16; ++i) put(static_cast<uint8_t>((q(i) + 8) | (q(i + 16) + 8) << 4));
      continue;
    }
    uint32_t fifth = 0;
    for (size_t i = 0; i < 32; ++i) fifth |= static_cast<uint32_t>((q(i) + 16) >> 4) << i;
    put(fifth);
    for (size_t i = 0; i < 16; ++i) put(static_cast<uint8_t>(((q(i) + 16) & 15) | ((q(i + 16) + 16) & 15) << 4));
  }
  return bytes;
}

class Gguf : public testing::TestWithParam<const char*> {
 protected:
  void TearDown() override { base::remove_all(path_); }
  static Parameters model_of(const std::string& name) { return test::family_model(name); }

  GgufBytes metadata(const DecoderConfig& c, const std::string& architecture) const {
    GgufBytes file;
    file.text("general.architecture", architecture);
    const std::string prefix = architecture + ".";
    for (const auto& [key, value] :
         std::vector<std::pair<const char*, int64_t>>{{"context_length", c.context},
                                                      {"embedding_length", c.width},
                                                      {"block_count", c.layers},
                                                      {"feed_forward_length", c.ffn},
                                                      {"attention.head_count", c.heads},
                                                      {"attention.head_count_kv", c.kv_heads},
                                                      {"attention.key_length", c.head_dim},
                                                      {"attention.value_length", c.head_dim}})
      file.number(prefix + key, static_cast<uint32_t>(value));
    file.real(prefix + "attention.layer_norm_rms_epsilon", static_cast<float>(c.norm_eps));
    file.real(prefix + "rope.freq_base", static_cast<float>(c.rope_theta));
    if (c.window > 0) file.number(prefix + "attention.sliding_window", static_cast<uint32_t>(c.window));
    file.number("tokenizer.ggml.bos_token_id", 1);
    file.number("tokenizer.ggml.eos_token_id", 2);
    return file;
  }

  // Matrices in another GGUF type than F32 (as_blocks).
  static void add_tensors(const Parameters& model, GgufBytes& file, uint32_t type = 0) {
    const DecoderConfig& c = model.config;
    for (const ParameterInfo& p : parameter_table(c)) {
      const float* from = model.flat.const_data_ptr<float>() + p.offset;
      std::vector<float> values(from, from + p.numel());
      if (p.name.ends_with("norm.weight"))
        for (float& v : values) v += static_cast<float>(c.norm_offset);
      const bool turned = (c.family == "llama" || c.family == "mistral") &&
                          (p.name.ends_with("q_proj.weight") || p.name.ends_with("k_proj.weight"));
      if (turned)  // the halves of a head become its even and odd rows
        for (int64_t h = 0; h < p.shape[0] / c.head_dim; ++h)
          for (int64_t d = 0; d < c.head_dim; ++d)
            std::copy_n(from + (h * c.head_dim + d % 2 * (c.head_dim / 2) + d / 2) * c.width, c.width,
                        values.begin() + (h * c.head_dim + d) * c.width);
      const std::string name = gguf_name(p.name, c.output_norms);
      if (type != 0 && p.shape.size() == 2)
        file.tensor(name, p.shape, type, as_blocks(values, type));
      else
        file.tensor(name, p.shape, values);
    }
  }

  std::string save(const GgufBytes& file) const {
    base::write_file_atomic(path_, file.bytes());
    return path_;
  }
  std::string error(const GgufBytes& file) const {
    try {
      load_gguf(save(file), Hold::kTrainable);
    } catch (const Error& e) {
      EXPECT_EQ(e.code(), ErrorCode::kInput);
      return e.what();
    }
    return "no error";
  }
  std::string path_ = base::cat(testing::TempDir(), "ponder_gguf_", static_cast<int64_t>(getpid()), ".gguf");
};
INSTANTIATE_TEST_SUITE_P(Model, Gguf, testing::Values("llama", "llama-wide-heads", "mistral", "qwen2", "qwen3"));

TEST_P(Gguf, HoldsTheSameModel) {
  const Parameters model = model_of(GetParam());
  const bool llama = model.config.family == "llama" || model.config.family == "mistral";
  GgufBytes file = metadata(model.config, llama ? "llama" : model.config.family);
  add_tensors(model, file);
  const LoadedModel loaded = load_gguf(save(file), Hold::kTrainable);
  DecoderConfig expected = model.config;
  expected.eos_ids = {2}, expected.pad_id = -1;
  expected.norm_eps = static_cast<double>(static_cast<float>(expected.norm_eps));
  EXPECT_EQ(loaded.parameters.config, expected);
  EXPECT_TRUE(at::equal(loaded.parameters.flat, model.flat));
}

TEST_F(Gguf, Gemma3) {
  DecoderConfig config = model_of("gemma3").config;
  config.layers = 6, config.windowed = {true, true, true, true, true, false};
  config.attention_scale = 0.25;  // by the head, as the file has no number for it
  config.resolve();
  const Parameters model = test::formula_parameters(config);
  GgufBytes file = metadata(config, "gemma3");
  add_tensors(model, file);
  const LoadedModel loaded = load_gguf(save(file), Hold::kTrainable);
  config.eos_ids = {2}, config.pad_id = -1, config.norm_eps = loaded.parameters.config.norm_eps;
  EXPECT_EQ(loaded.parameters.config, config);
  EXPECT_TRUE(at::allclose(loaded.parameters.flat, model.flat, 0, 1e-7)) << "1 was added and taken off again";
}

// The numbers of a matrix, by multiplying with rows of 1 and 0: the row's own rounding costs 1e-7 of them.
at::Tensor numbers_of(const tensor::Matrix& matrix) {
  return tensor::linear(at::eye(matrix.size(1)), matrix).t().contiguous();
}

// With 8-bit or 4-bit weights, blocks that fit are not rounded once more, whichever rows of a stack they are.
TEST_F(Gguf, BlocksAreTakenAsTheyAre) {
  DecoderConfig config = model_of("llama").config;
  config.ffn = 64;  // whole blocks
  const Parameters model = test::formula_parameters(config);
  for (const uint32_t type : {8u, 6u, 2u, 30u}) {
    GgufBytes file = metadata(model.config, "llama");
    add_tensors(model, file, type);
    const DecoderWeights exact = weight_views(model.config, load_gguf(save(file), Hold::kTrainable).parameters.flat);
    for (const WeightType kept : {WeightType::kAuto, WeightType::kF32, WeightType::kQ8_0, WeightType::kQ4_0}) {
      LoadOptions options = Hold::kReadOnly;
      options.weights = kept;
      const LoadedModel loaded = load_gguf(path_, options);
      const DecoderWeights held = loaded.parameters.weights();
      const bool four = kept == WeightType::kQ4_0, blocks = four || kept == WeightType::kQ8_0;
      EXPECT_EQ(held.head.compute, blocks                                    ? tensor::Compute::kInt8
                                   : type == 30 && kept == WeightType::kAuto ? tensor::Compute::kF32ByBf16
                                                                             : tensor::Compute::kF32);
      EXPECT_EQ(held.layers[0].out.compute, four ? tensor::Compute::kInt4 : held.head.compute);
      // What has to be rounded for blocks errs by half a step, of 127 or 7.5 (to the largest of the other sign: a whole
      // one of 8) for the block's largest.
      const bool rounds = four ? type != 2 : blocks && type == 30;
      const double error = !blocks ? 0 : !rounds ? 1e-6 : 1.01 * 1.5 * (four ? 1.0 / 8 : 0.5 / 127);
      for (size_t l = 0; l < held.layers.size(); ++l) {
        const LayerWeights &a = held.layers[l], &b = exact.layers[l];
        for (const auto& [x, y] :
             {std::pair{&a.qkv, &b.qkv}, {&a.out, &b.out}, {&a.gate_up, &b.gate_up}, {&a.down, &b.down}})
          EXPECT_TRUE(at::allclose(numbers_of(*x), y->weight, rounds ? 0 : error, rounds ? error : 0))
              << type << " " << static_cast<int>(kept);
      }
    }
  }
}

at::Tensor logits_of(const DecoderConfig& config, const DecoderWeights& weights, const at::Tensor& ids) {
  const at::NoGradGuard no_grad;
  return tensor::linear(packed_hidden(config, weights, ids, {.starts = {0, ids.size(0)}}), weights.head);
}

// Rounding the inputs of products is all that parts a file of 4-bit blocks from its dequantized weights.
TEST_F(Gguf, LogitsOfFourBitBlocksAreThoseOfTheirNumbers) {
  DecoderConfig config = model_of("gemma3").config;
  config.ffn = 64, config.layers = 6, config.windowed = {true, true, true, true, true, false};
  config.attention_scale = 0.25;
  config.resolve();
  GgufBytes file = metadata(config, "gemma3");
  add_tensors(test::formula_parameters(config), file, 2);
  const at::Tensor ids = at::arange(12, at::kLong);
  const LoadedModel exact = load_gguf(save(file), Hold::kReadOnly);
  const at::Tensor wanted = logits_of(exact.parameters.config, exact.parameters.weights(), ids);
  const auto distance = [&](WeightType kept) {
    LoadOptions options = Hold::kReadOnly;
    options.weights = kept;
    const LoadedModel loaded = load_gguf(path_, options);
    const at::Tensor found = logits_of(loaded.parameters.config, loaded.parameters.weights(), ids);
    return found.sub(wanted).norm().item<double>() / wanted.norm().item<double>();
  };
  EXPECT_EQ(distance(WeightType::kAuto), 0);
  const double four = distance(WeightType::kQ4_0);
  EXPECT_GT(four, 0);
  EXPECT_LT(four, 0.02);
  EXPECT_EQ(four, distance(WeightType::kQ8_0)) << "the same numbers in wider blocks";
}

// An infinite scale in the file (its weight is cut to no number), and a weight that no scale of 16 bits can bring down.
TEST_F(Gguf, BlocksMustHaveFiniteScales) {
  DecoderConfig config = model_of("llama").config;
  config.ffn = 64;
  const Parameters model = test::formula_parameters(config);
  const auto table = parameter_table(config);
  const auto down = std::ranges::find_if(table, [](const auto& p) { return p.name.ends_with("down_proj.weight"); });
  model.flat.mutable_data_ptr<float>()[down->offset + 40] = 1e9f;
  for (const uint32_t type : {0u, 2u, 6u, 8u}) {
    GgufBytes file = metadata(config, "llama");
    add_tensors(model, file, type);
    save(file);
    for (const WeightType kept : {WeightType::kQ8_0, WeightType::kQ4_0}) {
      LoadOptions options = Hold::kReadOnly;
      options.weights = kept;
      std::string said = "no error";
      try {
        load_gguf(path_, options);
      } catch (const Error& e) {
        EXPECT_EQ(e.code(), ErrorCode::kInput);
        said = e.what();
      }
      EXPECT_NE(said.find(type == 0 ? "too large for blocks" : "blk.0.ffn_down.weight"), std::string::npos) << said;
    }
  }
}

// Llama 3.1's stretching is a table of divisors there; another table is taken as it is.
TEST_F(Gguf, TablesOfDivisors) {
  DecoderConfig config = model_of("llama").config;
  config.rotary = {
      .scaling = tensor::RotaryScaling::kLlama3, .factor = 32, .slow = 1, .fast = 4, .original_context = 8192};
  config.resolve();
  const Parameters model = test::formula_parameters(config);
  std::vector<float> divisors;
  for (int i = 0; i < 8; ++i) {
    const double wave = 2 * M_PI * std::pow(config.rope_theta, i / 8.0), turns = 8192 / wave;
    divisors.push_back(static_cast<float>(turns >= 4   ? 1
                                          : turns <= 1 ? 32
                                                       : 1 / ((1 - (turns - 1) / 3) / 32 + (turns - 1) / 3)));
  }
  const auto file_with = [&](const std::vector<float>& table) {
    GgufBytes file = metadata(config, "llama");
    add_tensors(model, file);
    file.tensor("rope_freqs.weight", {static_cast<int64_t>(table.size())}, table);
    return file;
  };
  EXPECT_EQ(load_gguf(save(file_with(divisors)), Hold::kTrainable).parameters.config.rotary, config.rotary);
  divisors[0] = 2;
  const Parameters other = load_gguf(save(file_with(divisors)), Hold::kTrainable).parameters;
  EXPECT_EQ(other.config.rotary.scaling, tensor::RotaryScaling::kDivisors);
  EXPECT_EQ(other.config.rotary.divisors, divisors);
  const at::Tensor ids = at::arange(12, at::kLong);
  EXPECT_FALSE(at::equal(logits_of(other.config, other.weights(), ids), logits_of(config, model.weights(), ids)));
  divisors[1] = 0;
  EXPECT_NE(error(file_with(divisors)).find("rope_freqs.weight holds 0; divisors are above 0"), std::string::npos);
  EXPECT_NE(error(file_with({1, 2})).find("rope_freqs.weight has 2 numbers; heads of 16 need 8"), std::string::npos);
}

TEST_F(Gguf, NamesWhatItDoesNotCompute) {
  const Parameters model = model_of("qwen2");
  EXPECT_NE(error(metadata(model.config, "mamba")).find("mamba; this decoder computes llama, qwen2, qwen3, gemma3"),
            std::string::npos);
  const auto says = [&](const std::function<void(GgufBytes&)>& change) {
    GgufBytes file = metadata(model.config, "qwen2");
    add_tensors(model, file);
    change(file);
    return error(file);
  };
  EXPECT_NE(says([](GgufBytes& f) { f.number("qwen2.expert_count", 8); }).find("qwen2.expert_count"),
            std::string::npos);
  EXPECT_NE(says([](GgufBytes& f) {
              f.text("qwen2.rope.scaling.type", "longrope"), f.real("qwen2.rope.scaling.factor", 2);
            }).find("longrope"),
            std::string::npos);
  EXPECT_NE(says([](GgufBytes& f) { f.number("qwen2.rope.dimension_count", 8); }).find("rope.dimension_count"),
            std::string::npos);
  EXPECT_NE(says([](GgufBytes& f) { f.tensor("blk.0.ssm_a", {16}, std::vector<float>(16)); }).find("blk.0.ssm_a"),
            std::string::npos);
  EXPECT_NE(says([](GgufBytes& f) {
              f.tensor("blk.7.attn_norm.weight", {64}, std::vector<float>(64));
            }).find("model.layers.7.input_layernorm.weight"),
            std::string::npos);
  GgufBytes bare = metadata(model.config, "qwen2");
  EXPECT_NE(error(bare).find("token_embd.weight"), std::string::npos);
}

}  // namespace
}  // namespace ponder::model
