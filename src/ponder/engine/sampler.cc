#include "ponder/engine/sampler.h"

#include <algorithm>
#include <cmath>
#include <functional>

#include "ponder/base/error.h"
#include "ponder/tensor/kernels.h"

namespace ponder::engine {
namespace {

constexpr int64_t kBlock = 512;  // tokens of the vocabulary that are looked at together

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
  const bool greedy = params.temperature == 0;
  const float* scaled = logits;
  if (!greedy && params.temperature != 1) {
    const float inverse = static_cast<float>(1 / params.temperature);
    scaled_.resize(static_cast<size_t>(vocab));
    tensor::row_scale(logits, vocab, inverse, scaled_.data());
    scaled = scaled_.data();
  }
  float logsumexp = 0;
  tensor::row_logsumexp(scaled, vocab, &logsumexp);
  if (!std::isfinite(logsumexp))
    throw Error(ErrorCode::kInternal, "the model's logits are not finite numbers", "engine");
  if (greedy) {
    int64_t best = 0;
    tensor::row_argmax(scaled, vocab, &best);
    return {static_cast<core::Token>(best), scaled[best] - logsumexp};
  }
  const bool all = (params.top_k == 0 || params.top_k >= vocab) && params.top_p >= 1 && params.min_p == 0;
  if (all) return draw_from_all(scaled, vocab, logsumexp, uniform);
  probability_.assign(scaled, scaled + vocab);
  tensor::row_exp(probability_.data(), vocab, logsumexp, 1.0f);
  cut(params);
  return draw_from_candidates(uniform);
}

// The probabilities of a block are forgotten when they are summed: a large vocabulary's would fill the cache. Rounding
// may leave nothing behind the target: then the last token that has any probability is meant.
Drawn Sampler::draw_from_all(const float* scaled, int64_t vocab, float logsumexp, float uniform) {
  float p[kBlock];
  const auto load = [&](int64_t block) {
    const int64_t n = std::min(kBlock, vocab - block * kBlock);
    std::copy_n(scaled + block * kBlock, n, p);
    tensor::row_exp(p, n, logsumexp, 1.0f);
    return n;
  };
  const int64_t blocks = (vocab + kBlock - 1) / kBlock;
  block_total_.resize(static_cast<size_t>(blocks));
  double total = 0;
  int64_t last = 0;  // block that holds any probability
  for (int64_t b = 0; b < blocks; ++b) {
    const double block = sum(p, load(b));
    block_total_[static_cast<size_t>(b)] = block;
    total += block;
    if (block > 0) last = b;
  }
  const double target = static_cast<double>(uniform) * total;
  double passed = 0;
  int64_t block = 0, token = 0;
  while (block < last && passed + block_total_[static_cast<size_t>(block)] <= target)
    passed += block_total_[static_cast<size_t>(block++)];
  const int64_t n = load(block);
  for (int64_t i = 0; i < n; ++i) {
    if (p[i] == 0) continue;
    token = block * kBlock + i;
    passed += p[i];
    if (passed > target) break;
  }
  return {static_cast<core::Token>(token), scaled[token] - logsumexp};
}

// No cut leaves a token less likely than this: it spares most of a large vocabulary the sorting.
double Sampler::least_possible(const core::SampleParams& params) {
  const int64_t vocab = static_cast<int64_t>(probability_.size());
  if (params.top_k > 0 && params.top_k < vocab) {
    // k blocks hold a token as likely as the k-th highest of the blocks' maxima, so the k likeliest ones do not lie
    // below.
    highest_.clear();
    for (int64_t i = 0; i < vocab; i += kBlock)
      highest_.push_back(*std::max_element(&probability_[i], &probability_[i] + std::min(kBlock, vocab - i)));
    if (params.top_k > static_cast<int64_t>(highest_.size())) return 0;
    std::nth_element(highest_.begin(), highest_.begin() + params.top_k - 1, highest_.end(), std::greater<>());
    return highest_[static_cast<size_t>(params.top_k - 1)];
  }
  // Tokens below have, all together, half the share that the nucleus leaves out; probabilities sum to 1 but for
  // rounding.
  double least = 0.5 * (1 - params.top_p) / static_cast<double>(vocab);
  if (params.min_p > 0)
    least = std::max(least, params.min_p * *std::max_element(probability_.begin(), probability_.end()));
  return least;
}

// Of the candidates those that reach `wanted`, by halving: the nucleus is mostly small, but sometimes the vocabulary.
void Sampler::keep_nucleus(double wanted) {
  auto first = candidates_.begin(), last = candidates_.end();
  double reached = 0;
  while (last - first > 64) {
    const auto middle = first + (last - first) / 2;
    std::nth_element(first, middle, last);
    double half = 0;
    for (auto c = first; c != middle; ++c) half += c->p;
    if (reached + half >= wanted) {
      last = middle;
    } else {
      reached += half;
      first = middle;
    }
  }
  std::sort(first, last);
  while (first != last && reached < wanted) reached += (first++)->p;
  candidates_.erase(std::max(first, candidates_.begin() + 1), candidates_.end());
}

// Leaves the candidates that may be drawn.
void Sampler::cut(const core::SampleParams& params) {
  const int64_t vocab = static_cast<int64_t>(probability_.size());
  const double least = least_possible(params);
  candidates_.clear();
  for (int64_t i = 0; i < vocab; ++i) {
    const float p = probability_[static_cast<size_t>(i)];
    if (p > 0 && p >= least) candidates_.push_back({p, static_cast<core::Token>(i)});
  }
  const bool top_k = params.top_k > 0 && params.top_k < vocab;
  if (top_k && params.top_k < static_cast<int64_t>(candidates_.size())) {
    std::nth_element(candidates_.begin(), candidates_.begin() + params.top_k - 1, candidates_.end());
    candidates_.resize(static_cast<size_t>(params.top_k));
  }
  if (params.top_p < 1) {
    double total = 0;
    if (top_k)
      for (const Candidate& c : candidates_) total += c.p;
    else
      total = sum(probability_.data(), vocab);
    keep_nucleus(params.top_p * total);
  }
  if (params.min_p > 0) {
    const double lowest = params.min_p * std::min_element(candidates_.begin(), candidates_.end())->p;
    std::erase_if(candidates_, [&](const Candidate& c) { return c.p < lowest; });
  }
}

// In the order of ids.
Drawn Sampler::draw_from_candidates(float uniform) {
  std::sort(candidates_.begin(), candidates_.end(), [](const Candidate& a, const Candidate& b) { return a.id < b.id; });
  double total = 0, passed = 0;
  for (const Candidate& c : candidates_) total += c.p;
  const double target = static_cast<double>(uniform) * total;
  Candidate drawn;
  for (const Candidate& c : candidates_) {
    drawn = c;
    passed += c.p;
    if (passed > target) break;
  }
  return {drawn.id, static_cast<float>(std::log(static_cast<double>(drawn.p) / total))};
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
