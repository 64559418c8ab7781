#include "ponder/engine/policy.h"

#include <ATen/core/Tensor.h>
#include <c10/core/InferenceMode.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <thread>

#include "ponder/base/error.h"
#include "ponder/base/rng.h"
#include "ponder/engine/batcher.h"
#include "ponder/engine/critic.h"
#include "ponder/engine/generate.h"
#include "ponder/engine/kv_memory.h"
#include "ponder/engine/sampler.h"
#include "ponder/model/test_families.h"
#include "ponder/model/weights.h"
#include "ponder/tensor/device.h"
#include "ponder/tensor/ops.h"

namespace ponder::engine {
namespace {

constexpr core::Token kEnd = 39;

model::DecoderConfig small_config() {
  model::DecoderConfig c;
  c.width = 32, c.layers = 2, c.heads = 4, c.kv_heads = 2, c.head_dim = 16, c.ffn = 48, c.context = 70, c.vocab = 40;
  c.eos_ids = {kEnd};
  c.resolve();
  return c;
}

model::Parameters small_model(uint64_t seed = 1, bool value_head = false, const char* compute = "f32") {
  tensor::set_operator_threads(1);
  model::DecoderConfig c = small_config();
  c.value_head = value_head;
  c.compute = compute;
  return model::make_parameters(c, {.embedding_std = 0.7}, base::RngKey(seed));
}

// Requests like those of a search: few stems, prefixes that go on from one another, all kinds of parameters.
std::vector<core::SampleRequest> random_requests(uint64_t seed, int64_t n) {
  base::Rng rng{base::RngKey(seed)};
  std::vector<core::Tokens> stems = {{1}, {2, 3}};
  std::vector<core::SampleRequest> requests;
  for (int64_t i = 0; i < n; ++i) {
    core::SampleRequest r;
    r.prefix = rng.pick(stems);
    for (int64_t more = rng.below(20); more > 0 && r.prefix.size() < 60; --more)
      r.prefix.push_back(static_cast<core::Token>(rng.below(kEnd)));
    if (rng.chance(0.5)) stems.push_back(r.prefix);
    if (rng.chance(0.2)) r.params.temperature = rng.chance(0.5) ? 0 : 0.7;
    if (rng.chance(0.2)) r.params.top_k = rng.between(1, 50);
    if (rng.chance(0.2)) r.params.top_p = 0.8;
    if (rng.chance(0.1)) r.params.min_p = 0.1;
    r.params.max_tokens = rng.chance(0.1) ? 100 : rng.between(1, 30);
    if (rng.chance(0.3)) r.params.stop = {static_cast<core::Token>(rng.below(kEnd)), 7};
    r.key = base::RngKey(seed).child(static_cast<uint64_t>(i));
    requests.push_back(std::move(r));
  }
  return requests;
}

// One sequence, the whole prefix through the trainer's forward pass for every token.
core::Completion sample_plainly(const model::Parameters& parameters, const core::SampleRequest& request) {
  core::Tokens tokens = request.prefix;
  core::Completion out;
  Sampler sampler;
  const int64_t vocab = parameters.config.vocab;
  while (static_cast<int64_t>(tokens.size()) < parameters.config.context) {
    const at::Tensor logits = token_logits(parameters, tokens);
    const float* last = logits.const_data_ptr<float>() + (logits.size(0) - 1) * vocab;
    const Drawn drawn = sampler.draw(last, vocab, request.params, base::uniform_at(request.key, out.tokens.size()));
    tokens.push_back(drawn.token);
    out.tokens.push_back(drawn.token);
    out.logps.push_back(drawn.logp);
    const auto is = [&](const auto& ids) { return std::find(ids.begin(), ids.end(), drawn.token) != ids.end(); };
    if (is(parameters.config.eos_ids) || is(request.params.stop)) return out;
    if (static_cast<int64_t>(out.tokens.size()) == request.params.max_tokens) return out;
  }
  return out;
}

void expect_same(const std::vector<core::Completion>& a, const std::vector<core::Completion>& b) {
  ASSERT_EQ(a.size(), b.size());
  for (size_t i = 0; i < a.size(); ++i) {
    EXPECT_EQ(a[i].tokens, b[i].tokens) << i;
    EXPECT_EQ(a[i].logps, b[i].logps) << i;  // to the bit
    EXPECT_EQ(a[i].stop, b[i].stop) << i;
  }
}

// Large enough that products, draws and (with many rows) attention are cut up.
TEST(LocalPolicy, ATeamChangesNoBit) {
  model::DecoderConfig c = small_config();
  c.width = 64, c.heads = 8, c.head_dim = 64, c.vocab = 6000;
  c.resolve();
  const model::Parameters parameters = model::make_parameters(c, {.embedding_std = 0.7}, base::RngKey(2));
  const auto requests = random_requests(3, 60);
  LocalPolicy alone(parameters, {.max_rows = 64});
  const auto expected = sample_batch(alone, requests);
  for (const int threads : {2, 3}) {
    LocalPolicy together(parameters, {.max_rows = 64}, threads);
    expect_same(expected, sample_batch(together, requests));
  }
}

class Computes : public testing::TestWithParam<const char*> {};
INSTANTIATE_TEST_SUITE_P(LocalPolicy, Computes, testing::Values("f32", "bf16"));

TEST_P(Computes, EqualsTheTrainersForwardPassToTheBit) {
  const model::Parameters parameters = small_model(1, false, GetParam());
  const auto requests = random_requests(1, 40);
  LocalPolicy policy(parameters, {.max_rows = 16});
  const auto completions = sample_batch(policy, requests);
  for (size_t i = 0; i < requests.size(); ++i) {
    const core::Completion plain = sample_plainly(parameters, requests[i]);
    EXPECT_EQ(completions[i].tokens, plain.tokens) << i;
    EXPECT_EQ(completions[i].logps, plain.logps) << i;
    if (requests[i].params.temperature != 1 || requests[i].params.top_k || requests[i].params.top_p < 1 ||
        requests[i].params.min_p > 0)
      continue;
    core::Tokens all = requests[i].prefix;
    all.insert(all.end(), plain.tokens.begin(), plain.tokens.end());
    auto scored = score_tokens(parameters, all);
    scored.erase(scored.begin(), scored.begin() + static_cast<int64_t>(requests[i].prefix.size()) - 1);
    EXPECT_EQ(scored, completions[i].logps) << i;
  }
}

class EveryFamily : public testing::TestWithParam<std::string> {};
INSTANTIATE_TEST_SUITE_P(LocalPolicy, EveryFamily, testing::ValuesIn(model::test::family_cases()),
                         [](const auto& info) {
                           std::string name = info.param;
                           std::replace(name.begin(), name.end(), '-', '_');
                           return name;
                         });

// Windows shorter than the sequences, ropes of several kinds, heads of several sizes.
TEST_P(EveryFamily, EqualsTheTrainersForwardPassToTheBitInAnyBatch) {
  tensor::set_operator_threads(1);
  for (const char* compute : {"f32", "bf16"}) {
    const model::Parameters parameters = model::test::family_model(GetParam(), compute);
    const auto requests = random_requests(4, 16);
    LocalPolicy policy(parameters, {.max_rows = 8, .max_forward_tokens = 50});
    const auto completions = sample_batch(policy, requests);
    for (size_t i = 0; i < requests.size(); ++i) {
      const core::Completion plain = sample_plainly(parameters, requests[i]);
      EXPECT_EQ(completions[i].tokens, plain.tokens) << compute << " " << i;
      EXPECT_EQ(completions[i].logps, plain.logps) << compute << " " << i;
    }
    LocalPolicy alone(parameters, {.max_rows = 1, .share_prefixes = false});
    expect_same(sample_batch(alone, requests), completions);
  }
}

TEST(LocalPolicy, AContextThatTheCacheDoesNotHoldIsCut) {
  model::Parameters parameters = small_model();
  parameters.config.context = 100000;
  LocalPolicy policy(parameters, {.kv_mib = 1});  // 128 pages of 8 KiB, one of them to copy from
  const auto c =
      sample_batch(policy, {{core::Tokens(127 * 16 - 3, 5), {.top_k = 30, .max_tokens = 50}, base::RngKey(1)}});
  EXPECT_EQ(c[0].tokens.size(), 3u);
  EXPECT_EQ(c[0].stop, core::StopReason::kContextFull);
  parameters.config.layers = 2, parameters.config.head_dim = 16;
  EXPECT_THROW(LocalPolicy(parameters, {.kv_pages = 50}), Error) << "pages that are asked for must do";
}

TEST_P(Computes, BitsDoNotDependOnBatchSharingOrEviction) {
  const model::Parameters parameters = small_model(1, false, GetParam());
  const int64_t least = 6;  // pages of one context and one more
  for (uint64_t seed = 10; seed < 13; ++seed) {
    const auto requests = random_requests(seed, 80);
    LocalPolicy alone(parameters, {.max_rows = 1, .share_prefixes = false});
    const auto expected = sample_batch(alone, requests);
    for (const EngineOptions& options :
         std::vector<EngineOptions>{{.max_rows = 64},
                                    {.max_rows = 64, .share_prefixes = false},
                                    {.max_rows = 1},
                                    {.max_rows = 64, .max_forward_tokens = 5},
                                    {.max_rows = 64, .kv_pages = least},
                                    {.max_rows = 64, .kv_pages = 3 * least},
                                    {.max_rows = 7, .max_forward_tokens = 33, .kv_pages = 20}}) {
      LocalPolicy policy(parameters, options);
      expect_same(sample_batch(policy, requests), expected);
      auto backwards = requests;
      std::reverse(backwards.begin(), backwards.end());
      auto again = sample_batch(policy, backwards);  // now out of a warm cache
      std::reverse(again.begin(), again.end());
      expect_same(again, expected);
    }
  }
}

// Ends behind 2 a 2 with any a, wherever a request's border lies.
struct Between : core::Endings {
  bool ended(core::TokenSpan c) const override {
    return c.size() >= 3 && c.back() % 5 == 2 && c[c.size() - 3] % 5 == 2;
  }
};

TEST(LocalPolicy, EndsWhereTheEndingsSayInAnyBatch) {
  const model::Parameters parameters = small_model();
  const Between between;
  auto requests = random_requests(6, 60);
  LocalPolicy free(parameters, {});
  const auto unstopped = sample_batch(free, requests);
  for (auto& request : requests) request.params.endings = &between;
  LocalPolicy policy(parameters, {}), alone(parameters, {.max_rows = 1, .share_prefixes = false});
  const auto completions = sample_batch(policy, requests);
  expect_same(sample_batch(alone, requests), completions);
  int64_t ended = 0;
  for (size_t i = 0; i < requests.size(); ++i) {
    const core::Tokens& all = unstopped[i].tokens;
    size_t n = 1;
    while (n < all.size() && !between.ended(core::TokenSpan(all).first(n))) ++n;
    n = std::min(n, all.size());
    EXPECT_EQ(completions[i].tokens, core::Tokens(all.begin(), all.begin() + static_cast<int64_t>(n)));
    if (!between.ended(completions[i].tokens)) continue;
    ++ended;
    EXPECT_TRUE(completions[i].ended);
    EXPECT_EQ(completions[i].stop, core::StopReason::kStopToken);
    // Written in two parts, the second of which is told of the first.
    for (size_t cut = 1; cut < n; ++cut) {
      core::SampleRequest rest = requests[i];
      rest.prefix.insert(rest.prefix.end(), all.begin(), all.begin() + static_cast<int64_t>(cut));
      rest.params.temperature = 0, rest.params.max_tokens = 1;
      rest.written = static_cast<int64_t>(cut);
      const core::Completion next = sample_batch(alone, {rest})[0];
      core::Tokens both(all.begin(), all.begin() + static_cast<int64_t>(cut));
      both.insert(both.end(), next.tokens.begin(), next.tokens.end());
      EXPECT_EQ(next.ended, next.tokens.back() == kEnd || between.ended(both)) << i << " " << cut;
      rest.written = 0;
      EXPECT_EQ(sample_batch(alone, {rest})[0].ended, next.tokens.back() == kEnd);
    }
  }
  EXPECT_GT(ended, 10);
}

TEST(LocalPolicy, SeveralEnginesShareOneModel) {
  const model::Parameters parameters = small_model();
  const auto requests = random_requests(3, 40);
  std::vector<std::vector<core::Completion>> results(3);
  std::vector<std::thread> threads;
  for (auto& result : results)
    threads.emplace_back([&] {
      tensor::set_operator_threads(1);
      LocalPolicy policy(parameters, {});
      result = sample_batch(policy, requests);
    });
  for (auto& thread : threads) thread.join();
  expect_same(results[1], results[0]);
  expect_same(results[2], results[0]);
}

core::SampleRequest plain_request(core::Tokens prefix, int64_t max_tokens, uint64_t key) {
  return {std::move(prefix), {.top_k = 30, .max_tokens = max_tokens}, base::RngKey(key)};
}

TEST(LocalPolicy, CountsWhatItReallyReads) {
  const model::Parameters parameters = small_model();
  LocalPolicy policy(parameters, {});
  core::Tokens prompt;
  for (int i = 0; i < 20; ++i) prompt.push_back(static_cast<core::Token>(i));
  // Admitted together: the first reads the prompt for all of them; the last drawn token is read by nobody.
  const auto group =
      sample_batch(policy, {plain_request(prompt, 5, 1), plain_request(prompt, 5, 2), plain_request(prompt, 5, 3)});
  for (size_t i = 0; i < 3; ++i) {
    const int64_t n = static_cast<int64_t>(group[i].tokens.size());
    EXPECT_EQ(group[i].processed, (i == 0 ? 20 : 0) + n - 1) << i;
  }
  // A search goes on from what was written: one token of it was never read.
  core::Tokens longer = prompt;
  longer.insert(longer.end(), group[1].tokens.begin(), group[1].tokens.end());
  ASSERT_NE(group[1].tokens.back(), kEnd);
  const auto next = sample_batch(policy, {plain_request(longer, 1, 4)});
  EXPECT_EQ(next[0].processed, 1);
  policy.clear_cache();
  EXPECT_EQ(sample_batch(policy, {plain_request(longer, 1, 4)})[0].processed, static_cast<int64_t>(longer.size()));
}

// Two pages may hold equal tokens: one of a sequence that goes on, one of a sequence that ends there. Which of them a
// third one follows is a matter of their numbers.
TEST(LocalPolicy, EqualPagesAreFollowedWhicheverItIs) {
  const model::Parameters parameters = small_model();
  const auto prompt = [](int from, int n) {
    core::Tokens tokens;
    for (int i = 0; i < n; ++i) tokens.push_back(static_cast<core::Token>((from + i) % 24));
    return tokens;
  };
  const core::Tokens whole = prompt(0, 17), page = prompt(0, 16);
  base::Rng rng(base::RngKey(4));
  for (int trial = 0; trial < 200; ++trial) {
    EngineOptions small, large;
    small.kv_pages = KvCache::pages_for(parameters.config.context) + 1;
    LocalPolicy crowded(parameters, small), roomy(parameters, large);
    for (int i = static_cast<int>(rng.below(12)); i > 0; --i)  // pages in some order
      sample_batch(crowded,
                   {plain_request(prompt(static_cast<int>(rng.below(24)), 1 + static_cast<int>(rng.below(20))), 1, 9)});
    std::vector<core::SampleRequest> requests;
    for (int i = 0; i < 5; ++i)
      requests.push_back(plain_request(rng.chance(0.5) ? whole : page, 2, static_cast<uint64_t>(i)));
    const auto expected = sample_batch(roomy, requests), got = sample_batch(crowded, requests);
    for (size_t i = 0; i < got.size(); ++i) ASSERT_EQ(got[i].tokens, expected[i].tokens) << trial;
  }
}

TEST(LocalPolicy, ASmallCacheReadsAgainAndSaysSo) {
  const model::Parameters parameters = small_model();
  std::vector<core::SampleRequest> requests;
  for (uint64_t i = 0; i < 6; ++i) requests.push_back(plain_request({static_cast<core::Token>(i)}, 40, i));
  LocalPolicy roomy(parameters, {}), narrow(parameters, {.kv_pages = 6});
  const auto a = sample_batch(roomy, requests), b = sample_batch(narrow, requests);
  expect_same(a, b);
  int64_t enough = 0, again = 0;
  for (size_t i = 0; i < a.size(); ++i) enough += a[i].processed, again += b[i].processed;
  EXPECT_GE(again, enough);
}

int64_t processed_in(const std::vector<core::Completion>& completions) {
  int64_t sum = 0;
  for (const auto& c : completions) sum += c.processed;
  return sum;
}

TEST_P(Computes, ALimitOfMemoryHoldsAndChangesNoBit) {
  const model::Parameters parameters = small_model(1, false, GetParam());
  auto requests = random_requests(21, 120);
  for (size_t i = 0; i < requests.size(); i += 2) requests[i].params.temperature = 0;
  LocalPolicy roomy(parameters, {.max_rows = 128});
  const auto expected = sample_batch(roomy, requests);
  const int64_t least = kv_bytes_for(parameters.config, {}, parameters.config.context);
  ASSERT_GT(roomy.kv_bytes(), 100 * least);
  for (const bool share : {true, false})
    for (const int64_t limit : {least, least + 1000, 3 * least}) {
      LocalPolicy narrow(parameters, {.max_rows = 128, .kv_bytes = limit, .share_prefixes = share});
      EXPECT_LE(narrow.kv_bytes(), limit);
      EXPECT_GT(narrow.kv_bytes(), limit - kv_page_bytes(parameters.config, {}));
      const auto completions = sample_batch(narrow, requests);
      expect_same(completions, expected);
      EXPECT_GT(processed_in(completions), processed_in(expected)) << "nothing had to be read again";
      EXPECT_LE(narrow.kv_peak_bytes(), narrow.kv_bytes());
      EXPECT_GT(narrow.kv_peak_bytes(), narrow.kv_bytes() / 2) << "it was short";
      EXPECT_LT(narrow.kv_peak_bytes(), roomy.kv_peak_bytes());
    }
  EXPECT_EQ(kv_bytes_for(parameters.config, {}, 1000000), least) << "nobody reads more than a context";
  LocalPolicy two_rows(parameters, {.max_rows = 2}),
      with_room(parameters, {.max_rows = 2, .kv_bytes = 40 * least, .kv_roomy = true});
  EXPECT_LE(two_rows.kv_bytes(), 2 * least);
  EXPECT_GT(with_room.kv_bytes(), 39 * least) << "a limit is room for trees beyond what is in work";
  EXPECT_LT(kv_bytes_for(parameters.config, {}, 20), least);
  try {
    LocalPolicy(parameters, {.kv_bytes = kv_bytes_for(parameters.config, {}, 1) - 1});
    FAIL() << "a cache without room";
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), ErrorCode::kUsage);
    EXPECT_NE(std::string(e.what()).find("at least 1"), std::string::npos) << e.what();
  }
}

TEST_P(Computes, BitsDoNotDependOnBatchSharingOrEvictionHoweverKeysAreKept) {
  const model::Parameters parameters = small_model(1, false, GetParam());
  const auto requests = random_requests(22, 80);
  LocalPolicy as_computed(parameters, {});
  const auto plain = sample_batch(as_computed, requests);
  for (const std::string kv_dtype : {"f32", "bf16", "int8"}) {
    LocalPolicy alone(parameters, {.max_rows = 1, .kv_dtype = kv_dtype, .share_prefixes = false});
    const auto expected = sample_batch(alone, requests);
    for (const EngineOptions& options :
         std::vector<EngineOptions>{{.kv_dtype = kv_dtype},
                                    {.kv_pages = 6, .kv_dtype = kv_dtype},
                                    {.max_rows = 7, .max_forward_tokens = 33, .kv_pages = 20, .kv_dtype = kv_dtype}}) {
      LocalPolicy policy(parameters, options);
      expect_same(sample_batch(policy, requests), expected);
      expect_same(sample_batch(policy, requests), expected);  // now out of a warm cache
    }
    LocalPolicy together(parameters, {.kv_dtype = kv_dtype}, 3);
    expect_same(sample_batch(together, requests), expected);
    size_t same = 0;
    for (size_t i = 0; i < requests.size(); ++i) same += expected[i].logps == plain[i].logps;
    if (kv_dtype == GetParam())
      EXPECT_EQ(same, requests.size());
    else
      EXPECT_LT(same, requests.size() / 2);
  }
  EXPECT_THROW(LocalPolicy(parameters, {.kv_dtype = "int4"}), Error);
}

TEST(LocalPolicy, Int8KeysTakeAQuarterOfTheMemory) {
  const model::Parameters parameters = small_model();
  // 16 numbers of a byte and a scale of four in place of 16 · 4 bytes.
  EXPECT_EQ(16 * kv_page_bytes(parameters.config, {.kv_dtype = "int8"}), 5 * kv_page_bytes(parameters.config, {}));
  LocalPolicy full(parameters, {.kv_pages = 32}), small(parameters, {.kv_pages = 32, .kv_dtype = "int8"});
  EXPECT_EQ(16 * small.kv_bytes(), 5 * full.kv_bytes());
}

// Logits behind a prefix that was read in one pass, with keys and values kept as kv_dtype says.
std::vector<float> logits_behind(const model::Parameters& parameters, const core::Tokens& prefix,
                                 const std::string& kv_dtype) {
  const c10::InferenceMode inference;
  Batcher batcher(parameters, {.kv_dtype = kv_dtype});
  auto row = std::make_unique<Row>();
  row->tokens = prefix;
  batcher.submit(std::move(row));
  const Batcher::Step step = batcher.step();
  const at::Tensor logits = tensor::linear(step.hidden, batcher.weights().head).contiguous();
  const float* first = logits.const_data_ptr<float>();
  return {first, first + parameters.config.vocab};
}

// Rounding moves a key by half a 127th of its largest number at most. What that does to logits, against what they vary
// by: the bounds are twice what these models show.
TEST_P(Computes, Int8KeysMoveLogitsALittle) {
  const model::Parameters parameters = small_model(1, false, GetParam());
  base::Rng rng{base::RngKey(5)};
  double moved = 0, spread = 0, furthest = 0;
  constexpr int kPrefixes = 40;
  for (int i = 0; i < kPrefixes; ++i) {
    core::Tokens prefix;
    while (prefix.size() < 65) prefix.push_back(static_cast<core::Token>(rng.below(kEnd)));
    const auto full = logits_behind(parameters, prefix, "f32"), kept = logits_behind(parameters, prefix, "int8");
    double mean = 0;
    for (const float x : full) mean += static_cast<double>(x) / static_cast<double>(full.size());
    for (size_t v = 0; v < full.size(); ++v) {
      const double d = static_cast<double>(kept[v]) - static_cast<double>(full[v]);
      moved += d * d, spread += (static_cast<double>(full[v]) - mean) * (static_cast<double>(full[v]) - mean);
      furthest = std::max(furthest, std::abs(d));
    }
  }
  EXPECT_LT(std::sqrt(moved / spread), 0.006);
  EXPECT_GT(std::sqrt(moved / spread), 1e-4) << "nothing was rounded";
  EXPECT_LT(furthest, 0.15);
}

TEST(LocalPolicy, StopsForTheRightReason) {
  const model::Parameters parameters = small_model();
  LocalPolicy policy(parameters, {});
  std::vector<core::SampleRequest> requests;
  core::Tokens every;
  for (core::Token t = 0; t < kEnd; ++t) every.push_back(t);
  requests.push_back(plain_request({5}, 9, 1));
  requests.push_back(plain_request({5}, 9, 1));
  requests.back().params.stop = every;
  requests.push_back(plain_request(core::Tokens(68, 4), 9, 2));
  requests.push_back(plain_request(core::Tokens(70, 4), 9, 2));
  requests.push_back(plain_request({5}, 0, 1));
  const auto c = sample_batch(policy, requests);
  EXPECT_EQ(c[0].tokens.size(), 9u);
  EXPECT_EQ(c[0].stop, core::StopReason::kMaxTokens);
  EXPECT_EQ(c[1].tokens.size(), 1u);
  EXPECT_EQ(c[1].stop, core::StopReason::kStopToken);
  EXPECT_FALSE(c[1].ended);
  EXPECT_EQ(c[2].tokens.size(), 2u);
  EXPECT_EQ(c[2].stop, core::StopReason::kContextFull);
  EXPECT_TRUE(c[3].tokens.empty());
  EXPECT_EQ(c[3].stop, core::StopReason::kContextFull);
  EXPECT_TRUE(c[4].tokens.empty());
  EXPECT_EQ(c[4].stop, core::StopReason::kMaxTokens);
  EXPECT_FALSE(policy.advance()) << "nothing is left";
}

TEST(LocalPolicy, TheEndTokenEnds) {
  const model::Parameters parameters = small_model();
  LocalPolicy policy(parameters, {});
  std::vector<core::SampleRequest> requests;
  for (uint64_t i = 0; i < 100; ++i)
    requests.push_back({{1, 2}, {.temperature = 2, .max_tokens = 60}, base::RngKey(i)});
  int64_t ended = 0;
  for (const auto& c : sample_batch(policy, requests)) {
    const auto at = std::find(c.tokens.begin(), c.tokens.end(), kEnd);
    EXPECT_EQ(c.ended, at != c.tokens.end());
    EXPECT_TRUE(!c.ended || at + 1 == c.tokens.end());
    ended += c.ended;
  }
  EXPECT_GT(ended, 3);
}

TEST_P(Computes, NewWeightsNeedANewVersion) {
  const model::Parameters parameters = small_model(1, false, GetParam()), other = small_model(2, false, GetParam());
  const std::vector<core::SampleRequest> requests = {plain_request({1, 2, 3, 4}, 20, 7)};
  LocalPolicy policy(parameters, {}), fresh(other, {});
  sample_batch(policy, requests);
  parameters.flat.copy_(other.flat);
  policy.set_version(1);
  EXPECT_EQ(policy.version(), 1);
  expect_same(sample_batch(policy, requests), sample_batch(fresh, requests));
}

TEST(LocalPolicy, RequestsAreChecked) {
  const model::Parameters parameters = small_model();
  LocalPolicy policy(parameters, {});
  core::Completion out;
  core::Waiter waiter;
  EXPECT_THROW(policy.submit({{}, {}, {}}, &out, &waiter), Error);
  EXPECT_THROW(policy.submit({{40}, {}, {}}, &out, &waiter), Error);
  EXPECT_THROW(policy.submit({{-1}, {}, {}}, &out, &waiter), Error);
  EXPECT_THROW(policy.submit({{1}, {.temperature = -1}, {}}, &out, &waiter), Error);
  EXPECT_THROW(LocalPolicy(parameters, {.kv_pages = 5}), Error) << "one context needs 6";
  EXPECT_THROW(score_tokens(parameters, core::Tokens(71, 1)), Error);
}

TEST(LocalCritic, ReadsOnlyWhatIsNew) {
  const model::Parameters parameters = small_model(1, true);
  const auto weights = model::weight_views(parameters.config, parameters.flat);
  for (int64_t i = 0; i < 32; ++i) weights.value_weight.mutable_data_ptr<float>()[i] = 0.1f * static_cast<float>(i % 5);
  LocalCritic critic(parameters, {});
  core::Tokens prefix = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18};
  const auto first = score_batch(critic, {{prefix}});
  EXPECT_EQ(first[0].processed, 18);
  core::Tokens a = prefix, b = prefix;
  a.insert(a.end(), {20, 21, 22}), b.insert(b.end(), {20, 30});
  const auto both = score_batch(critic, {{a}, {b}, {prefix}});
  EXPECT_EQ(both[0].processed, 3);
  EXPECT_EQ(both[1].processed, 1);
  EXPECT_EQ(both[2].processed, 1);
  EXPECT_EQ(both[2].value, first[0].value);
  EXPECT_NE(both[0].value, both[1].value);
  LocalCritic cold(parameters, {.max_rows = 1, .share_prefixes = false});
  const auto alone = score_batch(cold, {{b}, {a}});
  EXPECT_EQ(alone[0].value, both[1].value);
  EXPECT_EQ(alone[1].value, both[0].value);
  EXPECT_GT(both[0].value, 0);
  EXPECT_LT(both[0].value, 1);
}

TEST(LocalCritic, NeedsAValueHead) { EXPECT_THROW(LocalCritic(small_model(), {}), Error); }

}  // namespace
}  // namespace ponder::engine
