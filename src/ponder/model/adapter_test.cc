// Adapters against the figures of PEFT (tests/reference/make_adapter_fixtures.py), and what adapter_config.json may not
// say.
#include "ponder/model/adapter.h"

#include <ATen/core/grad_mode.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/equal.h>
#include <ATen/ops/full.h>
#include <ATen/ops/zeros_like.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

#include "ponder/base/error.h"
#include "ponder/model/decoder.h"
#include "ponder/model/load.h"
#include "ponder/model/test_families.h"
#include "ponder/store/safetensors.h"
#include "ponder/store/test_dir.h"
#include "ponder/tensor/head_logp.h"
#include "ponder/tensor/ops.h"

namespace ponder::model {
namespace {

const std::string kFixtures = "tests/data/adapters/";

at::Tensor logits_of(const Parameters& model, const at::Tensor& ids) {
  const at::NoGradGuard no_grad;
  const DecoderWeights w = model.weights();
  return tensor::linear(packed_hidden(model.config, w, ids, {{0, ids.size(0)}}), w.head);
}

// The same weights, only read.
Parameters read_only(const Parameters& model, const std::string& dir) {
  save_hf(dir, model, "");
  Parameters held = load_hf(dir, Hold::kReadOnly).parameters;
  held.config.compute = model.config.compute;
  held.adapter = model.adapter;
  return held;
}

class Adapters : public store::TestDir, public testing::WithParamInterface<std::string> {
 protected:
  void open(const std::string& name, const char* compute = "f32") {
    const std::string path = kFixtures + name + "/figures.json";
    figures_ = base::Json::parse(base::read_file(path), path);
    const std::vector<int64_t> ids = figures_.ints_at("ids");
    ids_ = at::empty({static_cast<int64_t>(ids.size())}, at::kLong);
    std::copy(ids.begin(), ids.end(), ids_.mutable_data_ptr<int64_t>());
    model_ = test::family_model(name, compute);
    model_.adapter = load_adapter(kFixtures + name, model_.config);
  }
  // Of the mean of −log-prob of the fixture's targets, and that loss.
  std::pair<double, at::Tensor> gradient(const Parameters& model) const {
    const at::Tensor grad = at::zeros_like(model.adapter->flat);
    const DecoderWeights w = trained_views(model, grad);
    const int64_t n = ids_.size(0), first = figures_.int_at("first_target"), count = n - first;
    const at::Tensor hidden = packed_hidden(model.config, w, ids_, {{0, n}}).narrow(0, first - 1, count);
    const double share = 1.0 / static_cast<double>(count);
    double loss = 0;
    at::Tensor room;
    hidden.backward(tensor::head_logp_gradient(
        hidden, w.head, ids_.narrow(0, first, count).contiguous(), std::vector{count}, false,
        [&](size_t, const tensor::HeadLogp& rows) {
          loss = -rows.logp.mean().item<double>();
          return at::full({count}, -share, at::kFloat);
        },
        room));
    return {loss, grad};
  }
  base::Json figures_;
  at::Tensor ids_;
  Parameters model_;
};
INSTANTIATE_TEST_SUITE_P(Model, Adapters, testing::Values("gemma3", "llama", "qwen2"));

TEST_P(Adapters, LogitsAreThoseOfPeft) {
  open(GetParam());
  const at::Tensor logits = logits_of(model_, ids_);
  const auto& rows = figures_.at("logits").as_array();
  const auto positions = figures_.ints_at("positions");
  for (size_t i = 0; i < rows.size(); ++i)
    for (size_t v = 0; v < rows[i].size(); ++v)
      EXPECT_NEAR(logits[positions[i]][static_cast<int64_t>(v)].item<double>(), rows[i].as_array()[v].as_double(),
                  1e-4 * figures_.double_at("scale"));
  Parameters without = model_;
  without.adapter = nullptr;
  EXPECT_FALSE(at::equal(logits, logits_of(without, ids_)));
  EXPECT_TRUE(at::equal(logits, logits_of(read_only(model_, dir()), ids_)));
}

TEST_P(Adapters, GradientOfAFineTuningStepIsThatOfPeft) {
  open(GetParam());
  const auto [loss, grad] = gradient(model_);
  EXPECT_NEAR(loss, figures_.double_at("loss"), 1e-4 * loss);
  const auto table = adapter_table(model_.config, model_.adapter->config);
  EXPECT_EQ(figures_.at("gradient").size(), table.size());
  for (const ParameterInfo& p : table) {
    const base::Json& figures = figures_.at("gradient").at(p.name);
    const float* g = grad.const_data_ptr<float>() + p.offset;
    const double length = figures.double_at("norm"), near = 1e-3 * length;
    double squares = 0;
    for (int64_t i = 0; i < p.numel(); ++i) squares += double(g[i]) * g[i];
    EXPECT_NEAR(std::sqrt(squares), length, near) << p.name;
    const auto& projections = figures.at("projections").as_array();
    for (size_t k = 0; k < projections.size(); ++k) {
      double sum = 0;
      const uint64_t hash = test::name_hash(base::cat(p.name, "#", k));
      for (int64_t i = 0; i < p.numel(); ++i)
        sum += test::formula_bits(hash, static_cast<uint64_t>(i)) >> 63 ? -double(g[i]) : double(g[i]);
      EXPECT_NEAR(sum, projections[k].as_double(), near) << p.name << " projected " << k;
    }
  }
}

// Weights that can be trained and weights that are only read: the backward pass makes what it reads of the latter anew.
TEST_P(Adapters, AReadOnlyBaseGivesTheSameBits) {
  for (const char* compute : {"f32", "bf16"}) {
    open(GetParam(), compute);
    const auto [loss, grad] = gradient(model_);
    const auto [held_loss, held_grad] = gradient(read_only(model_, dir()));
    EXPECT_EQ(loss, held_loss) << compute;
    EXPECT_TRUE(at::equal(grad, held_grad)) << compute;
  }
}

TEST_P(Adapters, MergedWeightsComputeTheSame) {
  open(GetParam());
  const at::Tensor logits = logits_of(model_, ids_);
  const Parameters merged = merge_adapter(model_);
  EXPECT_EQ(merged.adapter, nullptr);
  EXPECT_LT(logits.sub(logits_of(merged, ids_)).abs().max().item<double>(), 1e-5 * figures_.double_at("scale"));
}

TEST_P(Adapters, WhatIsSavedLoadsAgain) {
  open(GetParam());
  save_adapter(dir(), model_, "base");
  const auto loaded = load_adapter(dir(), model_.config);
  EXPECT_TRUE(at::equal(loaded->flat, model_.adapter->flat));
  EXPECT_EQ(loaded->config.r, model_.adapter->config.r);
  EXPECT_EQ(loaded->config.lora_alpha, model_.adapter->config.lora_alpha);
  EXPECT_EQ(loaded->config.target_modules, model_.adapter->config.target_modules);
  EXPECT_EQ(loaded->config.use_rslora, model_.adapter->config.use_rslora);
  // Tensor for tensor what PEFT has written.
  const store::SafetensorsFile ours(path("adapter_model.safetensors"));
  const store::SafetensorsFile theirs(kFixtures + GetParam() + "/adapter_model.safetensors");
  ASSERT_EQ(ours.entries().size(), theirs.entries().size());
  for (const store::TensorEntry& entry : theirs.entries())
    EXPECT_EQ(ours.bytes(ours.at(entry.name)), theirs.bytes(entry)) << entry.name;
}

TEST_P(Adapters, AFreshOneChangesNothing) {
  open(GetParam());
  Parameters plain = model_;
  plain.adapter = nullptr;
  model_.adapter = make_adapter(model_.config, model_.adapter->config, base::RngKey(4));
  EXPECT_TRUE(at::equal(logits_of(model_, ids_), logits_of(plain, ids_)));
  EXPECT_TRUE(
      at::equal(make_adapter(model_.config, model_.adapter->config, base::RngKey(4))->flat, model_.adapter->flat));
  const auto [loss, grad] = gradient(model_);
  EXPECT_GT(grad.abs().max().item<double>(), 0);  // of B; A waits until B is not 0
}

class AdapterFiles : public store::TestDir {
 protected:
  AdapterFiles() : config_(test::family_model("llama").config) {
    const std::string path = kFixtures + "llama/adapter_config.json";
    json_ = base::Json::parse(base::read_file(path), path);
  }
  // The message with which such an adapter is refused.
  std::string refused(const base::Json& json, const char* weights = "llama") {
    base::write_file_atomic(path("adapter_config.json"), json.dump());
    base::write_file_atomic(path("adapter_model.safetensors"),
                            base::read_file(kFixtures + weights + "/adapter_model.safetensors"));
    try {
      load_adapter(dir(), config_);
    } catch (const Error& e) {
      EXPECT_EQ(e.code(), ErrorCode::kInput) << e.what();
      return e.what();
    }
    ADD_FAILURE() << "loaded: " << json.dump();
    return "";
  }
  DecoderConfig config_;
  base::Json json_;
};

TEST_F(AdapterFiles, WhatIsNotComputedIsRefused) {
  const auto with = [&](const char* key, const char* value) {
    base::Json json = json_;
    json[key] = base::Json::parse(value, "test");
    return json;
  };
  const std::pair<const char*, const char*> cases[] = {{"peft_type", "\"IA3\""},
                                                       {"bias", "\"all\""},
                                                       {"use_dora", "true"},
                                                       {"init_lora_weights", "\"pissa_niter_4\""},
                                                       {"init_lora_weights", "\"olora\""},
                                                       {"fan_in_fan_out", "true"},
                                                       {"modules_to_save", "[\"x\"]"},
                                                       {"rank_pattern", "{\"q_proj\":2}"},
                                                       {"alpha_pattern", "{\"a\":1}"},
                                                       {"layers_to_transform", "[0]"},
                                                       {"r", "0"},
                                                       {"r", "1000000"},
                                                       {"r", "\"three\""},
                                                       {"lora_alpha", "-1"},
                                                       {"lora_dropout", "1.5"},
                                                       {"target_modules", "[]"},
                                                       {"target_modules", "\".*q_proj\""},
                                                       {"target_modules", "[\"lm_head\"]"},
                                                       {"target_modules", "[3]"},
                                                       {"r", "4"},  // the tensors have 3
                                                       {"target_modules", "[\"q_proj\"]"}};
  for (const auto& [key, value] : cases) EXPECT_NE(refused(with(key, value)), "") << key << " " << value;
  EXPECT_NE(refused(with("use_dora", "true")).find("use_dora"), std::string::npos);
  EXPECT_NE(refused(with("target_modules", "[\"q_proj\"]")).find("does not know"), std::string::npos);
  EXPECT_NE(refused(json_, "qwen2").find("the weights lack"), std::string::npos);
  base::remove_all(path("adapter_config.json"));
  EXPECT_THROW(load_adapter(dir(), config_), Error);
}

TEST_F(AdapterFiles, ErrorsNameFileAndKey) {
  const std::string file = path("adapter_config.json");
  struct Case {
    const char *key, *value, *says;
  };
  const Case cases[] = {
      {"r", "\"8\"", "r is \"8\"; a whole number is wanted"},
      {"r", "null", "there is no r"},
      {"lora_alpha", "null", "there is no lora_alpha"},
      {"lora_alpha", "\"16\"", "lora_alpha is \"16\"; a number is wanted"},
      {"lora_dropout", "[]", "lora_dropout is []; a number is wanted"},
      {"use_rslora", "\"yes\"", "use_rslora is \"yes\"; true or false is wanted"},
      {"bias", "true", "bias is true; a text is wanted"},
      {"init_lora_weights", "3", "init_lora_weights is 3; a text is wanted"},
      {"peft_type", "null", "peft_type is none; this decoder computes adapters of type LORA"},
      {"target_modules", "null", "there is no target_modules"},
      {"target_modules", "[3]",
       "target_modules is [3]; this decoder computes adapters beside a list of q_proj, k_proj"},
      {"r", "0", "r is 0; a rank is 1 to 4096"},
      // What computes something else, with a word that only newer versions of PEFT know, or none.
      {"use_dora", "true", "use_dora is true; this decoder computes plain LoRA"},
      {"kasa_config", "{\"beta\":1}", "kasa_config is {\"beta\":1}; this decoder computes plain LoRA"},
      {"monteclora_config", "{\"x\":1}", "monteclora_config"},
      {"velora_config", "{\"x\":1}", "velora_config"},
      {"megatron_config", "{\"x\":1}", "megatron_config"},
      {"layers_to_transform", "0", "layers_to_transform is 0; this decoder computes adapters of all layers"},
      {"lora_magic", "3", "lora_magic is not a key that this decoder knows"},
      {"temperature", "0.5", "temperature is not a key that this decoder knows"},
  };
  for (const Case& c : cases) {
    base::Json json = json_;
    json[c.key] = base::Json::parse(c.value, "test");
    const std::string message = refused(json);
    EXPECT_TRUE(message.starts_with(base::cat(file, ": ", c.says))) << c.key << ": " << message;
  }
  base::Json json = json_;
  json["base_model_name_or_path"] = 5;
  base::write_file_atomic(file, json.dump());
  try {
    adapter_base_model(dir());
    ADD_FAILURE();
  } catch (const Error& e) {
    EXPECT_EQ(std::string(e.what()), file + ": base_model_name_or_path is 5; a text is wanted");
  }
}

// Keys that are off or of no effect, also such as no version of PEFT has yet.
TEST_F(AdapterFiles, WhatChangesNothingIsReadOver) {
  const std::pair<const char*, const char*> keys[] = {{"lora_magic", "false"},
                                                      {"lora_magic", "{}"},
                                                      {"use_dora", "null"},
                                                      {"rank_pattern", "null"},
                                                      {"layers_to_transform", "[]"},
                                                      {"init_lora_weights", "\"eva\""},
                                                      {"eva_config", "{\"rho\":2.0}"},
                                                      {"revision", "\"main\""},
                                                      {"task_type", "null"},
                                                      {"ensure_weight_tying", "true"},
                                                      {"auto_mapping", "{\"unsloth_fixed\":true}"}};
  base::write_file_atomic(path("adapter_model.safetensors"),
                          base::read_file(kFixtures + "llama/adapter_model.safetensors"));
  for (const auto& [key, value] : keys) {
    base::Json json = json_;
    json[key] = base::Json::parse(value, "test");
    base::write_file_atomic(path("adapter_config.json"), json.dump());
    EXPECT_NO_THROW(load_adapter(dir(), config_)) << key << " " << value;
  }
}

TEST_F(AdapterFiles, AWeightThatIsNoNumberIsNamed) {
  Parameters model{config_, {}};
  model.adapter = load_adapter(kFixtures + "llama", config_);
  const std::vector<ParameterInfo> table = adapter_table(config_, model.adapter->config);
  for (const ParameterInfo& p : {table.front(), table.back()})  // an A and a B
    for (const float bad : {std::numeric_limits<float>::quiet_NaN(), -std::numeric_limits<float>::infinity()}) {
      float& weight = model.adapter->flat.mutable_data_ptr<float>()[p.offset + p.shape[1] + 1];
      const float was = std::exchange(weight, bad);
      save_adapter(dir(), model, "base");
      weight = was;
      try {
        load_adapter(dir(), config_);
        ADD_FAILURE() << "loaded with " << bad << " in " << p.name;
      } catch (const Error& e) {
        EXPECT_EQ(e.code(), ErrorCode::kInput);
        EXPECT_EQ(e.where(), path("adapter_model.safetensors"));
        EXPECT_EQ(e.message(), base::cat("tensor \"", p.name, "\" holds a weight that is NaN or infinite at [1,1]"));
      }
    }
}

}  // namespace
}  // namespace ponder::model
