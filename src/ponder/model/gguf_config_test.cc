// A directory to a GGUF file and back, as configuration and as a model.
#include "ponder/model/gguf_config.h"

#include <ATen/core/Tensor.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/equal.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>

#include "ponder/base/error.h"
#include "ponder/base/file.h"
#include "ponder/model/decoder.h"
#include "ponder/model/gguf.h"
#include "ponder/model/test_families.h"
#include "ponder/store/gguf_export.h"
#include "ponder/tensor/ops.h"

namespace ponder::model {
namespace {

// The configuration that is read from what gguf_model() writes.
DecoderConfig there_and_back(const DecoderConfig& config) {
  const store::GgufModel model = gguf_model(config, "config.json");
  store::GgufPairs pairs;
  pairs.add_string("general.architecture", model.architecture);
  pairs.add_all(model.pairs);
  const std::string file = pairs.file();
  const store::GgufLayout layout = store::read_gguf_layout(file, "m.gguf");
  return from_hf_json(gguf_config_json(GgufHeader{layout.metadata, model.vocab, model.tied, model.rope_divisors}),
                      "m.gguf");
}

std::string refusal(const DecoderConfig& config) {
  try {
    gguf_model(config, "config.json");
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), ErrorCode::kInput);
    EXPECT_EQ(e.where(), "config.json");
    return e.message();
  }
  return "no error";
}

// A case's config.json with other values; "a.b" is a key in an object, null takes a key out.
DecoderConfig changed(const char* name, const char* changes) {
  base::Json json = test::read_case(name).at("config");
  const base::Json parsed = base::Json::parse(changes);
  for (const auto& [path, value] : parsed.as_object()) {
    const size_t dot = path.find('.');
    (dot == std::string::npos ? json[path] : json[path.substr(0, dot)][path.substr(dot + 1)]) = value;
  }
  return from_hf_json(json, name);
}

// What a file does not say in these cases, put as it would say it.
DecoderConfig expressible(const std::string& name) {
  DecoderConfig config = test::family_model(name).config;
  if (config.family.starts_with("qwen")) config.windowed.clear(), config.window = 0;
  if (config.family == "gemma3_text") config.attention_scale = 1 / std::sqrt(static_cast<double>(config.head_dim));
  return config;
}

class GgufRoundTrip : public testing::TestWithParam<std::string> {
 protected:
  GgufRoundTrip() { base::make_directories(folder_); }
  ~GgufRoundTrip() override { base::remove_all(folder_); }
  std::string path(const char* name) const { return base::join_path(folder_, name); }
  std::string folder_ = base::cat(testing::TempDir(), "ponder_round_trip_", static_cast<int64_t>(getpid()));
};
INSTANTIATE_TEST_SUITE_P(Model, GgufRoundTrip, testing::ValuesIn(test::family_cases()), [](const auto& info) {
  std::string name = info.param;
  std::replace(name.begin(), name.end(), '-', '_');
  return name;
});

at::Tensor logits_of(const Parameters& model) {
  const at::NoGradGuard no_grad;
  const at::Tensor ids = at::arange(40, at::kLong);
  const DecoderWeights weights = model.weights();
  return tensor::linear(packed_hidden(model.config, weights, ids, {.starts = {0, 40}}), weights.head);
}

// Numbers pass through f32 in the file; and a Mistral without windows is a Llama there.
DecoderConfig as_in_a_file(DecoderConfig config) {
  config.norm_eps = static_cast<double>(static_cast<float>(config.norm_eps));
  if (config.family == "mistral" && config.windowed.empty()) config.family = "llama";
  return config;
}

TEST_P(GgufRoundTrip, IsTheSameModel) {
  const Parameters model = test::formula_parameters(expressible(GetParam()));
  base::make_directories(path("from"));
  save_hf(path("from"), model, "");
  save_gguf(path("from"), path("m.gguf"), store::GgmlType::kF32);
  const Parameters loaded = load_gguf(path("m.gguf"), Hold::kTrainable).parameters;
  EXPECT_EQ(loaded.config, as_in_a_file(model.config));
  EXPECT_TRUE(at::equal(logits_of(loaded), logits_of(model)));

  const store::GgufFile file(path("m.gguf"));
  base::make_directories(path("back"));
  const DecoderConfig config = from_hf_json(gguf_config_json(file), "m.gguf");
  save_config(path("back"), config);
  store::export_safetensors(file, path("back/model.safetensors"), "F32");
  const Parameters back = load_hf(path("back"), Hold::kTrainable).parameters;
  EXPECT_EQ(back.config, loaded.config);
  EXPECT_TRUE(at::equal(back.flat, loaded.flat));

  save_gguf(path("from"), path("half.gguf"), store::GgmlType::kBf16);
  const Parameters half = load_gguf(path("half.gguf"), Hold::kTrainable).parameters;
  EXPECT_EQ(half.config, loaded.config);
  const at::Tensor error = half.flat.sub(loaded.flat).abs().sub(loaded.flat.abs().mul(1.0 / 256));
  EXPECT_LE(error.max().item<float>(), 0) << "bf16 keeps eight bits";
}

TEST(GgufConfig, KeepsWhatTheFilesCanSay) {
  const auto keeps = [](const DecoderConfig& config) {
    const DecoderConfig back = there_and_back(config);
    DecoderConfig wanted = as_in_a_file(config);
    // The tokens are the vocabulary's matter, and the growth of queries has passed through f32.
    wanted.bos_id = wanted.pad_id = -1, wanted.eos_ids.clear();
    EXPECT_NEAR(back.rotary.length, wanted.rotary.length, 1e-6);
    wanted.rotary.length = back.rotary.length;
    EXPECT_EQ(back, wanted);
    return back;
  };
  // YaRN's growth, said as such or by way of mscale.
  keeps(changed("llama-yarn", R"({"rope_parameters.attention_factor":1.5})"));
  keeps(changed("llama-yarn", R"({"rope_parameters.mscale":0.7,"rope_parameters.mscale_all_dim":0.3})"));
  keeps(changed("llama-yarn", R"({"max_position_embeddings":64})"));
  // Without the key a Mistral has windows of 4096; with null it has none, and is a Llama.
  base::Json mistral = test::read_case("mistral").at("config");
  std::erase_if(mistral.as_object(), [](const auto& entry) { return entry.first == "sliding_window"; });
  EXPECT_EQ(keeps(from_hf_json(mistral, "x")).window, 4096);
  EXPECT_EQ(keeps(changed("mistral", R"({"sliding_window":null})")).family, "llama");
  // Of two ropes the older one counts.
  const DecoderConfig both = changed("llama", R"({"rope_scaling":{"type":"linear","factor":4,"rope_theta":77},
      "rope_parameters":{"rope_type":"yarn","factor":8,"rope_theta":99}})");
  EXPECT_EQ(keeps(both).rotary.scaling, tensor::RotaryScaling::kLinear);
  // A window that is switched off.
  EXPECT_EQ(keeps(changed("qwen2", R"({"sliding_window":8,"use_sliding_window":null})")).window, 0);
  // Gemma's layers in every period, with another rope, and without windows.
  const char* kScale = R"({"query_pre_attn_scalar":16,"layer_types":)";
  const auto gemma = [&](const char* types) { return keeps(changed("gemma3", base::cat(kScale, types, "}").c_str())); };
  gemma(R"(["sliding_attention","full_attention","sliding_attention"])");
  gemma(R"(["sliding_attention","sliding_attention","full_attention"])");
  EXPECT_EQ(gemma(R"(["sliding_attention","sliding_attention","sliding_attention"])").window, 6);
  EXPECT_EQ(gemma(R"(["full_attention","full_attention","full_attention"])").window, 0);
  keeps(changed("gemma3", R"({"query_pre_attn_scalar":16,"rope_parameters.sliding_attention":{"rope_theta":500.0}})"));
  // Llama 3's ropes, whatever they were made for, and any other table.
  for (const char* rope : {R"({"rope_parameters.original_max_position_embeddings":8192})",
                           R"({"rope_parameters.original_max_position_embeddings":8192,"rope_parameters.factor":32.0})",
                           R"({"rope_parameters.original_max_position_embeddings":1000,"head_dim":128})",
                           R"({"rope_parameters.original_max_position_embeddings":32,"head_dim":64})",
                           R"({"rope_parameters.high_freq_factor":8.0,"head_dim":128,
                              "rope_parameters.original_max_position_embeddings":4096})"})
    keeps(changed("llama-llama3", rope));
  // Bounds and context that are all twice as large have the same table.
  const DecoderConfig doubled =
      changed("llama-llama3", R"({"rope_parameters.low_freq_factor":2.0,"rope_parameters.high_freq_factor":8.0,
                                  "rope_parameters.original_max_position_embeddings":64})");
  EXPECT_EQ(there_and_back(doubled).rotary, changed("llama-llama3", "{}").rotary);
  const DecoderConfig table = changed("llama", R"({"rope_parameters":{"rope_type":"longrope","attention_factor":1.0,
      "short_factor":[1,2,1.5,3,1,1,7,7],"long_factor":[1,2,1.5,3,1,1,7,7],"original_max_position_embeddings":128}})");
  EXPECT_EQ(keeps(table).rotary.divisors, (std::vector<float>{1, 2, 1.5, 3, 1, 1, 7, 7}));
}

TEST(GgufConfig, RefusesWhatHasNoPlace) {
  struct Case {
    const char *name, *changes, *says;
  };
  const Case kCases[] = {
      {"llama-yarn", R"({"rope_parameters.beta_fast":16})", "rope_parameters.beta_fast is 16"},
      {"llama-yarn", R"({"rope_parameters.beta_slow":2})", "rope_parameters.beta_slow is 2"},
      {"llama-yarn", R"({"rope_parameters.truncate":false})", "rope_parameters.truncate is false"},
      {"llama", R"({"rope_parameters":{"rope_type":"longrope","attention_factor":2.0,
          "short_factor":[1,2,1.5,3,1,1,7,7],"long_factor":[1,2,1.5,3,1,1,7,7]}})",
       "rope_parameters.attention_factor is 2"},
      {"qwen2", R"({"rope_parameters":{"rope_type":"llama3","factor":8,"low_freq_factor":1,"high_freq_factor":4,
          "original_max_position_embeddings":32}})",
       "rope_parameters.rope_type is \"llama3\""},
      {"qwen2-windows", "{}",
       "use_sliding_window is true; a GGUF file of the architecture qwen2 has no place for that"},
      {"qwen3-windows", "{}", "use_sliding_window is true"},
      {"gemma3", "{}", "query_pre_attn_scalar is 24"},
      {"gemma3", R"({"query_pre_attn_scalar":16,
          "layer_types":["full_attention","sliding_attention","sliding_attention"]})",
       "layer_types is [\"full_att"},
      {"gemma3", R"({"query_pre_attn_scalar":16,"rope_parameters.full_attention":{"rope_type":"yarn","factor":4.0,
          "rope_theta":1e6,"attention_factor":2.0}})",
       "rope_scaling.attention_factor is 2"},
      {"llama", R"({"ponder_value_head":true})", "ponder_value_head is true"},
  };
  for (const Case& c : kCases) {
    const std::string found = refusal(changed(c.name, c.changes));
    EXPECT_NE(found.find(c.says), std::string::npos) << c.name << c.changes << "\n" << found;
  }
}

// The metadata of a tiny model of that architecture, and what a test adds.
class Metadata {
 public:
  explicit Metadata(const std::string& architecture) : prefix_(architecture + ".") {
    pairs.add_string("general.architecture", architecture);
    const std::pair<const char*, int64_t> kCounts[] = {{"context_length", 128},     {"embedding_length", 64},
                                                       {"block_count", 7},          {"feed_forward_length", 48},
                                                       {"attention.head_count", 4}, {"attention.key_length", 16}};
    for (const auto& [key, value] : kCounts) pairs.add_u32(prefix_ + key, value);
    pairs.add_f32(prefix_ + "attention.layer_norm_rms_epsilon", 1e-6);
  }
  Metadata& real(const char* key, double value) { return pairs.add_f32(prefix_ + key, value), *this; }
  Metadata& count(const char* key, int64_t value) { return pairs.add_u32(prefix_ + key, value), *this; }
  Metadata& text(const char* key, const char* value) { return pairs.add_string(prefix_ + key, value), *this; }
  DecoderConfig config(std::vector<float> divisors = {}) const {
    const std::string file = pairs.file();
    const store::GgufLayout layout = store::read_gguf_layout(file, "m.gguf");
    return from_hf_json(gguf_config_json(GgufHeader{layout.metadata, 96, true, std::move(divisors)}), "m.gguf");
  }
  std::string error(std::vector<float> divisors = {}) const {
    try {
      config(std::move(divisors));
    } catch (const Error& e) {
      EXPECT_EQ(e.code(), ErrorCode::kInput);
      return e.what();
    }
    return "no error";
  }
  store::GgufPairs pairs;

 private:
  std::string prefix_;
};

// llama.cpp's load_hparams: the type is "linear" where there is none, and the factor 1.
TEST(GgufConfig, RopesAreScaledAsLlamaCppDoes) {
  using tensor::RotaryScaling;
  EXPECT_EQ(Metadata("llama").config().rotary.scaling, RotaryScaling::kNone);
  const DecoderConfig bare = Metadata("qwen2").real("rope.scaling.factor", 4).config();
  EXPECT_EQ(bare.rotary.scaling, RotaryScaling::kLinear);
  EXPECT_EQ(bare.rotary.factor, 4);
  EXPECT_EQ(Metadata("qwen2").real("rope.scaling.factor", 1).config().rotary.scaling, RotaryScaling::kNone);
  EXPECT_EQ(Metadata("qwen2").text("rope.scaling.type", "linear").config().rotary.scaling, RotaryScaling::kNone);
  EXPECT_EQ(Metadata("qwen2").text("rope.scaling.type", "none").real("rope.scaling.factor", 4).config().rotary.scaling,
            RotaryScaling::kNone);
  const auto yarn = [] { return Metadata("qwen2").text("rope.scaling.type", "yarn").real("rope.scaling.factor", 4); };
  EXPECT_NEAR(yarn().config().rotary.length, 0.1 * std::log(4) + 1, 1e-12);
  EXPECT_EQ(yarn().config().rotary.original_context, 128);
  EXPECT_NEAR(yarn().real("rope.scaling.attn_factor", 2).config().rotary.length, 0.2 * std::log(4) + 2, 1e-12);
  EXPECT_NE(Metadata("qwen2").real("rope.scaling.attn_factor", 2).error().find("attn_factor is 2"), std::string::npos);
  EXPECT_NE(Metadata("qwen2").text("rope.scaling.type", "yarn").error().find("rope.scaling.factor"), std::string::npos);
  const std::vector<float> divisors(8, 2);
  EXPECT_NE(Metadata("llama").real("rope.scaling.factor", 4).error(divisors).find("one of both"), std::string::npos);
  EXPECT_NE(Metadata("qwen2").error(divisors).find("only a llama has it"), std::string::npos);
  EXPECT_EQ(Metadata("llama").config(std::vector<float>(8, 1)).rotary.scaling, RotaryScaling::kNone);
}

TEST(GgufConfig, WindowsOfGemmaComeInPeriods) {
  const auto windowed = [](int64_t period) {
    Metadata file("gemma3");
    file.count("attention.sliding_window", 5);
    if (period >= 0) file.count("attention.sliding_window_pattern", period);
    return file.config().windowed;
  };
  EXPECT_EQ(windowed(-1), (std::vector<bool>{true, true, true, true, true, false, true})) << "6 where it is not said";
  EXPECT_EQ(windowed(2), (std::vector<bool>{true, false, true, false, true, false, true}));
  EXPECT_EQ(windowed(0), std::vector<bool>(7, true));
  EXPECT_EQ(windowed(1), std::vector<bool>{});
  EXPECT_TRUE(Metadata("gemma3").config().windowed.empty());
}

// Most files of instruct models name one end token, and the model stops at another one.
TEST(GgufConfig, TokensEndATextByTheirKeyOrTheirText) {
  Metadata file("llama");
  file.pairs.add_strings("tokenizer.ggml.tokens",
                         std::vector<std::string_view>{"<s>", "</s>", "<|eot_id|>", "<|im_end|>", "<end_of_turn>", "a",
                                                       "<|end|>", "<|endoftext|>", "<|eom_id|>"});
  file.pairs.add_i32s("tokenizer.ggml.token_type", {3, 3, 3, 4, 3, 1, 1, 3, 3});
  file.pairs.add_u32("tokenizer.ggml.bos_token_id", 0);
  file.pairs.add_u32("tokenizer.ggml.eos_token_id", 7);
  file.pairs.add_u32("tokenizer.ggml.padding_token_id", 5);
  const DecoderConfig config = file.config();
  EXPECT_EQ(config.eos_ids, (std::vector<int64_t>{7, 2, 3, 4, 8})) << "<|end|> is ordinary text in this vocabulary";
  EXPECT_EQ(config.bos_id, 0);
  EXPECT_EQ(config.pad_id, 5);
  file.pairs.add_u32("tokenizer.ggml.eot_token_id", 6);
  EXPECT_EQ(file.config().eos_ids, (std::vector<int64_t>{7, 6, 2, 3, 4, 8}));
}

}  // namespace
}  // namespace ponder::model
