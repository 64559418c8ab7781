// Every family against the figures of transformers (tests/reference/make_model_fixtures.py), and what config.json may
// not say.
#include "ponder/model/families.h"

#include <ATen/core/grad_mode.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/equal.h>
#include <ATen/ops/zeros_like.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>

#include "ponder/base/error.h"
#include "ponder/model/decoder.h"
#include "ponder/model/load.h"
#include "ponder/model/test_families.h"
#include "ponder/store/safetensors.h"
#include "ponder/tensor/device.h"
#include "ponder/tensor/log_softmax.h"
#include "ponder/tensor/ops.h"

namespace ponder::model {
namespace {

class Families : public testing::TestWithParam<std::string> {
 protected:
  void SetUp() override {
    tensor::set_operator_threads(1);
    figures_ = test::read_case(GetParam());
    const std::vector<int64_t> ids = figures_.ints_at("ids");
    ids_ = at::empty({static_cast<int64_t>(ids.size())}, at::kLong);
    std::copy(ids.begin(), ids.end(), ids_.mutable_data_ptr<int64_t>());
  }
  std::vector<double> numbers(const base::Json& list) const {
    std::vector<double> values;
    for (const base::Json& v : list.as_array()) values.push_back(v.as_double());
    return values;
  }
  at::Tensor logits(const Parameters& model) const {
    const at::NoGradGuard no_grad;
    const DecoderWeights w = model.weights();
    return tensor::linear(packed_hidden(model.config, w, ids_, {{0, ids_.size(0)}}), w.head);
  }
  // Largest and root mean square distance from the reference's logits.
  std::pair<double, double> distance(const at::Tensor& logits) const {
    double most = 0, squares = 0, n = 0;
    const auto& rows = figures_.at("logits").as_array();
    const auto positions = figures_.ints_at("positions");
    for (size_t i = 0; i < rows.size(); ++i) {
      const auto expected = numbers(rows[i]);
      const float* row = logits.const_data_ptr<float>() + positions[i] * logits.size(1);
      for (size_t v = 0; v < expected.size(); ++v, ++n) {
        const double d = std::abs(row[v] - expected[v]);
        most = std::max(most, d), squares += d * d;
      }
    }
    return {most, std::sqrt(squares / n)};
  }
  base::Json figures_;
  at::Tensor ids_;
};
INSTANTIATE_TEST_SUITE_P(Model, Families, testing::ValuesIn(test::family_cases()), [](const auto& info) {
  std::string name = info.param;
  std::replace(name.begin(), name.end(), '-', '_');
  return name;
});

TEST_P(Families, LogitsAreThoseOfTransformers) {
  const at::Tensor f32 = logits(test::family_model(GetParam()));
  EXPECT_LE(distance(f32).first, 1e-4 * figures_.double_at("scale"));
  const auto expected = numbers(figures_.at("logp"));
  const at::Tensor logp = tensor::target_logp(f32, ids_.roll(-1), false).logp;
  for (size_t t = 0; t < expected.size(); ++t)
    EXPECT_NEAR(logp.const_data_ptr<float>()[t], expected[t], 1e-4 * figures_.double_at("scale")) << t;
}

// Weights, sums and the residual stream stay f32 here, so bf16 errs less than the reference's.
TEST_P(Families, Bf16ErrsLessThanTheReferencesOwn) {
  const auto [most, rms] = distance(logits(test::family_model(GetParam(), "bf16")));
  EXPECT_LE(most, figures_.at("bf16_error").double_at("max"));
  EXPECT_LE(rms, figures_.at("bf16_error").double_at("rms"));
  EXPECT_GT(rms, 0);
}

TEST_P(Families, GradientOfAFineTuningStepIsThatOfTransformers) {
  const Parameters model = test::family_model(GetParam());
  at::Tensor grad = at::zeros_like(model.flat);
  const DecoderWeights w = leaf_views(model.config, model.flat, grad);
  const int64_t n = ids_.size(0), first = figures_.int_at("first_target");
  const at::Tensor logits = tensor::linear(packed_hidden(model.config, w, ids_, {{0, n}}), w.head);
  const auto logp = tensor::target_logp(logits.detach(), ids_.roll(-1), false);
  at::Tensor slope = at::empty({n}, at::kFloat);  // of −mean log-prob of tokens first … n−1
  double loss = 0;
  for (int64_t t = 0; t < n; ++t) {
    const bool target = t + 1 >= first && t + 1 < n;
    slope.mutable_data_ptr<float>()[t] = target ? -1.0f / static_cast<float>(n - first) : 0;
    if (target) loss -= logp.logp.const_data_ptr<float>()[t] / static_cast<double>(n - first);
  }
  EXPECT_NEAR(loss, figures_.double_at("loss"), 1e-4 * loss);
  at::Tensor gradient = logits.detach().clone();
  tensor::target_logp_backward_(gradient, ids_.roll(-1), logp.logsumexp, slope);
  logits.backward(gradient);
  const auto& expected = figures_.at("gradient");
  EXPECT_EQ(expected.size(), parameter_table(model.config).size());
  for (const ParameterInfo& p : parameter_table(model.config)) {
    const base::Json& figures = expected.at(p.name);
    const float* g = grad.const_data_ptr<float>() + p.offset;
    const double length = figures.double_at("norm"), near = 1e-3 * length;
    double squares = 0;
    for (int64_t i = 0; i < p.numel(); ++i) squares += double(g[i]) * g[i];
    EXPECT_NEAR(std::sqrt(squares), length, near) << p.name;
    const auto projections = numbers(figures.at("projections")), samples = numbers(figures.at("samples"));
    for (size_t k = 0; k < projections.size(); ++k) {
      double sum = 0;
      const uint64_t hash = test::name_hash(base::cat(p.name, "#", k));
      for (int64_t i = 0; i < p.numel(); ++i)
        sum += test::formula_bits(hash, static_cast<uint64_t>(i)) >> 63 ? -double(g[i]) : double(g[i]);
      EXPECT_NEAR(sum, projections[k], near) << p.name << " projected " << k;
    }
    for (size_t k = 0; k < samples.size(); ++k) {
      const auto at = test::formula_bits(test::name_hash(p.name + "#samples"), k) % static_cast<uint64_t>(p.numel());
      EXPECT_NEAR(g[at], samples[k], near) << p.name << "[" << at << "]";
    }
  }
}

TEST_P(Families, PackingAndPaddingChangeNoBit) {
  const at::NoGradGuard no_grad;
  for (const char* compute : {"f32", "bf16"}) {
    const Parameters model = test::family_model(GetParam(), compute);
    const DecoderWeights w = model.weights();
    const int64_t n = ids_.size(0);
    const at::Tensor three = at::cat({ids_.narrow(0, 0, 3), ids_, ids_.narrow(0, 0, 17)}, 0);
    const at::Tensor packed = packed_hidden(model.config, w, three, {{0, 3, 3 + n, 20 + n}});
    const at::Tensor alone = packed_hidden(model.config, w, ids_, {{0, n}});
    EXPECT_TRUE(at::equal(packed.narrow(0, 3, n), alone));
    EXPECT_TRUE(at::equal(packed.narrow(0, 3 + n, 17), alone.narrow(0, 0, 17)));
  }
}

TEST_P(Families, OldAndNewSpellingsOfTheConfigurationMeanTheSame) {
  const DecoderConfig config = from_hf_json(figures_.at("config"), "new");
  EXPECT_EQ(from_hf_json(figures_.at("old_config"), "old"), config);
  EXPECT_EQ(from_hf_json(to_hf_json(config), "written"), config);
  EXPECT_EQ(config.eos_ids, (std::vector<int64_t>{2, 3}));
}

// A directory as transformers would leave it, in three types and in two parts, held in both ways.
TEST_P(Families, ADirectoryGivesTheSameBitsHeldInEitherWay) {
  const std::string directory = base::cat(testing::TempDir(), "ponder_families_", static_cast<int64_t>(getpid()));
  base::make_directories(directory);
  Parameters model = test::family_model(GetParam());
  for (const char* dtype : {"F32", "BF16"})
    for (const char* compute : {"f32", "bf16"}) {
      model.config.compute = compute;
      save_hf(directory, model, "");
      if (dtype == std::string("BF16")) {
        std::vector<std::vector<uint16_t>> halves;
        std::vector<store::TensorView> tensors;
        for (const ParameterInfo& p : parameter_table(model.config)) {
          std::vector<uint16_t> half(static_cast<size_t>(p.numel()));
          const auto* words = reinterpret_cast<const uint32_t*>(model.flat.const_data_ptr<float>() + p.offset);
          for (size_t i = 0; i < half.size(); ++i) half[i] = static_cast<uint16_t>(words[i] >> 16);
          halves.push_back(std::move(half));
          tensors.push_back({p.name, dtype, p.shape, halves.back().data()});
        }
        store::write_safetensors(base::join_path(directory, "model.safetensors"), tensors);
      }
      const LoadedModel flat = load_hf(directory), packed = load_hf(directory, Hold::kReadOnly);
      EXPECT_EQ(packed.parameters.config, model.config);
      EXPECT_FALSE(packed.parameters.flat.defined());
      EXPECT_TRUE(at::equal(logits(packed.parameters), logits(flat.parameters))) << dtype << " " << compute;
      EXPECT_EQ(at::equal(flat.parameters.flat, model.flat), dtype == std::string("F32"));
    }
  base::remove_all(directory);
}

// ---- what config.json may not say ----
struct Malformed {
  const char* base;   // case that is changed
  const char* key;    // "a.b" is b in a
  const char* value;  // JSON; "" takes the key out
  const char* says;   // part of the message
};

const Malformed kMalformed[] = {
    {"llama", "model_type", "", "model_type"},
    {"llama", "model_type", "\"gpt2\"", "gpt2; this decoder computes llama, mistral, qwen2, qwen3, gemma3_text"},
    {"llama", "model_type", "7", "model_type is 7; a text"},
    {"llama", "activation", "\"gelu\"", "activation is gelu; this decoder computes swiglu"},
    // Layers with a window, and no window: transformers raises an error at the first token.
    {"qwen2-windows", "sliding_window", "null", "windowed layers need a window"},
    {"gemma3", "sliding_window", "null", "windowed layers need a window"},
    {"llama", "vocab_size", "", "no vocab_size"},
    {"llama", "vocab_size", "0", "vocabulary"},
    {"llama", "model_type", "null", "there is no model_type"},
    {"llama", "vocab_size", "1e300", "vocab_size is 1e+300"},
    {"llama", "vocab_size", "96.0", "vocab_size is 96"},
    {"llama", "vocab_size", "96.5", "vocab_size is 96.5; a whole number"},
    {"llama", "vocab_size", "-1", "vocabulary"},
    {"llama", "vocab_size", "true", "vocab_size is true; a whole number"},
    {"llama", "vocab_size", "null", "no vocab_size"},
    {"llama", "vocab_size", "99999999999999999999", "vocab_size is 1e+20"},
    {"llama", "hidden_size", "0", "width = 0"},
    {"llama", "hidden_size", "9223372036854775792", "width = 9223372036854775792; it must be 1 …"},
    {"llama", "num_hidden_layers", "-1", "num_hidden_layers is -1"},
    {"llama", "num_hidden_layers", "\"two\"", "num_hidden_layers is \"two\"; a whole number"},
    {"llama", "num_attention_heads", "-4", "heads"},
    {"llama", "num_attention_heads", "4294967297", "heads = 4294967297; it must be 1 … 1024"},
    {"llama", "num_key_value_heads", "-2", "num_key_value_heads is -2"},
    {"llama", "num_key_value_heads", "1024", "kv_heads = 1024"},
    {"llama", "head_dim", "-16", "head_dim = -16"},
    {"llama", "head_dim", "24", "head_dim = 24 is not a positive multiple of 16"},
    {"llama", "head_dim", "{}", "head_dim is {}; a whole number"},
    {"llama", "intermediate_size", "", "no intermediate_size"},
    {"llama", "intermediate_size", "0", "ffn = 0"},
    {"llama", "intermediate_size", "4611686018427387904", "ffn = 4611686018427387904"},
    {"llama", "max_position_embeddings", "0", "context"},
    {"llama", "max_position_embeddings", "4611686018427387904", "context = 4611686018427387904"},
    {"llama", "rms_norm_eps", "1e300", "norm_eps = 1e+300; it must be 0 … 1"},
    {"llama", "eos_token_id", "-2", "end token -2"},
    {"llama", "eos_token_id", "\"</s>\"", "eos_token_id is \"</s>\"; a whole number"},
    {"llama", "eos_token_id", "[[2]]", "eos_token_id holds [2]"},
    {"llama", "eos_token_id", "4294967298", "end token 4294967298"},
    {"llama", "bos_token_id", "\"<s>\"", "bos_token_id is \"<s>\"; a whole number"},
    {"llama", "pad_token_id", "-2", "pad_token_id must be at least 0, or -1"},
    {"llama", "tie_word_embeddings", "\"yes\"", "tie_word_embeddings is \"yes\"; true or false"},
    {"llama", "hidden_act", "[\"silu\"]", "hidden_act is [\"silu\"]; a text"},
    {"llama", "rope_parameters.rope_theta", "-10000.0", "rope_theta = -10000"},
    {"llama", "rope_parameters.rope_theta", "\"1e4\"", "rope_theta is \"1e4\"; a number"},
    {"llama", "rope_parameters.rope_type", "7", "rope_type is 7; a text"},
    {"llama", "rope_scaling", "[]", "rope_scaling: this is array; an object"},
    {"llama", "rope_scaling", "{\"type\": \"ntk\", \"factor\": 2.0}", "rope_type is ntk"},
    {"llama", "layer_types", "[\"full_attention\"]", "layer_types is not a key"},
    {"llama-linear", "rope_parameters.factor", "-4.0", "factor = -4; it must be at least 1"},
    {"llama-yarn", "rope_parameters.attention_factor", "1e300", "attention_factor = 1e+300; it must be above 0"},
    {"llama-yarn", "rope_parameters.attention_factor", "-1.0", "attention_factor = -1"},
    {"llama-yarn", "rope_parameters.truncate", "1", "truncate is 1; true or false"},
    {"mistral", "sliding_window", "9223372036854775807", "sliding_window = 9223372036854775807"},
    {"qwen2-windows", "layer_types", "{}", "layer_types must be a list of 2"},
    {"qwen2-windows", "layer_types", "[1, 2]", "layer_types is 1"},
    {"qwen2-windows", "sliding_window", "-4", "window"},
    {"qwen2-windows", "use_sliding_window", "\"true\"", "use_sliding_window is \"true\"; true or false"},
    {"gemma3", "query_pre_attn_scalar", "-256", "query_pre_attn_scalar"},
    {"gemma3", "layer_types", "[\"sliding_attention\"]", "layer_types must be a list of 3"},
    {"gemma3", "rope_parameters.sliding_attention", "{\"rope_theta\": -1.0}", "rope_local_base_freq"},
    {"gemma3", "rope_parameters.full_attention", "7", "rope_parameters.full_attention: this is integer; an object"},
    {"llama", "vocab_size", "9223372036854775807", "vocab = 9223372036854775807"},
    {"llama", "hidden_size", "33", "multiple of 16"},
    {"llama", "hidden_size", "-32", "width = -32"},
    {"llama", "hidden_size", "\"32\"", "hidden_size is \"32\"; a whole number"},
    {"llama", "num_hidden_layers", "0", "num_hidden_layers is 0"},
    {"llama", "num_hidden_layers", "1000000000000", "num_hidden_layers is 1000000000000"},
    {"llama", "num_attention_heads", "0", "heads"},
    {"llama", "num_key_value_heads", "3", "kv_heads"},
    {"llama", "num_key_value_heads", "0", "num_key_value_heads is 0"},
    {"llama", "head_dim", "8", "head_dim"},
    {"llama", "head_dim", "1048576", "head_dim"},
    {"llama", "intermediate_size", "[48]", "intermediate_size is [48]"},
    {"llama", "max_position_embeddings", "1", "context"},
    {"llama", "rms_norm_eps", "-1", "norm_eps"},
    {"llama", "rms_norm_eps", "\"small\"", "rms_norm_eps"},
    {"llama", "eos_token_id", "96", "end token 96"},
    {"llama", "eos_token_id", "[2, \"3\"]", "eos_token_id holds \"3\""},
    {"llama", "tie_word_embeddings", "1", "tie_word_embeddings is 1; true or false"},
    {"llama", "hidden_act", "\"gelu\"", "hidden_act is gelu; this decoder computes silu"},
    {"llama", "attention_bias", "true", "attention_bias is true"},
    {"llama", "mlp_bias", "true", "mlp_bias is true"},
    {"llama", "quantization_config", "{\"quant_method\": \"gptq\"}", "quantization_config"},
    {"llama", "num_local_experts", "8", "num_local_experts is not a key"},
    {"llama", "rope_interleaved", "true", "rope_interleaved is not a key"},
    {"llama", "sliding_window", "512", "sliding_window is not a key"},
    {"llama", "rope_parameters", "3", "rope_parameters: this is integer; an object"},
    {"llama", "rope_parameters.rope_theta", "0.5", "rope_theta"},
    {"llama", "rope_parameters.rope_type", "\"dynamic\"",
     "rope_type is dynamic; this decoder computes rope_type default"},
    {"llama", "rope_parameters.rope_type", "\"longrope\"", "longrope"},
    {"llama", "rope_scaling", R"({"type": "longrope", "short_factor": [1, 2], "attention_factor": 1.0})",
     "long_factor"},
    {"llama", "rope_scaling", R"({"type": "longrope", "short_factor": [1], "long_factor": [2], "attention_factor": 1})",
     "long_factor is not short_factor; this decoder computes the same factors"},
    {"llama", "rope_scaling", R"({"type": "longrope", "short_factor": [1], "long_factor": [1]})",
     "no attention_factor"},
    {"llama", "rope_scaling", R"({"type": "longrope", "short_factor": [1], "long_factor": [1], "attention_factor": 1})",
     "the rope has 1 factors; heads of 16 have 8 pairs"},
    {"llama", "rope_scaling", R"({"type": "longrope", "short_factor": [1, 1, 1, 1, 1, 1, 1, -1],
      "long_factor": [1, 1, 1, 1, 1, 1, 1, -1], "attention_factor": 1.0})",
     "a factor of the rope is -1"},
    {"llama", "rope_scaling", R"({"type": "longrope", "short_factor": "1", "long_factor": [1]})",
     "no list short_factor"},
    {"llama", "rope_scaling", R"({"type": "longrope", "short_factor": [[]], "long_factor": [1]})",
     "short_factor holds []"},
    {"llama-yarn", "rope_parameters.original_max_position_embeddings", "2000000000", "original context = 2000000000"},
    {"llama", "rope_parameters.rope_type", "\"linear\"", "linear and there is no factor"},
    {"llama", "rope_parameters.partial_rotary_factor", "0.5", "partial_rotary_factor"},
    {"llama", "rope_parameters.mrope_section", "[1, 2]", "mrope_section is not a key"},
    {"llama-linear", "rope_parameters.factor", "0", "factor"},
    {"llama-linear", "rope_parameters.factor", "\"4\"", "factor is \"4\"; a number"},
    {"llama-llama3", "rope_parameters.low_freq_factor", "", "no low_freq_factor"},
    {"llama-llama3", "rope_parameters.high_freq_factor", "1.0", "slow bound"},
    {"llama-llama3", "rope_parameters.original_max_position_embeddings", "0", "original context"},
    {"llama-yarn", "rope_parameters.original_max_position_embeddings", "0", "original_max_position_embeddings"},
    {"llama-yarn", "rope_parameters.beta_slow", "64", "slow bound"},
    {"mistral", "sliding_window", "-5", "sliding_window"},
    {"qwen2-windows", "layer_types", "[\"full_attention\"]", "layer_types must be a list of 2"},
    {"qwen2-windows", "layer_types", "[\"full_attention\", \"chunked_attention\"]", "chunked_attention"},
    {"qwen2-windows", "sliding_window", "0", "window"},
    {"qwen3", "attention_bias", "true", "attention_bias"},
    {"gemma3", "attn_logit_softcapping", "50.0", "attn_logit_softcapping is 50"},
    {"gemma3", "final_logit_softcapping", "30.0", "final_logit_softcapping is 30"},
    {"gemma3", "use_bidirectional_attention", "true", "use_bidirectional_attention"},
    {"gemma3", "hidden_activation", "\"silu\"", "hidden_activation is silu; this decoder computes gelu_pytorch_tanh"},
    {"gemma3", "query_pre_attn_scalar", "0", "query_pre_attn_scalar"},
    {"gemma3", "sliding_window_pattern", "0", "sliding_window_pattern"},
    {"gemma3", "rope_parameters.sliding_attention", "{\"rope_type\": \"linear\", \"factor\": 2.0}", "not stretched"},
    {"gemma3", "rope_parameters.chunked_attention", "{\"rope_type\": \"linear\"}", "chunked_attention"},
};

void change(base::Json& json, const std::string& key, const std::string& value) {
  const size_t dot = key.find('.');
  if (dot != std::string::npos) return change(json[key.substr(0, dot)], key.substr(dot + 1), value);
  if (!value.empty())
    json[key] = base::Json::parse(value);
  else
    std::erase_if(json.as_object(), [&](const auto& entry) { return entry.first == key; });
}

TEST(ConfigJson, NamesWhatIsWrong) {
  for (const Malformed& m : kMalformed) {
    base::Json json = test::read_case(m.base).at("config");
    change(json, m.key, m.value);
    try {
      from_hf_json(json, "m/config.json");
      ADD_FAILURE() << m.base << " with " << m.key << " = " << m.value << " was read";
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ErrorCode::kInput);
      EXPECT_NE(std::string(error.what()).find(m.says), std::string::npos) << error.what() << "\nlacks: " << m.says;
      EXPECT_TRUE(error.where().starts_with("m/config.json")) << error.where();
    }
  }
  for (const char* text : {"[]", "3", "null", "{}"})
    EXPECT_THROW(from_hf_json(base::Json::parse(text), "m/config.json"), Error) << text;
}

TEST(ConfigJson, KeysWithoutEffectMayBeThere) {
  base::Json json = test::read_case("llama").at("config");
  const DecoderConfig config = from_hf_json(json, "x");
  for (const auto& [key, value] :
       std::vector<std::pair<const char*, const char*>>{{"transformers_version", "\"4.51.3\""},
                                                        {"_name_or_path", "\"x\""},
                                                        {"unsloth_fixed", "true"},
                                                        {"use_cache", "false"},
                                                        {"pretraining_tp", "1"},
                                                        {"some_new_switch", "false"},
                                                        {"sliding_window", "null"}})
    change(json, key, value);
  EXPECT_EQ(from_hf_json(json, "x"), config);
}

// HuggingFaceTB/SmolLM2-135M-Instruct, and what else published and fine-tuned checkpoints carry along.
constexpr const char* kSmolLm2 = R"({
  "architectures": ["LlamaForCausalLM"], "attention_bias": false, "attention_dropout": 0.0, "bos_token_id": 1,
  "eos_token_id": 2, "hidden_act": "silu", "hidden_size": 576, "initializer_range": 0.041666666666666664,
  "intermediate_size": 1536, "is_llama_config": true, "max_position_embeddings": 8192, "mlp_bias": false,
  "model_type": "llama", "num_attention_heads": 9, "num_hidden_layers": 30, "num_key_value_heads": 3,
  "pad_token_id": 2, "pretraining_tp": 1, "rms_norm_eps": 1e-05, "rope_interleaved": false, "rope_scaling": null,
  "rope_theta": 100000, "tie_word_embeddings": true, "torch_dtype": "bfloat16",
  "transformers.js_config": {"kv_cache_dtype": {"q4f16": "float16", "fp16": "float16"}},
  "transformers_version": "4.42.3", "use_cache": true, "vocab_size": 49152})";

TEST(ConfigJson, PublishedCheckpointsAreReadWithAllTheirKeys) {
  const base::Json published = base::Json::parse(kSmolLm2);
  const DecoderConfig config = from_hf_json(published, "x");
  EXPECT_EQ(config.family, "llama");
  EXPECT_EQ(config.parameter_count(), 134515008);  // as the model's card counts
  EXPECT_EQ(config.head_dim, 64);
  EXPECT_EQ(config.rope_theta, 1e5);
  EXPECT_TRUE(config.tied);
  for (const auto& [key, value] : std::vector<std::pair<const char*, const char*>>{
           {"auto_map", R"({"AutoModelForCausalLM": "modeling_llama.LlamaForCausalLM"})"},
           {"neftune_noise_alpha", "5.0"},
           {"gradient_checkpointing", "true"},
           {"max_length", "4096"},
           {"max_sequence_length", "2048"},
           {"model_max_length", "4096"},
           {"temperature", "0.6"},
           {"top_p", "0.9"},
           {"top_k", "50"},
           {"do_sample", "true"},
           {"repetition_penalty", "1.1"},
           {"num_return_sequences", "1"},
           {"torchscript", "true"},
           {"is_decoder", "true"},
           {"num_labels", "2"},
           {"task_specific_params", R"({"text-generation": {"max_length": 50}})"},
           {"decoder_start_token_id", "1"},
           {"sep_token_id", "3"},
           {"activation", "\"swiglu\""}}) {
    base::Json json = published;
    change(json, key, value);
    EXPECT_EQ(from_hf_json(json, "x"), config) << key;
  }
  // What says of itself that it computes something else is no such key.
  for (const char* key : {"rope_interleaved", "add_cross_attention", "qk_layer_norms", "use_mrope", "quantization"}) {
    base::Json json = published;
    change(json, key, "true");
    EXPECT_THROW(from_hf_json(json, "x"), Error) << key;
  }
}

TEST(ConfigJson, ModelsWithAPartForImagesAreNamed) {
  const char* gemma_4b = R"({"architectures": ["Gemma3ForConditionalGeneration"], "model_type": "gemma3",
    "boi_token_index": 255999, "eoi_token_index": 256000, "eos_token_id": [1, 106], "image_token_index": 262144,
    "mm_tokens_per_image": 256, "text_config": {"hidden_size": 2560, "intermediate_size": 10240,
    "model_type": "gemma3_text", "num_hidden_layers": 34, "rope_scaling": {"factor": 8.0, "rope_type": "linear"},
    "sliding_window": 1024}, "torch_dtype": "bfloat16", "vision_config": {"model_type": "siglip_vision_model"}})";
  try {
    from_hf_json(base::Json::parse(gemma_4b), "m/config.json");
    ADD_FAILURE() << "was read";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kInput);
    for (const char* says :
         {"model_type gemma3 keeps its decoder in text_config", "gemma3_text", "GGUF file", "saved by itself"})
      EXPECT_NE(error.message().find(says), std::string::npos) << error.what();
  }
}

// As Qwen2Config and Qwen3Config of transformers have it: null is no window, and no layer gets one then.
TEST(ConfigJson, ANullWindowOfQwenIsNone) {
  for (const char* name : {"qwen2", "qwen3"}) {
    base::Json json = test::read_case(name).at("config");
    for (const char* key : {"layer_types", "use_sliding_window", "sliding_window", "max_window_layers"})
      change(json, key, "");
    const DecoderConfig plain = from_hf_json(json, "x");
    EXPECT_TRUE(plain.windowed.empty());
    change(json, "use_sliding_window", "true");
    change(json, "max_window_layers", "1");
    const DecoderConfig absent = from_hf_json(json, "x");
    EXPECT_EQ(absent.window, 4096);
    EXPECT_FALSE(absent.is_windowed(0));
    EXPECT_TRUE(absent.is_windowed(1));
    change(json, "sliding_window", "null");
    EXPECT_EQ(from_hf_json(json, "x"), plain);
    change(json, "sliding_window", "0");
    EXPECT_THROW(from_hf_json(json, "x"), Error) << "0 is a window in which nothing is seen";
  }
}

TEST(ConfigJson, GenerationConfigSaysWhatEnds) {
  DecoderConfig config = from_hf_json(test::read_case("llama").at("config"), "x");
  config.pad_id = -1;
  read_generation_json(base::Json::parse(R"({"eos_token_id": 7, "pad_token_id": 4, "temperature": 0.6})"), "g", config);
  EXPECT_EQ(config.eos_ids, std::vector<int64_t>{7});
  EXPECT_EQ(config.pad_id, 4);
  EXPECT_EQ(config.bos_id, 1) << "config.json's own stays";
}

TEST(ConfigJson, GenerationConfigsThatAreNoneAreNamed) {
  const std::pair<const char*, const char*> cases[] = {
      {"[]", "this is array; an object is wanted"},
      {"null", "this is null; an object is wanted"},
      {"7", "this is integer; an object is wanted"},
      {R"({"eos_token_id": [7, 96]})", "token 96 is not in 0 … 95"},
      {R"({"eos_token_id": 96})", "token 96 is not in 0 … 95"},
      {R"({"eos_token_id": -2})", "token -2 is not in 0 … 95"},
      {R"({"eos_token_id": 4294967298})", "token 4294967298 is not in 0 … 95"},
      {R"({"eos_token_id": 1e300})", "eos_token_id is 1e+300; a whole number is wanted"},
      {R"({"eos_token_id": 2.0})", "eos_token_id is 2.0; a whole number is wanted"},
      {R"({"eos_token_id": "</s>"})", "eos_token_id is \"</s>\"; a whole number is wanted"},
      {R"({"eos_token_id": ["</s>"]})", "eos_token_id holds \"</s>\"; whole numbers are wanted"},
      {R"({"eos_token_id": [[2]]})", "eos_token_id holds [2]"},
      {R"({"eos_token_id": [null]})", "eos_token_id holds null"},
      {R"({"eos_token_id": {"id": 2}})", "eos_token_id is {\"id\":2}"},
      {R"({"eos_token_id": true})", "eos_token_id is true"},
      {R"({"bos_token_id": [1]})", "bos_token_id is [1]"},
      {R"({"bos_token_id": 100000000000})", "token 100000000000 is not in 0 … 95"},
      {R"({"pad_token_id": "<pad>"})", "pad_token_id is \"<pad>\""},
      {R"({"pad_token_id": 96})", "token 96 is not in 0 … 95"}};
  DecoderConfig whole = from_hf_json(test::read_case("llama").at("config"), "x");
  whole.bos_id = whole.pad_id = -1;
  const auto expect_named = [&](const base::Json& json, const std::string& says) {
    DecoderConfig config = whole;
    try {
      read_generation_json(json, "m/generation_config.json", config);
      ADD_FAILURE() << json.dump() << " was read";
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ErrorCode::kInput);
      EXPECT_EQ(error.where(), "m/generation_config.json");
      EXPECT_NE(error.message().find(says), std::string::npos) << error.what() << "\nlacks: " << says;
      EXPECT_LT(error.message().size(), 300u);
    }
  };
  for (const auto& [json, says] : cases) expect_named(base::Json::parse(json), says);
  base::Json large;
  large["eos_token_id"] = std::string(1 << 20, 'x');
  expect_named(large, "a whole number is wanted");
}

TEST(ConfigJson, FilesThatAreNoJsonAreNamed) {
  const std::string directory = base::cat(testing::TempDir(), "ponder_config_", static_cast<int64_t>(getpid()));
  base::make_directories(directory);
  const std::string config = base::join_path(directory, "config.json");
  const std::string generation = base::join_path(directory, "generation_config.json");
  const std::string good = test::read_case("llama").at("config").dump();
  const auto expect_named = [&](const std::string& path, const std::string& bytes, const std::string& says) {
    base::write_file_atomic(config, good);
    base::write_file_atomic(path, bytes);
    try {
      read_hf_config(directory);
      ADD_FAILURE() << bytes.substr(0, 100) << " was read";
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ErrorCode::kInput);
      EXPECT_TRUE(error.where().starts_with(path)) << error.what();
      EXPECT_NE(error.message().find(says), std::string::npos) << error.what();
    }
  };
  for (const std::string& path : {config, generation}) {
    for (const std::string& bytes :
         {std::string(), std::string("{"), std::string("{\"vocab_size\": NaN}"),
          std::string("{\"rms_norm_eps\": Infinity}"), std::string("{\"a\": 1, \"a\": 2}"),
          std::string("{\"a\": \"\xFF\"}"), std::string("{\"a\": 1e999}"),
          "{\"a\": " + std::string(300, '[') + std::string(300, ']') + "}", good.substr(0, good.size() / 2)})
      expect_named(path, bytes, "");
    expect_named(path, std::string(17 << 20, ' ') + "{}", "the file has 17 MiB; at most 16 are read");
    base::write_file_atomic(generation, "{}");
  }
  base::remove_all(directory);
}

TEST(Config, WindowedLayersCostTheirWindow) {
  const DecoderConfig c = from_hf_json(test::read_case("gemma3").at("config"), "x");
  // Two of three layers see 6 tokens; 4 a head dimension and position.
  EXPECT_DOUBLE_EQ(forward_flops(c, 100) - forward_flops(c, 6), 4.0 * 4 * 16 * 94);
  EXPECT_EQ(c.head_shape(0).window, 6);
  EXPECT_EQ(c.head_shape(1).window, 0);
  EXPECT_EQ(c.layer_rotary(0).theta, 1e4);
  EXPECT_EQ(c.layer_rotary(1).theta, 1e6);
}

}  // namespace
}  // namespace ponder::model
