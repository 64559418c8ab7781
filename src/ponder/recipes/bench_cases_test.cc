#include "ponder/recipes/bench_cases.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <sstream>

#include "ponder/base/error.h"
#include "ponder/model/load.h"
#include "ponder/recipes/commands.h"
#include "ponder/store/test_dir.h"
#include "ponder/text/word_tokenizer.h"

namespace ponder::recipes {
namespace {

void expect_usage_error(const std::function<void()>& work) {
  try {
    work();
    FAIL() << "nothing was thrown";
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), ErrorCode::kUsage) << e.what();
  }
}

// The shape that docs/benchmarks.md and the peers' figures speak of.
TEST(BenchCases, ModelIsTheDocumentedOne) {
  const model::DecoderConfig config = bench_model("f32").config;
  EXPECT_EQ(config.parameter_count(), 2070240);
  EXPECT_EQ(config.vocab, 128);
  EXPECT_EQ(config.kv_heads, config.heads);
  EXPECT_TRUE(config.tied);
  EXPECT_TRUE(config.eos_ids.empty()) << "an end token would cut samples short";
}

class BenchModelFile : public store::TestDir {};

TEST_F(BenchModelFile, HoldsTheModelThatIsTimed) {
  save_bench_model(dir());
  const model::LoadedModel loaded = model::load_hf(dir());
  const model::Parameters timed = bench_model("f32");
  ASSERT_EQ(loaded.parameters.config, timed.config);
  EXPECT_EQ(0, std::memcmp(loaded.parameters.flat.const_data_ptr<float>(), timed.flat.const_data_ptr<float>(),
                           static_cast<size_t>(timed.config.parameter_count()) * sizeof(float)));
  EXPECT_EQ(text::WordTokenizer::from_json(loaded.tokenizer_json, "tokenizer.json").size(), 128u);
}

TEST(BenchCases, WhatIsNotThereIsRefused) {
  expect_usage_error([] { bench_model("f64"); });
  BenchArgs args;
  args.names = {"sample-65"};
  expect_usage_error([&] { command_bench(args); });
}

BenchRun run_of(const char* name, int workers) {
  const auto found = std::ranges::find(bench_cases(), std::string(name), &BenchCase::name);
  EXPECT_NE(found, bench_cases().end());
  return found->make(bench_model("f32"), workers)();
}

TEST(BenchCases, PartsOfSamplingAreCountedByThemselves) {
  const BenchRun prefill = run_of("prefill-512", 2), decode = run_of("decode-8", 2), one = run_of("decode-1", 2);
  EXPECT_EQ(prefill.tokens, 512);
  EXPECT_EQ(decode.tokens, 8 * 31) << "the first token of each belongs to its prompt";
  EXPECT_EQ(one.tokens, 63);
  const model::DecoderConfig config = bench_model("f32").config;
  EXPECT_LT(prefill.flops, 512 * model::forward_flops(config, 256)) << "but one token needs no head";
  for (const BenchRun& run : {prefill, decode, one}) {
    EXPECT_GT(run.seconds, 0);
    EXPECT_GT(run.flops, 0);
  }
}

TEST_F(BenchModelFile, IsTimedLikeTheTinyOne) {
  save_bench_model(dir());
  BenchArgs args;
  args.model = dir(), args.names = {"load", "decode-8"}, args.repeats = 1, args.threads = 1, args.json = true;
  args.weights = "q4_0";
  testing::internal::CaptureStdout();
  EXPECT_EQ(command_bench(args), 0);
  std::istringstream lines(testing::internal::GetCapturedStdout());
  for (const char* name : {"load", "decode-8"}) {
    std::string line;
    ASSERT_TRUE(std::getline(lines, line));
    const base::Json row = base::Json::parse(line, "row");
    EXPECT_EQ(row.string_at("name"), name);
    EXPECT_EQ(row.string_at("weights"), "q4_0");
    for (const char* key : {"value", "unit", "peer", "peer_value", "ratio", "threads", "model"})
      EXPECT_NE(row.find(key), nullptr) << key;
  }
  args.names = {"train-step"};
  expect_usage_error([&] { command_bench(args); });
  args.model = "", args.names = {"load"};
  expect_usage_error([&] { command_bench(args); });
}

TEST(BenchCases, EqualRewardsTrainNothing) {
  const auto zero = std::ranges::find(bench_cases(), std::string("grpo-zero"), &BenchCase::name);
  ASSERT_NE(zero, bench_cases().end());
  const model::Parameters model = bench_model("f32");
  const BenchRun run = zero->make(model, 2)();
  EXPECT_EQ(run.tokens, 8 * 8 * 128);
  EXPECT_EQ(1, std::ranges::count(run.parts, std::pair<std::string, double>("learned_tokens", 0)));
}

}  // namespace
}  // namespace ponder::recipes
