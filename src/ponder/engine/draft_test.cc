#include "ponder/engine/draft.h"

#include <ATen/core/Tensor.h>
#include <gtest/gtest.h>

#include <cmath>
#include <map>

#include "ponder/base/clock.h"
#include "ponder/base/error.h"
#include "ponder/base/rng.h"
#include "ponder/engine/generate.h"
#include "ponder/engine/kv_memory.h"
#include "ponder/engine/policy.h"
#include "ponder/model/weights.h"
#include "ponder/tensor/device.h"

namespace ponder::engine {
namespace {

using Completions = std::vector<core::Completion>;

model::Parameters make_model(uint64_t seed, int64_t vocab = 40, int64_t layers = 2, const char* compute = "f32") {
  tensor::set_operator_threads(1);
  model::DecoderConfig c;
  c.width = 32, c.layers = layers, c.heads = 4, c.kv_heads = 2, c.head_dim = 16, c.ffn = 48, c.context = 70;
  c.vocab = vocab, c.compute = compute;
  if (vocab == 40) c.eos_ids = {39};
  c.tied = vocab == 40;  // small vocabularies are for distributions: tied models mostly say a token again
  c.resolve();
  return model::make_parameters(c, {.embedding_std = 0.7}, base::RngKey(seed));
}

// Prompts that repeat themselves and prompts that do not, with all that may end a completion.
std::vector<core::SampleRequest> requests_of(uint64_t seed, int64_t n, bool greedy = false) {
  base::Rng rng{base::RngKey(seed)};
  std::vector<core::SampleRequest> requests;
  for (int64_t i = 0; i < n; ++i) {
    core::SampleRequest r;
    const int64_t period = rng.between(1, 12), length = rng.between(1, 66);
    for (int64_t t = 0; t < length; ++t)
      r.prefix.push_back(t < period ? static_cast<core::Token>(rng.below(39))
                                    : r.prefix[static_cast<size_t>(t - period)]);
    if (greedy || rng.chance(0.3)) r.params.temperature = greedy ? 0 : 0.3;
    if (rng.chance(0.2)) r.params.top_k = rng.between(1, 50);
    if (rng.chance(0.2)) r.params.top_p = 0.8;
    if (rng.chance(0.2)) r.params.min_p = 0.1;
    r.params.max_tokens = rng.chance(0.2) ? 100 : rng.between(1, 30);
    if (rng.chance(0.3)) r.params.stop = {static_cast<core::Token>(rng.below(39)), 7};
    r.key = base::RngKey(seed).child(static_cast<uint64_t>(i));
    requests.push_back(std::move(r));
  }
  return requests;
}

void expect_same(const Completions& a, const Completions& b) {
  ASSERT_EQ(a.size(), b.size());
  for (size_t i = 0; i < a.size(); ++i) {
    EXPECT_EQ(a[i].tokens, b[i].tokens) << i;
    EXPECT_EQ(a[i].logps, b[i].logps) << i;  // to the bit
    EXPECT_EQ(a[i].stop, b[i].stop) << i;
    EXPECT_EQ(a[i].ended, b[i].ended) << i;
  }
}

struct Counts {
  int64_t tokens = 0, processed = 0, drafted = 0, accepted = 0;
};
Counts counts(const Completions& completions) {
  Counts all;
  for (const auto& c : completions) {
    EXPECT_LE(c.accepted, c.drafted);
    EXPECT_LE(c.accepted, static_cast<int64_t>(c.tokens.size()));
    all.tokens += static_cast<int64_t>(c.tokens.size()), all.processed += c.processed;
    all.drafted += c.drafted, all.accepted += c.accepted;
  }
  return all;
}

// Every way of working that must not be seen in a result.
std::vector<EngineOptions> ways(const EngineOptions& options) {
  const auto way = [&](auto change) {
    EngineOptions o = options;
    change(o);
    return o;
  };
  return {way([](auto& o) { o.max_rows = 1, o.share_prefixes = false; }),
          way([](auto& o) { o.share_prefixes = false; }),
          way([](auto& o) { o.max_rows = 7, o.max_forward_tokens = 33; }),
          way([](auto& o) { o.max_forward_tokens = 5; }),
          way([](auto& o) { o.kv_pages = 6; }),
          way([](auto& o) { o.kv_pages = 18; })};
}

// Ends behind 2 a 2 with any a.
struct Between : core::Endings {
  bool ended(core::TokenSpan c) const override {
    return c.size() >= 3 && c.back() % 5 == 2 && c[c.size() - 3] % 5 == 2;
  }
};

TEST(LookUp, ContinuesTheLongestAndLastAgreement) {
  EXPECT_EQ(look_up(core::Tokens{1, 2, 3}, 4), core::Tokens{});
  EXPECT_EQ(look_up(core::Tokens{5}, 4), core::Tokens{});
  EXPECT_EQ(look_up(core::Tokens{1, 2, 3, 4, 5, 9, 3}, 2), (core::Tokens{4, 5}));
  EXPECT_EQ(look_up(core::Tokens{3, 7, 3, 8, 3}, 1), core::Tokens{8}) << "the last time";
  EXPECT_EQ(look_up(core::Tokens{1, 2, 3, 7, 8, 2, 3, 8, 3, 9, 1, 2, 3}, 2), (core::Tokens{7, 8})) << "the longest";
  EXPECT_EQ(look_up(core::Tokens{6, 1, 2, 1, 2}, 5), (core::Tokens{1, 2, 1, 2, 1})) << "what repeats goes on";
  EXPECT_EQ(look_up(core::Tokens{4, 4}, 3), (core::Tokens{4, 4, 4}));
}

class Speculates : public testing::TestWithParam<const char*> {};
INSTANTIATE_TEST_SUITE_P(Speculation, Speculates, testing::Values("f32", "bf16"));

TEST_P(Speculates, LookupsChangeNoBitOfAnySample) {
  const model::Parameters parameters = make_model(1, 40, 2, GetParam());
  const Between between;
  auto requests = requests_of(1, 80);
  for (size_t i = 0; i < requests.size(); i += 3) requests[i].params.endings = &between;
  LocalPolicy off(parameters, {});
  const Completions plain = sample_batch(off, requests);
  EXPECT_EQ(counts(plain).drafted, 0);
  for (const int64_t most : {1, 4, 20}) {
    const EngineOptions options{.speculate = "lookup", .draft_tokens = most};
    LocalPolicy policy(parameters, options);
    const Completions completions = sample_batch(policy, requests);
    expect_same(completions, plain);
    const Counts found = counts(completions);
    EXPECT_GT(found.accepted, found.tokens / 20) << most;
    EXPECT_GT(found.drafted, found.accepted) << "nothing had to be taken back";
    for (const EngineOptions& way : ways(options)) {
      LocalPolicy other(parameters, way);
      const Completions again = sample_batch(other, requests);
      expect_same(again, plain);
      EXPECT_EQ(counts(again).accepted, found.accepted);
      expect_same(sample_batch(other, requests), plain);  // now out of a warm cache
    }
    LocalPolicy together(parameters, options, 3);
    expect_same(sample_batch(together, requests), plain);
  }
}

TEST_P(Speculates, ADraftChangesNoGreedyBit) {
  const model::Parameters parameters = make_model(1, 40, 2, GetParam()), draft = make_model(5, 40, 1, GetParam());
  const auto requests = requests_of(2, 60, true);
  LocalPolicy off(parameters, {});
  const Completions plain = sample_batch(off, requests);
  for (const int64_t most : {1, 3, 11}) {
    const EngineOptions options{.draft_tokens = most};
    for (const EngineOptions& way : ways(options)) {
      LocalPolicy policy(parameters, way, 1, &draft);
      expect_same(sample_batch(policy, requests), plain);
    }
    LocalPolicy itself(parameters, options, 1, &parameters);
    const Completions completions = sample_batch(itself, requests);
    expect_same(completions, plain);
    for (const core::Completion& c : completions) {
      if (c.stop != core::StopReason::kMaxTokens) continue;
      EXPECT_EQ(c.accepted, c.drafted) << "it guesses what it would write";
    }
    EXPECT_GT(counts(completions).accepted, counts(completions).tokens / 3);
  }
}

TEST_P(Speculates, SamplesByWayOfADraftDoNotDependOnBatchSharingOrEviction) {
  const model::Parameters parameters = make_model(1, 40, 2, GetParam()), draft = make_model(5, 40, 1, GetParam());
  const auto requests = requests_of(3, 60);
  const EngineOptions options{.draft_tokens = 5};
  LocalPolicy policy(parameters, options, 1, &draft);
  const Completions expected = sample_batch(policy, requests);
  const Counts found = counts(expected);
  EXPECT_GT(found.accepted, 20);
  EXPECT_GT(found.drafted, found.accepted);
  for (const EngineOptions& way : ways(options)) {
    LocalPolicy other(parameters, way, 1, &draft);
    const Completions again = sample_batch(other, requests);
    expect_same(again, expected);
    EXPECT_EQ(counts(again).drafted, found.drafted);
    EXPECT_EQ(counts(again).accepted, found.accepted);
    expect_same(sample_batch(other, requests), expected);
  }
  LocalPolicy together(parameters, options, 3, &draft);
  expect_same(sample_batch(together, requests), expected);
  // Log-probs are those of the model, whoever guessed: a sample that goes on with no cut scores the same.
  for (size_t i = 0; i < requests.size(); ++i) {
    const core::SampleParams& p = requests[i].params;
    if (p.temperature != 1 || p.top_k > 0 || p.top_p < 1 || p.min_p > 0) continue;
    core::Tokens all = requests[i].prefix;
    all.insert(all.end(), expected[i].tokens.begin(), expected[i].tokens.end());
    if (all.size() < 2) continue;
    auto scored = score_tokens(parameters, all);
    scored.erase(scored.begin(), scored.begin() + static_cast<int64_t>(requests[i].prefix.size()) - 1);
    EXPECT_EQ(scored, expected[i].logps) << i;
  }
}

// ---- the distribution of samples ----

constexpr int64_t kFewTokens = 8;

// Probabilities of the next three tokens behind a prefix, by asking the model for each of them.
std::map<core::Tokens, double> next_three(const model::Parameters& parameters, const core::Tokens& prefix,
                                          const core::SampleParams& params) {
  std::map<core::Tokens, double> level = {{{}, 1.0}};
  Sampler sampler;
  for (int i = 0; i < 3; ++i) {
    std::map<core::Tokens, double> deeper;
    for (const auto& [written, p] : level) {
      core::Tokens tokens = prefix;
      tokens.insert(tokens.end(), written.begin(), written.end());
      const at::Tensor logits = token_logits(parameters, tokens);
      Distribution next;
      sampler.draw(logits.const_data_ptr<float>() + (logits.size(0) - 1) * kFewTokens, kFewTokens, params, 0.5f, &next);
      for (core::Token t = 0; t < kFewTokens; ++t) {
        if (next.at(t) == 0) continue;
        core::Tokens longer = written;
        longer.push_back(t);
        deeper[longer] = p * next.at(t);
      }
    }
    level = std::move(deeper);
  }
  return level;
}

struct ChiSquare {
  double value = 0, degrees = -1;
  // Four standard deviations above what is expected where the distributions are equal.
  bool fits() const { return value < degrees + 4 * std::sqrt(2 * degrees); }
};

// Cells of which few are expected are counted together.
ChiSquare chi_square(const std::map<core::Tokens, double>& expected, const std::map<core::Tokens, int64_t>& found,
                     int64_t samples) {
  ChiSquare all;
  double few = 0, found_few = static_cast<double>(samples);
  const auto add = [&](double wanted, double got) {
    all.value += (got - wanted) * (got - wanted) / wanted, all.degrees += 1;
  };
  for (const auto& [tokens, p] : expected) {
    const double wanted = p * static_cast<double>(samples);
    if (wanted < 8) {
      few += wanted;
      continue;
    }
    const auto at = found.find(tokens);
    const double got = at == found.end() ? 0 : static_cast<double>(at->second);
    found_few -= got;
    add(wanted, got);
  }
  if (few > 0 || found_few > 0) add(std::max(few, 1e-3), found_few);
  return all;
}

TEST(Speculation, ADraftThatDisagreesKeepsTheDistribution) {
  const model::Parameters parameters = make_model(1, kFewTokens), draft = make_model(6, kFewTokens, 1);
  const core::Tokens prefix = {1, 2, 3};
  for (const core::SampleParams& params : std::vector<core::SampleParams>{{.temperature = 1.5},
                                                                          {.temperature = 4, .top_k = 5},
                                                                          {.temperature = 3, .top_p = 0.9},
                                                                          {.temperature = 1.5, .min_p = 0.02}}) {
    constexpr int64_t kSamples = 6000;
    std::vector<core::SampleRequest> requests;
    for (uint64_t i = 0; i < kSamples; ++i) {
      requests.push_back({prefix, params, base::RngKey(77).child(i)});
      requests.back().params.max_tokens = 4;  // the first is drawn, the next two are guessed, one more behind them
    }
    LocalPolicy policy(parameters, {.draft_tokens = 2}, 1, &draft);
    const Completions completions = sample_batch(policy, requests);
    const Counts all = counts(completions);
    EXPECT_LT(all.accepted, all.drafted * 2 / 3) << "the draft should disagree";
    EXPECT_GT(all.accepted, all.drafted / 20);
    const auto expected = next_three(parameters, prefix, params), guessed = next_three(draft, prefix, params);
    std::map<core::Tokens, int64_t> found;
    for (const core::Completion& c : completions) ++found[{c.tokens.begin(), c.tokens.begin() + 3}];
    const ChiSquare fit = chi_square(expected, found, kSamples);
    EXPECT_GT(fit.degrees, 20);
    EXPECT_TRUE(fit.fits()) << fit.value << " at " << fit.degrees << " degrees of freedom";
    EXPECT_FALSE(chi_square(guessed, found, kSamples).fits()) << "the test should see the difference";
  }
}

// ---- what else a draft touches ----

TEST(Speculation, OnePassReadsSeveralTokens) {
  const model::Parameters parameters = make_model(1);
  core::Tokens prefix;
  for (int i = 0; i < 30; ++i) prefix.push_back(static_cast<core::Token>(i % 5));
  const core::SampleRequest request{prefix, {.temperature = 0, .max_tokens = 21}, base::RngKey(1)};
  LocalPolicy policy(parameters, {.draft_tokens = 4}, 1, &parameters);
  core::Completion out;
  core::ReadyQueue nobody;
  core::Waiter waiter{&nobody, std::noop_coroutine(), 1};
  policy.submit(request, &out, &waiter);
  int64_t passes = 0;
  while (waiter.pending > 0) {
    policy.advance();
    ++passes;
  }
  ASSERT_EQ(out.tokens.size(), 21u);
  EXPECT_EQ(passes, 1 + 4) << "the prompt, then five tokens a pass";
  EXPECT_EQ(out.drafted, 16);
  EXPECT_EQ(out.accepted, 16);
  EXPECT_EQ(out.processed, 30 + 20) << "the last token is read by nobody";
}

TEST(Speculation, ADraftSharesTheMemoryForKeysAndValues) {
  const model::Parameters parameters = make_model(1), draft = make_model(5, 40, 1);
  const EngineOptions one{.kv_bytes = 100 << 10};
  LocalPolicy alone(parameters, one), both(parameters, one, 1, &draft);
  EXPECT_LE(alone.kv_bytes(), 100 << 10);
  EXPECT_LE(both.kv_bytes(), 100 << 10);
  EXPECT_GT(both.kv_bytes(), 80 << 10);
  EXPECT_THROW(LocalPolicy(parameters, {}, 1, std::make_unique<model::Parameters>(make_model(1, 8)).get()), Error);
}

TEST(LocalPolicy, WhatIsLateEndsWithWhatItHasAndLeavesTheOthersAlone) {
  const model::Parameters parameters = make_model(1);
  for (const char* speculate : {"off", "lookup"}) {
    auto requests = requests_of(9, 12);
    LocalPolicy undisturbed(parameters, {.speculate = speculate});
    const Completions expected = sample_batch(undisturbed, requests);
    // Some have no time at all, some a little, some plenty, some no limit; of few rows some still wait.
    const double now = base::monotonic_seconds();
    for (size_t i = 0; i < requests.size(); ++i) {
      if (i % 4 == 0) requests[i].deadline = 0;
      if (i % 4 == 1) requests[i].deadline = now + 0.002;
      if (i % 4 == 2) requests[i].deadline = now + 1e6;
    }
    LocalPolicy policy(parameters, {.max_rows = 5, .kv_pages = 12, .speculate = speculate});
    const Completions found = sample_batch(policy, requests);
    EXPECT_FALSE(policy.advance()) << "nobody waits for more";
    for (size_t i = 0; i < requests.size(); ++i) {
      const core::Tokens& all = expected[i].tokens;
      ASSERT_LE(found[i].tokens.size(), all.size());
      EXPECT_TRUE(std::equal(found[i].tokens.begin(), found[i].tokens.end(), all.begin())) << i;
      if (i % 4 == 0) {
        EXPECT_TRUE(found[i].tokens.empty()) << i;
        EXPECT_EQ(found[i].stop, core::StopReason::kDeadline) << i;
      } else if (i % 4 > 1) {
        EXPECT_EQ(found[i].tokens, all) << i;
        EXPECT_EQ(found[i].stop, expected[i].stop) << i;
      }
    }
  }
}

TEST(LocalPolicy, WhatIsCancelledLeavesItsPagesAndTheOthersAlone) {
  const model::Parameters parameters = make_model(1);
  for (const char* speculate : {"off", "lookup"}) {
    const auto requests = requests_of(9, 12);
    LocalPolicy undisturbed(parameters, {.speculate = speculate});
    const Completions expected = sample_batch(undisturbed, requests);
    // Few rows, so that some still wait when they are cancelled.
    LocalPolicy policy(parameters, {.max_rows = 5, .kv_pages = 12, .speculate = speculate});
    Completions completions(requests.size());
    core::ReadyQueue nobody;
    core::Waiter waiter{&nobody, std::noop_coroutine(), requests.size()};
    for (size_t i = 0; i < requests.size(); ++i) policy.submit(requests[i], &completions[i], &waiter);
    for (int i = 0; i < 3; ++i) policy.advance();
    size_t gone = 0;
    std::vector<bool> cancelled(requests.size(), false);
    for (size_t i = 0; i < requests.size(); i += 2) {
      cancelled[i] = policy.cancel(&completions[i]);
      gone += cancelled[i];
      EXPECT_FALSE(policy.cancel(&completions[i])) << "there is nothing left to cancel";
    }
    ASSERT_GT(gone, 2u);
    while (waiter.pending > gone) ASSERT_TRUE(policy.advance());
    EXPECT_FALSE(policy.advance()) << "nobody waits for more";
    for (size_t i = 0; i < requests.size(); ++i) {
      if (!cancelled[i]) {
        EXPECT_EQ(completions[i].tokens, expected[i].tokens) << i;
        EXPECT_EQ(completions[i].logps, expected[i].logps) << i;
        continue;
      }
      ASSERT_LE(completions[i].tokens.size(), expected[i].tokens.size());
      EXPECT_TRUE(std::equal(completions[i].tokens.begin(), completions[i].tokens.end(), expected[i].tokens.begin()));
    }
    policy.clear_cache();  // refuses while pages are held
  }
}

}  // namespace
}  // namespace ponder::engine
