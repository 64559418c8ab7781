#include "ponder/recipes/bench_cases.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>

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
