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

Drawn Sampler::draw(const float* logits, int64_t vocab, const core::SampleParams& params, float uniform,
                    Distribution* drawn_from) {
  read(logits, vocab, params);
  if (drawn_from) *drawn_from = distribution();
  return draw_read(uniform);
}

Drawn Sampler::judge(const float* logits, int64_t vocab, const core::SampleParams& params, const Guess& guess,
                     float accept_uniform, float other_uniform) {
  read(logits, vocab, params);
  if (kind_ == Kind::kLikeliest) return draw_read(0);
  const double p = probability(guess.token);
  if (static_cast<double>(accept_uniform) * guess.q->at(guess.token) < p) return {guess.token, logp_of(p, guess.token)};
  missed_.clear();
  double total = 0, passed = 0;
  for_each_token([&](core::Token token, double own) {
    const double more = own - guess.q->at(token);
    if (more <= 0) return;
    missed_.push_back({own, more, token});
    total += more;
  });
  if (missed_.empty()) return draw_read(other_uniform);  // p and q are equal but for rounding
  const double target = static_cast<double>(other_uniform) * total;
  const Missed* drawn = nullptr;
  for (const Missed& m : missed_) {
    drawn = &m;
    passed += m.more;
    if (passed > target) break;
  }
  return {drawn->id, logp_of(drawn->p, drawn->id)};
}

// Takes logits in: from here on they have a kind and, but for the likeliest token alone, probabilities.
void Sampler::read(const float* logits, int64_t vocab, const core::SampleParams& params) {
  const bool greedy = params.temperature == 0;
  read_ = logits, vocab_ = vocab;
  if (!greedy && params.temperature != 1) {
    const float inverse = static_cast<float>(1 / params.temperature);
    scaled_.resize(static_cast<size_t>(vocab));
    tensor::row_scale(logits, vocab, inverse, scaled_.data());
    read_ = scaled_.data();
  }
  tensor::row_logsumexp(read_, vocab, &logsumexp_);
  if (!std::isfinite(logsumexp_))
    throw Error(ErrorCode::kInternal, "the model's logits are not finite numbers", "engine");
  const bool all = (params.top_k == 0 || params.top_k >= vocab) && params.top_p >= 1 && params.min_p == 0;
  kind_ = greedy ? Kind::kLikeliest : all ? Kind::kAll : Kind::kCandidates;
  if (kind_ != Kind::kCandidates) return;
  probability_.assign(read_, read_ + vocab);
  tensor::row_exp(probability_.data(), vocab, logsumexp_, 1.0f);
  cut(params);
  std::sort(candidates_.begin(), candidates_.end(), [](const Candidate& a, const Candidate& b) { return a.id < b.id; });
  total_ = 0;
  for (const Candidate& c : candidates_) total_ += c.p;
}

Drawn Sampler::draw_read(float uniform) {
  if (kind_ == Kind::kAll) return draw_from_all(uniform);
  if (kind_ == Kind::kCandidates) return draw_from_candidates(uniform);
  int64_t best = 0;
  tensor::row_argmax(read_, vocab_, &best);
  return {static_cast<core::Token>(best), read_[best] - logsumexp_};
}

// Of a token whose probability is p.
float Sampler::logp_of(double p, core::Token token) const {
  return kind_ == Kind::kCandidates ? static_cast<float>(std::log(p)) : read_[token] - logsumexp_;
}

double Sampler::probability(core::Token token) const {
  if (kind_ == Kind::kAll) {
    float p = read_[token];
    tensor::row_exp(&p, 1, logsumexp_, 1.0f);
    return p;
  }
  const auto found = std::lower_bound(candidates_.begin(), candidates_.end(), token,
                                      [](const Candidate& c, core::Token id) { return c.id < id; });
  return found != candidates_.end() && found->id == token ? found->p / total_ : 0;
}

// take(token, its probability) in the order of ids.
template <class Take>
void Sampler::for_each_token(Take take) const {
  if (kind_ == Kind::kCandidates)
    for (const Candidate& c : candidates_) take(c.id, c.p / total_);
  if (kind_ != Kind::kAll) return;
  const Distribution all = distribution();
  for (int64_t i = 0; i < vocab_; ++i) take(static_cast<core::Token>(i), all.p[static_cast<size_t>(i)]);
}

Distribution Sampler::distribution() const {
  Distribution all;
  if (kind_ == Kind::kAll) {
    all.p.assign(read_, read_ + vocab_);
    tensor::row_exp(all.p.data(), vocab_, logsumexp_, 1.0f);
  } else if (kind_ == Kind::kCandidates) {
    for (const Candidate& c : candidates_) {
      all.ids.push_back(c.id);
      all.p.push_back(static_cast<float>(c.p / total_));
    }
  }
  return all;
}

// The probabilities of a block are forgotten when they are summed: a large vocabulary's would fill the cache. Rounding
// may leave nothing behind the target: then the last token that has any probability is meant.
Drawn Sampler::draw_from_all(float uniform) {
  float p[kBlock];
  const auto load = [&](int64_t block) {
    const int64_t n = std::min(kBlock, vocab_ - block * kBlock);
    std::copy_n(read_ + block * kBlock, n, p);
    tensor::row_exp(p, n, logsumexp_, 1.0f);
    return n;
  };
  const int64_t blocks = (vocab_ + kBlock - 1) / kBlock;
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
  return {static_cast<core::Token>(token), read_[token] - logsumexp_};
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
  const double target = static_cast<double>(uniform) * total_;
  double passed = 0;
  Candidate drawn;
  for (const Candidate& c : candidates_) {
    drawn = c;
    passed += c.p;
    if (passed > target) break;
  }
  return {drawn.id, static_cast<float>(std::log(static_cast<double>(drawn.p) / total_))};
}

// With z = logits − their maximum: ln Σ e^z − Σ e^z z / Σ e^z.
float entropy_of(const float* logits, int64_t vocab) {
  const float top = *std::max_element(logits, logits + vocab);
  double sum = 0, weighted = 0;
  for (int64_t i = 0; i < vocab; ++i) {
    const float z = logits[i] - top, e = std::exp(z);
    if (e <= 0) continue;
    sum += e, weighted += static_cast<double>(e) * z;
  }
  return static_cast<float>(std::max(0.0, std::log(sum) - weighted / sum));
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
