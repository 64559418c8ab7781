// Gemma 3 270M against transformers, where it is at hand: PONDER_TEST_GEMMA names its GGUF file or a Hugging Face
// directory, PONDER_TEST_GEMMA_FIGURES what tests/reference/make_gemma_figures.py wrote.
#include <ATen/core/Tensor.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstdio>
#include <cstdlib>

#include "ponder/base/clock.h"
#include "ponder/base/file.h"
#include "ponder/base/memory.h"
#include "ponder/base/rng.h"
#include "ponder/engine/generate.h"
#include "ponder/engine/policy.h"
#include "ponder/engine/sampler.h"
#include "ponder/model/gguf.h"
#include "ponder/tensor/device.h"

namespace ponder::engine {
namespace {

double resident_mib() { return base::resident_bytes() / 0x1p20; }

class Gemma : public testing::Test {
 protected:
  void SetUp() override {
    tensor::set_operator_threads(1);
    const char* path = std::getenv("PONDER_TEST_GEMMA");
    if (!path) GTEST_SKIP() << "PONDER_TEST_GEMMA does not name a model";
    path_ = path;
  }
  model::Parameters load() const {
    const double before = resident_mib();
    const base::Stopwatch watch;
    model::LoadedModel loaded = path_.ends_with(".gguf") ? model::load_gguf(path_, model::Hold::kReadOnly)
                                                         : model::load_hf(path_, model::Hold::kReadOnly);
    std::printf("%s: loaded in %.2f s, %.0f MiB\n", path_.c_str(), watch.seconds(), resident_mib() - before);
    return loaded.parameters;
  }
  base::Json figures() const {
    const char* path = std::getenv("PONDER_TEST_GEMMA_FIGURES");
    if (!path) return {};
    return base::Json::parse(base::read_file(path), path);
  }
  static core::Tokens tokens_at(const base::Json& row, const char* key) {
    const std::vector<int64_t> ids = row.ints_at(key);
    return {ids.begin(), ids.end()};
  }
  std::string path_;
};

TEST_F(Gemma, IsHeldOnce) {
  const double before = resident_mib();
  const model::Parameters parameters = load();
  double packed = static_cast<double>(parameters.read_only->head.transposed.nbytes());
  for (const auto& layer : parameters.read_only->layers)
    for (const tensor::Matrix* m : {&layer.qkv, &layer.out, &layer.gate_up, &layer.down})
      packed += static_cast<double>(m->transposed.nbytes());
  EXPECT_LT(resident_mib() - before, 1.2 * packed / 0x1p20);
}

TEST_F(Gemma, GreedyContinuationsAreThoseOfTransformers) {
  const base::Json reference = figures();
  if (reference.is_null()) GTEST_SKIP() << "PONDER_TEST_GEMMA_FIGURES does not name the reference's figures";
  const model::Parameters parameters = load();
  LocalPolicy policy(parameters, {});
  std::vector<core::SampleRequest> requests;
  for (const base::Json& row : reference.at("greedy").as_array())
    requests.push_back({tokens_at(row, "prompt"), {.temperature = 0, .max_tokens = 64}, base::RngKey(1)});
  const base::Stopwatch watch;
  const auto completions = sample_batch(policy, requests);
  int64_t same = 0, ties = 0, tokens = 0;
  for (size_t i = 0; i < completions.size(); ++i) {
    const base::Json& row = reference.at("greedy").as_array()[i];
    const core::Tokens expected = tokens_at(row, "tokens");
    const auto [found, wanted] =
        std::mismatch(completions[i].tokens.begin(), completions[i].tokens.end(), expected.begin(), expected.end());
    tokens += static_cast<int64_t>(completions[i].tokens.size());
    if (wanted == expected.end() && found == completions[i].tokens.end()) {
      ++same;
      continue;
    }
    // Logits of some 20 that agree to five digits: what is closer is a tie.
    const auto at = static_cast<size_t>(wanted - expected.begin());
    const double margin = row.at("margins").as_array()[at].as_double();
    EXPECT_LT(margin, 1e-3) << "prompt " << i << " differs at token " << at;
    ++ties;
  }
  std::printf("%lld continuations are the same, %lld part at a tie; %lld tokens in %.1f s\n",
              static_cast<long long>(same), static_cast<long long>(ties), static_cast<long long>(tokens),
              watch.seconds());
}

TEST_F(Gemma, PerplexityIsThatOfTransformers) {
  const base::Json reference = figures();
  if (reference.is_null()) GTEST_SKIP() << "PONDER_TEST_GEMMA_FIGURES does not name the reference's figures";
  const model::Parameters parameters = load();
  double logp = 0, most = 0;
  int64_t n = 0;
  for (const base::Json& text : reference.at("texts").as_array()) {
    double sum = 0;
    for (const float l : score_tokens(parameters, tokens_at(text, "tokens"))) sum += l, ++n;
    most = std::max(most, std::abs(sum - text.double_at("logp")));
    logp += sum;
  }
  ASSERT_EQ(n, reference.int_at("tokens"));
  const double found = std::exp(-logp / static_cast<double>(n)),
               expected = std::exp(-reference.double_at("logp") / static_cast<double>(n));
  std::printf("perplexity %.6f, reference %.6f; a text differs by %.2g nats at most\n", found, expected, most);
  EXPECT_NEAR(found, expected, 1e-3 * expected);
}

// What one draw from this vocabulary costs; nothing is asserted on it.
TEST_F(Gemma, TimeOfADraw) {
  constexpr int64_t kVocab = 262144, kDraws = 200;
  base::Rng rng{base::RngKey(1)};
  std::vector<float> logits(kVocab);
  for (float& l : logits) l = static_cast<float>(4 * rng.normal());
  const std::pair<const char*, core::SampleParams> kinds[] = {{"greedy", {.temperature = 0}},
                                                              {"temperature 1", {}},
                                                              {"temperature 0.7", {.temperature = 0.7}},
                                                              {"top_k 64, top_p 0.95", {.top_k = 64, .top_p = 0.95}},
                                                              {"top_p 0.95", {.top_p = 0.95}}};
  for (const auto& [name, params] : kinds) {
    Sampler sampler;
    const base::Stopwatch watch;
    int64_t sum = 0;
    for (int64_t i = 0; i < kDraws; ++i)
      sum += sampler.draw(logits.data(), kVocab, params, static_cast<float>(i) / kDraws).token;
    std::printf("%-22s %6.0f us a token (ids add up to %lld)\n", name, 1e6 * watch.seconds() / kDraws,
                static_cast<long long>(sum));
  }
}

}  // namespace
}  // namespace ponder::engine
