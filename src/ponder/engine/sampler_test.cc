#include "ponder/engine/sampler.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <numeric>

#include "ponder/base/error.h"
#include "ponder/base/rng.h"

namespace ponder::engine {
namespace {

std::vector<float> logits_of(const std::vector<double>& p) {
  std::vector<float> logits;
  for (const double x : p) logits.push_back(static_cast<float>(std::log(x)) + 3);
  return logits;
}

// Draws along a fine grid of uniforms: the share of the grid that gives a token is its probability.
std::map<core::Token, double> shares(const std::vector<float>& logits, const core::SampleParams& params) {
  Sampler sampler;
  std::map<core::Token, double> share;
  std::map<core::Token, float> logp;
  constexpr int kGrid = 4000;
  core::Token last = 0;
  for (int i = 0; i < kGrid; ++i) {
    const Drawn drawn = sampler.draw(logits.data(), static_cast<int64_t>(logits.size()), params, (i + 0.5f) / kGrid);
    EXPECT_GE(drawn.token, last) << "tokens come in the order of their ids";
    last = drawn.token;
    share[drawn.token] += 1.0 / kGrid;
    logp[drawn.token] = drawn.logp;
  }
  for (const auto& [token, p] : share) EXPECT_NEAR(std::exp(logp[token]), p, 1.0 / kGrid) << token;
  return share;
}

const std::vector<double> kP = {0.1, 0.4, 0.05, 0.25, 0.2};

TEST(Sampler, DrawsFromTheSoftmax) {
  const auto share = shares(logits_of(kP), {});
  ASSERT_EQ(share.size(), 5u);
  for (const auto& [token, p] : share) EXPECT_NEAR(p, kP[static_cast<size_t>(token)], 1e-3);
}

TEST(Sampler, TemperatureSharpens) {
  double total = 0;
  for (const double p : kP) total += p * p;
  for (const auto& [token, p] : shares(logits_of(kP), {.temperature = 0.5}))
    EXPECT_NEAR(p, kP[static_cast<size_t>(token)] * kP[static_cast<size_t>(token)] / total, 1e-3);
}

TEST(Sampler, TopKKeepsTheLikeliest) {
  const auto share = shares(logits_of(kP), {.top_k = 2});
  ASSERT_EQ(share.size(), 2u);
  EXPECT_NEAR(share.at(1), 0.4 / 0.65, 1e-3);
  EXPECT_NEAR(share.at(3), 0.25 / 0.65, 1e-3);
}

TEST(Sampler, TopPKeepsTheFewestThatReachIt) {
  EXPECT_EQ(shares(logits_of(kP), {.top_p = 0.39}).size(), 1u);
  EXPECT_EQ(shares(logits_of(kP), {.top_p = 0.41}).size(), 2u);
  EXPECT_EQ(shares(logits_of(kP), {.top_p = 0.84}).size(), 3u);
  EXPECT_EQ(shares(logits_of(kP), {.top_p = 1e-9}).size(), 1u);
}

TEST(Sampler, TopPCountsWhatTopKLeft) {
  // Of {0.4, 0.25} the first has 0.615.
  EXPECT_EQ(shares(logits_of(kP), {.top_k = 2, .top_p = 0.6}).size(), 1u);
  EXPECT_EQ(shares(logits_of(kP), {.top_k = 2, .top_p = 0.63}).size(), 2u);
}

// Guesses drawn from another distribution, each judged along a grid of both uniforms: what comes of it.
struct Judged {
  std::map<core::Token, double> share;
  double accepted = 0;
};
Judged judged(const std::vector<float>& logits, const std::vector<float>& guessing, const core::SampleParams& params) {
  Sampler sampler;
  const auto vocab = static_cast<int64_t>(logits.size());
  Distribution q;
  sampler.draw(guessing.data(), vocab, params, 0.5f, &q);
  Judged all;
  constexpr int kGrid = 300;
  for (core::Token x = 0; x < vocab; ++x) {
    if (q.at(x) == 0) continue;
    for (int i = 0; i < kGrid; ++i)
      for (int j = 0; j < kGrid; ++j) {
        const Drawn drawn =
            sampler.judge(logits.data(), vocab, params, {x, &q}, (i + 0.5f) / kGrid, (j + 0.5f) / kGrid);
        const double weight = q.at(x) / (kGrid * kGrid);
        all.share[drawn.token] += weight;
        if (drawn.token == x) all.accepted += weight;
      }
  }
  return all;
}

TEST(Sampler, AGuessThatIsJudgedIsADraw) {
  const std::vector<float> logits = logits_of(kP), guessing = logits_of({0.5, 0.05, 0.3, 0.1, 0.05});
  for (const core::SampleParams& params :
       std::vector<core::SampleParams>{{}, {.temperature = 0.6}, {.top_k = 3}, {.top_p = 0.7}, {.min_p = 0.3}}) {
    Sampler sampler;
    Distribution p, q;
    sampler.draw(logits.data(), 5, params, 0.5f, &p);
    sampler.draw(guessing.data(), 5, params, 0.5f, &q);
    const Judged found = judged(logits, guessing, params);
    double overlap = 0, total = 0;
    for (core::Token x = 0; x < 5; ++x) {
      const auto share = found.share.find(x);
      EXPECT_NEAR(share == found.share.end() ? 0 : share->second, p.at(x), 4e-3) << x;
      overlap += std::min(p.at(x), q.at(x)), total += p.at(x);
    }
    EXPECT_NEAR(total, 1, 1e-5);
    EXPECT_NEAR(found.accepted, overlap, 4e-3) << "as often as any way of guessing could be right";
    EXPECT_LT(overlap, 0.7);
    EXPECT_GT(judged(logits, logits, params).accepted, 0.999);
  }
}

TEST(Sampler, WhatIsJudgedHasTheLogProbOfADraw) {
  const std::vector<float> logits = logits_of(kP), guessing = logits_of({0.5, 0.05, 0.3, 0.1, 0.05});
  for (const core::SampleParams& params : std::vector<core::SampleParams>{{}, {.top_k = 3}, {.temperature = 0}}) {
    Sampler sampler;
    std::map<core::Token, float> logp;
    for (int i = 0; i < 100; ++i) {
      const Drawn drawn = sampler.draw(logits.data(), 5, params, (i + 0.5f) / 100);
      logp[drawn.token] = drawn.logp;
    }
    Distribution q;
    sampler.draw(guessing.data(), 5, params, 0.5f, &q);
    for (int i = 0; i < 100; ++i)
      for (const core::Token x : {0, 2}) {
        const Drawn drawn = sampler.judge(logits.data(), 5, params, {x, &q}, (i % 10 + 0.5f) / 10, (i + 0.5f) / 100);
        ASSERT_TRUE(logp.contains(drawn.token));
        EXPECT_EQ(drawn.logp, logp[drawn.token]) << "to the bit";
      }
  }
}

TEST(Sampler, MinPIsRelativeToTheLikeliest) {
  const auto share = shares(logits_of(kP), {.min_p = 0.45});
  ASSERT_EQ(share.size(), 3u);  // 0.18 and more
  EXPECT_NEAR(share.at(4), 0.2 / 0.85, 1e-3);
}

TEST(Sampler, TiesGoToTheLowerId) {
  EXPECT_EQ(shares(logits_of({0.25, 0.25, 0.25, 0.25}), {.top_k = 1}).count(0), 1u);
  Sampler sampler;
  EXPECT_EQ(sampler.draw(logits_of({0.2, 0.4, 0.4}).data(), 3, {.temperature = 0}, 0.9f).token, 1);
}

TEST(Sampler, GreedyReportsTheModelsOwnLogProb) {
  Sampler sampler;
  const Drawn drawn = sampler.draw(logits_of(kP).data(), 5, {.temperature = 0, .top_k = 1}, 0.7f);
  EXPECT_EQ(drawn.token, 1);
  EXPECT_NEAR(drawn.logp, std::log(0.4), 1e-6);
}

TEST(Sampler, AgreesWithAPlainCumulativeSumOnLargeVocabularies) {
  base::Rng rng{base::RngKey(4)};
  Sampler sampler;
  for (const int64_t vocab : {1, 63, 64, 65, 1000, 5003}) {
    std::vector<float> logits;
    for (int64_t i = 0; i < vocab; ++i) logits.push_back(static_cast<float>(2 * rng.normal()));
    double total = 0;
    for (const float x : logits) total += std::exp(double(x));
    for (int trial = 0; trial < 50; ++trial) {
      const float uniform = static_cast<float>(rng.uniform());
      double passed = 0;
      size_t expected = 0;
      while (expected + 1 < logits.size() && (passed += std::exp(double(logits[expected])) / total) <= uniform)
        ++expected;
      const Drawn drawn = sampler.draw(logits.data(), vocab, {}, uniform);
      EXPECT_NEAR(static_cast<double>(drawn.token), static_cast<double>(expected), 1)
          << vocab;  // rounding at the border
      EXPECT_NEAR(drawn.logp, logits[static_cast<size_t>(drawn.token)] - std::log(total), 1e-5);
    }
  }
}

// The tokens that the cuts leave, by sorting everything.
std::vector<core::Token> kept_by_sorting(const std::vector<float>& logits, const core::SampleParams& params) {
  std::vector<double> p;
  for (const float x : logits) p.push_back(std::exp(double(x)));
  std::vector<core::Token> order(p.size());
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(), [&](core::Token a, core::Token b) { return p[a] > p[b]; });
  if (params.top_k > 0 && params.top_k < static_cast<int64_t>(order.size()))
    order.resize(static_cast<size_t>(params.top_k));
  double total = 0, reached = 0;
  for (const core::Token id : order) total += p[id];
  size_t count = 0;
  while (count < order.size() && (params.top_p == 1 || reached < params.top_p * total)) reached += p[order[count++]];
  order.resize(count);
  std::erase_if(order, [&](core::Token id) { return p[id] < params.min_p * p[order[0]]; });
  std::sort(order.begin(), order.end());
  return order;
}

TEST(Sampler, CutsOfALargeVocabularyAreThoseOfSorting) {
  base::Rng rng{base::RngKey(5)};
  Sampler sampler;
  for (int trial = 0; trial < 60; ++trial) {
    std::vector<float> logits;
    const double spread = rng.chance(0.3) ? 0.01 : 4;
    for (int64_t n = rng.between(1, 3000); n > 0; --n) logits.push_back(static_cast<float>(spread * rng.normal()));
    if (rng.chance(0.3)) logits[logits.size() / 2] = 20;
    core::SampleParams params{.top_k = rng.between(1, 200)};
    if (rng.chance(0.5)) params.top_k = 0;
    if (rng.chance(0.6)) params.top_p = 0.01 + 0.97 * rng.uniform();
    if (rng.chance(0.3)) params.min_p = rng.uniform();
    const auto kept = kept_by_sorting(logits, params);
    double total = 0;
    for (const core::Token id : kept) total += std::exp(double(logits[id]));
    // In the middle of each token's share it is the one that is drawn.
    double passed = 0;
    for (const core::Token id : kept) {
      const double share = std::exp(double(logits[id])) / total;
      if (share > 1e-4) {
        const Drawn drawn = sampler.draw(logits.data(), static_cast<int64_t>(logits.size()), params,
                                         static_cast<float>(passed + share / 2));
        ASSERT_EQ(drawn.token, id) << "trial " << trial << ", " << kept.size() << " of " << logits.size();
        ASSERT_NEAR(drawn.logp, std::log(share), 1e-4);
      }
      passed += share;
    }
  }
}

TEST(Sampler, NeverDrawsWhatHasNoProbability) {
  std::vector<float> logits(2000, -std::numeric_limits<float>::infinity());
  logits[70] = 1, logits[130] = 1;
  Sampler sampler;
  for (const float uniform : {0.0f, 0.49f, 0.51f, 0.99999994f}) {
    for (const core::SampleParams& params : {core::SampleParams{}, core::SampleParams{.top_p = 0.999}}) {
      const Drawn drawn = sampler.draw(logits.data(), 2000, params, uniform);
      EXPECT_EQ(drawn.token, uniform < 0.5f ? 70 : 130);
      EXPECT_NEAR(drawn.logp, std::log(0.5), 1e-6);
    }
  }
}

TEST(Sampler, RefusesWhatIsNotANumber) {
  Sampler sampler;
  const float logits[] = {1, std::nanf(""), 2};
  EXPECT_THROW(sampler.draw(logits, 3, {}, 0.5f), Error);
}

TEST(Sampler, ParametersAreChecked) {
  EXPECT_NO_THROW(check_sample_params({.temperature = 0}));
  EXPECT_THROW(check_sample_params({.temperature = -1}), Error);
  EXPECT_THROW(check_sample_params({.temperature = std::nan("")}), Error);
  EXPECT_THROW(check_sample_params({.top_k = -1}), Error);
  EXPECT_THROW(check_sample_params({.top_p = 0}), Error);
  EXPECT_THROW(check_sample_params({.min_p = 1.5}), Error);
  EXPECT_THROW(check_sample_params({.max_tokens = -1}), Error);
}

TEST(Entropy, IsThatOfTheSoftmax) {
  const std::vector<float> even(64, 3.0f), sure = {50, 0, -7, 1};
  EXPECT_NEAR(entropy_of(even.data(), 64), std::log(64), 1e-5);
  EXPECT_NEAR(entropy_of(sure.data(), 4), 0, 1e-6);
  const float ln2 = std::log(2.0f), none = -std::numeric_limits<float>::infinity();
  const std::vector<float> uneven = {ln2, 0, none, 0};  // 1/2, 1/4, 0, 1/4
  EXPECT_NEAR(entropy_of(uneven.data(), 4), 1.5 * std::log(2), 1e-6);
}

}  // namespace
}  // namespace ponder::engine
