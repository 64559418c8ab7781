#include "ponder/engine/sampler.h"

#include <algorithm>
#include <cmath>

#include "ponder/base/error.h"
#include "ponder/tensor/kernels.h"

namespace ponder::engine {
namespace {

// Eight chains, so that a sum over a large vocabulary does not wait for each addition.
double sum(const float* p, int64_t n) {
  double lane[8] = {};
  int64_t i = 0;
  for (; i + 8 <= n; i += 8)
    for (int64_t j = 0; j < 8; ++j) lane[j] += p[i + j];
  for (; i < n; ++i) lane[0] += p[i];
  return ((lane[0] + lane[1]) + (lane[2] + lane[3])) + ((lane[4] + lane[5]) + (lane[6] + lane[7]));
}

}  // namespace

Drawn Sampler::draw(const float* logits, int64_t vocab, const core::SampleParams& params, float uniform) {
  scaled_.assign(logits, logits + vocab);
  const bool greedy = params.temperature == 0;
  if (!greedy && params.temperature != 1) {
    const float inverse = static_cast<float>(1 / params.temperature);
    for (float& x : scaled_) x *= inverse;
  }
  float logsumexp = 0;
  tensor::row_logsumexp(scaled_.data(), vocab, &logsumexp);
  if (!std::isfinite(logsumexp))
    throw Error(ErrorCode::kInternal, "the model's logits are not finite numbers", "engine");
  if (greedy) {
    const auto best = std::max_element(scaled_.begin(), scaled_.end());
    return {static_cast<core::Token>(best - scaled_.begin()), *best - logsumexp};
  }
  probability_ = scaled_;
  tensor::row_exp(probability_.data(), vocab, logsumexp, 1.0f);
  const bool all = (params.top_k == 0 || params.top_k >= vocab) && params.top_p >= 1 && params.min_p == 0;
  if (all) return draw_from_all(vocab, logsumexp, uniform);
  keep(vocab, params);
  return draw_from_kept(uniform);
}

// Whole blocks are skipped by their sums, then the token is found within one. Rounding may leave nothing behind the
// target: then the last token that has any probability is meant.
Drawn Sampler::draw_from_all(int64_t vocab, float logsumexp, float uniform) {
  constexpr int64_t kBlock = 64;
  const float* p = probability_.data();
  const double target = static_cast<double>(uniform) * sum(p, vocab);
  double passed = 0;
  int64_t first = 0;
  for (; first + kBlock < vocab; first += kBlock) {
    const double block = sum(p + first, kBlock);
    if (passed + block > target) break;
    passed += block;
  }
  int64_t token = -1;
  for (int64_t i = first; i < vocab && (token < 0 || passed <= target); ++i) {
    if (p[i] == 0) continue;
    token = i;
    passed += p[i];
  }
  for (int64_t i = first - 1; token < 0; --i)
    if (p[i] > 0) token = i;
  return {static_cast<core::Token>(token), scaled_[static_cast<size_t>(token)] - logsumexp};
}

void Sampler::keep(int64_t vocab, const core::SampleParams& params) {
  const auto& p = probability_;
  const auto likelier = [&](core::Token a, core::Token b) { return p[a] > p[b] || (p[a] == p[b] && a < b); };
  kept_.resize(static_cast<size_t>(vocab));
  for (int64_t i = 0; i < vocab; ++i) kept_[static_cast<size_t>(i)] = static_cast<core::Token>(i);
  if (params.top_k > 0 && params.top_k < vocab) {
    std::nth_element(kept_.begin(), kept_.begin() + params.top_k - 1, kept_.end(), likelier);
    kept_.resize(static_cast<size_t>(params.top_k));
  }
  if (params.top_p < 1) {
    double total = 0;
    for (const core::Token id : kept_) total += p[id];
    // Sorted bit by bit: the nucleus is mostly small and the vocabulary large.
    double reached = 0;
    size_t sorted = 0, count = 0;
    while (count < kept_.size() && reached < params.top_p * total) {
      if (count == sorted) {
        const size_t next = std::min(kept_.size(), std::max<size_t>(64, 4 * sorted));
        std::partial_sort(kept_.begin() + static_cast<int64_t>(sorted), kept_.begin() + static_cast<int64_t>(next),
                          kept_.end(), likelier);
        sorted = next;
      }
      reached += p[kept_[count++]];
    }
    kept_.resize(std::max<size_t>(count, 1));
  }
  if (params.min_p > 0) {
    const float highest = p[*std::min_element(kept_.begin(), kept_.end(), likelier)];
    std::erase_if(kept_, [&](core::Token id) { return p[id] < params.min_p * highest; });
  }
  std::erase_if(kept_, [&](core::Token id) { return p[id] == 0; });
  std::sort(kept_.begin(), kept_.end());
}

Drawn Sampler::draw_from_kept(float uniform) {
  double total = 0, passed = 0;
  for (const core::Token id : kept_) total += probability_[id];
  const double target = static_cast<double>(uniform) * total;
  core::Token token = kept_.front();
  for (const core::Token id : kept_) {
    token = id;
    passed += probability_[id];
    if (passed > target) break;
  }
  return {token, static_cast<float>(std::log(static_cast<double>(probability_[token]) / total))};
}

void check_sample_params(const core::SampleParams& params) {
  const auto bad = [](const char* name, double value, const char* right) {
    throw Error(ErrorCode::kUsage, base::cat(name, " = ", value, "; it must be ", right));
  };
  if (!(params.temperature >= 0) || std::isinf(params.temperature))
    bad("temperature", params.temperature, "0 (greedy) or more");
  if (params.top_k < 0) bad("top_k", static_cast<double>(params.top_k), "0 (off) or more");
  if (!(params.top_p > 0 && params.top_p <= 1)) bad("top_p", params.top_p, "above 0 and at most 1 (off)");
  if (!(params.min_p >= 0 && params.min_p <= 1)) bad("min_p", params.min_p, "between 0 (off) and 1");
  if (params.max_tokens < 0) bad("max_tokens", static_cast<double>(params.max_tokens), "0 or more");
}

}  // namespace ponder::engine
