#include "ponder/model/decoder.h"

#include <ATen/core/grad_mode.h>
#include <ATen/ops/allclose.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/equal.h>
#include <ATen/ops/zeros_like.h>
#include <gtest/gtest.h>

#include <cmath>
#include <thread>

#include "ponder/base/error.h"
#include "ponder/tensor/device.h"
#include "ponder/tensor/log_softmax.h"
#include "ponder/tensor/simd.h"

namespace ponder::model {
namespace {

DecoderConfig small_config() {
  tensor::set_operator_threads(1);
  DecoderConfig c;
  c.width = 32, c.layers = 2, c.heads = 4, c.kv_heads = 2, c.head_dim = 16, c.ffn = 48, c.context = 64, c.vocab = 120;
  c.eos_ids = {101};
  c.resolve();
  return c;
}

at::Tensor some_ids(int64_t n, int64_t vocab, uint64_t seed) {
  at::Tensor ids = at::empty({n}, at::kLong);
  base::Rng rng{base::RngKey(seed)};
  for (int64_t i = 0; i < n; ++i) ids.mutable_data_ptr<int64_t>()[i] = rng.below(vocab);
  return ids;
}

// Σ_t log p(ids[t+1] | ids[≤t]) over packed sequences, and its gradient into grad_flat.
double log_likelihood(const DecoderConfig& config, const at::Tensor& flat, const at::Tensor& ids,
                      const std::vector<int64_t>& starts, at::Tensor* grad_flat) {
  const at::Tensor targets = ids.roll(-1);
  if (!grad_flat) {
    const at::NoGradGuard no_grad;
    const auto w = weight_views(config, flat);
    const at::Tensor logits = tensor::linear(packed_hidden(config, w, ids, {starts}), w.head);
    return tensor::target_logp(logits, targets, false).logp.to(at::kDouble).sum().item<double>();
  }
  const auto w = leaf_views(config, flat, *grad_flat);
  const at::Tensor logits = tensor::linear(packed_hidden(config, w, ids, {starts}), w.head);
  const auto result = tensor::target_logp(logits.detach(), targets, false);
  at::Tensor gradient = logits.detach().clone();
  tensor::target_logp_backward_(gradient, targets, result.logsumexp, at::empty({ids.size(0)}, at::kFloat).fill_(1));
  logits.backward(gradient);
  return result.logp.to(at::kDouble).sum().item<double>();
}

TEST(Weights, TableMatchesTheFusedViews) {
  for (const bool tied : {true, false}) {
    DecoderConfig c = small_config();
    c.tied = tied, c.value_head = true;
    const Parameters p = make_parameters(c, {}, base::RngKey(1));
    const auto table = parameter_table(c);
    const auto w = weight_views(c, p.flat);
    const auto by_name = [&](const std::string& name) {
      for (const auto& entry : table)
        if (entry.name == name) return p.flat.narrow(0, entry.offset, entry.numel()).view(entry.shape);
      throw Error(ErrorCode::kInternal, name);
    };
    EXPECT_TRUE(at::equal(by_name("model.embed_tokens.weight"), w.embedding));
    EXPECT_TRUE(at::equal(by_name("model.layers.1.self_attn.k_proj.weight"), w.layers[1].qkv.weight.narrow(0, 64, 32)));
    EXPECT_TRUE(at::equal(by_name("model.layers.1.self_attn.v_proj.weight"), w.layers[1].qkv.weight.narrow(0, 96, 32)));
    EXPECT_TRUE(at::equal(by_name("model.layers.0.mlp.up_proj.weight"), w.layers[0].gate_up.weight.narrow(0, 48, 48)));
    EXPECT_TRUE(at::equal(by_name("model.layers.1.mlp.down_proj.weight"), w.layers[1].down.weight));
    EXPECT_TRUE(at::equal(by_name("model.norm.weight"), w.final_norm));
    EXPECT_TRUE(at::equal(by_name(tied ? "model.embed_tokens.weight" : "lm_head.weight"), w.head.weight));
    EXPECT_TRUE(at::equal(by_name("value_head.weight"), w.value_weight));
    EXPECT_EQ(table.back().offset + table.back().numel(), c.parameter_count());
  }
}

TEST(Weights, LayerMatricesAreTheFusedOnes) {
  const DecoderConfig c = small_config();
  const Parameters p = make_parameters(c, {}, base::RngKey(1));
  const auto w = weight_views(c, p.flat);
  const auto matrices = layer_matrices(c);
  ASSERT_EQ(matrices.size(), 8u);
  EXPECT_EQ(matrices[6].name, "layers.1.gate_up");
  const auto& m = matrices[6];
  EXPECT_TRUE(
      at::equal(p.flat.narrow(0, m.offset, m.rows * m.columns).view({m.rows, m.columns}), w.layers[1].gate_up.weight));
}

TEST(Weights, InitIsKeyedAndScaled) {
  DecoderConfig c = small_config();
  c.width = 128, c.ffn = 352, c.heads = 4, c.kv_heads = 0, c.head_dim = 0, c.value_head = true;
  c.resolve();
  const Parameters a = make_parameters(c, {.number_features = true}, base::RngKey(5));
  EXPECT_TRUE(at::equal(a.flat, make_parameters(c, {.number_features = true}, base::RngKey(5)).flat));
  EXPECT_FALSE(at::equal(a.flat, make_parameters(c, {.number_features = true}, base::RngKey(6)).flat));
  const auto w = weight_views(c, a.flat);
  EXPECT_NEAR(w.layers[0].qkv.weight.std().item<double>(), 1 / std::sqrt(128.0), 0.002);
  EXPECT_NEAR(w.layers[0].down.weight.std().item<double>(), 1 / std::sqrt(352.0 * 2 * 2), 0.002);
  EXPECT_EQ(w.final_norm.min().item<double>(), 1.0);
  EXPECT_EQ(w.value_weight.abs().max().item<double>(), 0.0);
  EXPECT_NEAR(w.embedding[5][0].item<double>(), -0.1, 1e-7);  // cos(2π·5/2)
  EXPECT_NEAR(w.embedding[7][3].item<double>(), 0.1 * std::sin(2 * M_PI * 7 / 5), 1e-7);
  EXPECT_LT(w.embedding.narrow(0, 100, 20).abs().max().item<double>(), 0.1);
}

TEST(Weights, CloneHasMemoryOfItsOwn) {
  const Parameters a = make_parameters(small_config(), {}, base::RngKey(1));
  const Parameters b = a.clone();
  a.flat.zero_();
  EXPECT_GT(b.flat.abs().max().item<double>(), 0);
}

TEST(Decoder, GradientMatchesFiniteDifferences) {
  const DecoderConfig c = small_config();
  const Parameters p = make_parameters(c, {.embedding_std = 0.5}, base::RngKey(2));
  const at::Tensor ids = some_ids(40, c.vocab, 3);
  const std::vector<int64_t> starts = {0, 17, 40};
  at::Tensor gradient = at::zeros_like(p.flat);
  log_likelihood(c, p.flat, ids, starts, &gradient);
  // Along the gradient itself the slope is its length; a step that is large against f32's rounding and small against
  // the curvature.
  for (const auto& entry : parameter_table(c)) {
    const at::Tensor g = gradient.narrow(0, entry.offset, entry.numel());
    const double length = g.norm().item<double>();
    ASSERT_GT(length, 0) << entry.name;
    const double h = 0.01;
    const auto moved = [&](double step) {
      at::Tensor flat = p.flat.clone();
      flat.narrow(0, entry.offset, entry.numel()).add_(g, step / length);
      return log_likelihood(c, flat, ids, starts, nullptr);
    };
    EXPECT_NEAR((moved(h) - moved(-h)) / (2 * h), length, 0.01 * length + 0.02) << entry.name;
  }
}

// Rounding to 8 bits errs by up to 0.4% an input, mostly at random.
TEST(Decoder, Bf16StaysCloseToF32) {
  DecoderConfig c = small_config();
  const Parameters p = make_parameters(c, {.embedding_std = 0.5}, base::RngKey(2));
  const at::Tensor ids = some_ids(40, c.vocab, 3);
  at::Tensor exact = at::zeros_like(p.flat), half = at::zeros_like(p.flat);
  const double expected = log_likelihood(c, p.flat, ids, {0, 17, 40}, &exact);
  c.compute = "bf16";
  const double rounded = log_likelihood(c, p.flat, ids, {0, 17, 40}, &half);
  EXPECT_EQ(rounded, log_likelihood(c, p.flat, ids, {0, 17, 40}, nullptr)) << "the path without gradients";
  EXPECT_NE(rounded, expected);
  EXPECT_NEAR(rounded, expected, 0.005 * std::abs(expected));
  for (const auto& entry : parameter_table(c)) {
    const at::Tensor a = exact.narrow(0, entry.offset, entry.numel()), b = half.narrow(0, entry.offset, entry.numel());
    EXPECT_LT(a.sub(b).norm().item<double>(), 0.03 * a.norm().item<double>()) << entry.name;
  }
}

TEST(Decoder, WorkersShareWhatIsPacked) {
  const DecoderConfig c = small_config();
  const Parameters p = make_parameters(c, {.embedding_std = 0.5}, base::RngKey(2));
  at::Tensor grad = at::zeros_like(p.flat), other_grad = at::zeros_like(p.flat);
  DecoderWeights first = leaf_views(c, p.flat, grad);
  const DecoderWeights second = leaf_views(c, p.flat, other_grad, &first);
  const at::Tensor ids = some_ids(20, c.vocab, 3);
  const at::NoGradGuard no_grad;
  p.flat.mul_(1.1);
  repack(first);
  const at::Tensor fresh = packed_hidden(c, weight_views(c, p.flat), ids, {{0, 20}});
  EXPECT_TRUE(at::equal(packed_hidden(c, second, ids, {{0, 20}}), fresh));
}

TEST(Decoder, LeavesAddIntoGradFlatFromSeveralThreads) {
  const DecoderConfig c = small_config();
  const Parameters p = make_parameters(c, {}, base::RngKey(2));
  const at::Tensor ids = some_ids(30, c.vocab, 4);
  at::Tensor alone = at::zeros_like(p.flat);
  log_likelihood(c, p.flat, ids, {0, 30}, &alone);
  std::vector<at::Tensor> grads = {at::zeros_like(p.flat), at::zeros_like(p.flat)};
  std::vector<std::thread> threads;
  for (auto& grad : grads) threads.emplace_back([&] { log_likelihood(c, p.flat, ids, {0, 30}, &grad); });
  for (auto& thread : threads) thread.join();
  for (const auto& grad : grads) EXPECT_TRUE(at::equal(grad, alone));
  log_likelihood(c, p.flat, ids, {0, 30}, &grads[0]);
  // The embedding's two gradients are added one after the other, so there is a rounding between them.
  EXPECT_TRUE(at::allclose(grads[0], alone.mul(2), 1e-5, 1e-7)) << "a second backward adds to the first";
}

TEST(Decoder, PackingChangesNoBit) {
  const at::NoGradGuard no_grad;
  const DecoderConfig c = small_config();
  const auto w = weight_views(c, make_parameters(c, {}, base::RngKey(2)).flat);
  const at::Tensor ids = some_ids(60, c.vocab, 5);
  const at::Tensor packed = packed_hidden(c, w, ids, {{0, 3, 40, 60}});
  EXPECT_TRUE(at::equal(packed.narrow(0, 0, 3), packed_hidden(c, w, ids.narrow(0, 0, 3), {{0, 3}})));
  EXPECT_TRUE(at::equal(packed.narrow(0, 3, 37), packed_hidden(c, w, ids.narrow(0, 3, 37), {{0, 37}})));
  EXPECT_TRUE(at::equal(packed.narrow(0, 3, 20), packed_hidden(c, w, ids.narrow(0, 3, 20), {{0, 20}})));
}

TEST(Decoder, ValueHeadReadsEachRow) {
  const at::NoGradGuard no_grad;
  DecoderConfig c = small_config();
  c.value_head = true;
  Parameters p = make_parameters(c, {}, base::RngKey(2));
  const auto w = weight_views(c, p.flat);
  w.value_weight.fill_(0.5);
  w.value_bias.fill_(2);
  const at::Tensor hidden = packed_hidden(c, w, some_ids(33, c.vocab, 6), {{0, 33}});
  const at::Tensor values = value_logits(w, hidden);
  EXPECT_NEAR(values[7].item<double>(), hidden[7].sum().item<double>() * 0.5 + 2, 1e-4);
  EXPECT_TRUE(at::equal(values.narrow(0, 5, 1), value_logits(w, hidden.narrow(0, 5, 1)))) << "bits of one row alone";
}

TEST(Config, RoundTripsThroughHuggingFaceJson) {
  DecoderConfig c = small_config();
  c.bos_id = 3, c.eos_ids = {4, 5}, c.rope_theta = 500000, c.tied = false;
  EXPECT_EQ(from_hf_json(to_hf_json(c), "config.json"), c);
  c.eos_ids = {}, c.value_head = true;
  EXPECT_EQ(from_hf_json(to_hf_json(c), "config.json"), c);
}

TEST(Config, RefusesWhatItDoesNotCompute) {
  const auto message = [](const char* key, base::Json value) -> std::string {
    base::Json json = to_hf_json(small_config());
    json[key] = std::move(value);
    try {
      from_hf_json(json, "m/config.json");
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ErrorCode::kInput);
      EXPECT_EQ(error.where(), "m/config.json");
      return error.message();
    }
    return "";
  };
  EXPECT_NE(message("model_type", "gpt2").find("llama"), std::string::npos);
  EXPECT_NE(message("attention_bias", true).find("attention_bias"), std::string::npos);
  EXPECT_NE(message("hidden_act", "gelu").find("silu"), std::string::npos);
  base::Json scaling;
  scaling["rope_type"] = "llama3";
  EXPECT_NE(message("rope_scaling", scaling).find("llama3"), std::string::npos);
  EXPECT_NE(message("hidden_size", 33).find("multiple of 16"), std::string::npos);
  EXPECT_NE(message("num_key_value_heads", 3).find("kv_heads"), std::string::npos);
}

TEST(Config, ComputesInWhatIsAskedForAndInTheFasterOneOnAuto) {
  const auto resolved = [](const char* compute) {
    DecoderConfig c = small_config();
    c.compute = compute;
    c.resolve();
    return c;
  };
  EXPECT_EQ(resolved("auto").compute, tensor::has_fast_bf16() ? "bf16" : "f32");
  tensor::simd::limit_level(4);  // a processor without bf16 products still does them where they are asked for
  EXPECT_EQ(resolved("auto").compute, "f32");
  const DecoderConfig f32 = resolved("f32"), bf16 = resolved("bf16");
  tensor::simd::limit_level(100);
  EXPECT_EQ(f32.product_type(), tensor::Compute::kF32);
  EXPECT_EQ(f32.head_shape().kv, tensor::KvType::kF32);
  EXPECT_EQ(bf16.product_type(), tensor::Compute::kBf16);
  EXPECT_EQ(bf16.head_shape().kv, tensor::KvType::kBf16);
  EXPECT_THROW(resolved("f16"), Error);
}

TEST(Config, FlopsMatchTheClosedForm) {
  const DecoderConfig c = small_config();
  // 2 a matrix weight: q, o 2·32·64, k, v 2·32·32, ffn 3·32·48, head 120·32; attention 4·64 a visible position and
  // layer.
  const double matrices = 2 * (2 * (2 * 32 * 64 + 2 * 32 * 32 + 3 * 32 * 48) + 120 * 32);
  EXPECT_DOUBLE_EQ(forward_flops(c, 10), matrices + 2 * 4 * 64 * 10);
}

}  // namespace
}  // namespace ponder::model
