// The parts of `ponder bench` that sample: reading prompts, and decoding at a number of sequences. For bench_cases.cc.
#pragma once
#include <cstdint>
#include <functional>
#include <vector>

#include "ponder/core/ports.h"
#include "ponder/model/weights.h"
#include "ponder/recipes/bench_cases.h"

namespace ponder::recipes {

core::Tokens random_tokens(int64_t n, int64_t vocab, base::RngKey key);

// `prompts` different prompts of `prompt_tokens` with `samples` requests each, of `new_tokens`.
struct SamplingShape {
  int64_t prompts = 1, samples = 1, prompt_tokens = 1, new_tokens = 1;
};
std::vector<core::SampleRequest> sample_requests_for(const SamplingShape& shape, int64_t vocab, base::RngKey key);

// Operations of sampling: what a cache held already was not computed and does not count.
double sampling_flops(const model::DecoderConfig& config, int64_t prompt_tokens,
                      const std::vector<core::Completion>& completions);

// What is timed: all from the first token of the prompts to the last sample, or a part of it.
enum class Timed { kAll, kPrefill, kDecode };
std::function<BenchRun()> make_sampling_bench(const model::Parameters& model, int workers, const SamplingShape& shape,
                                              Timed timed);

// One sequence, greedily, behind a prompt that repeats itself, with guesses that are looked up; beside it the same
// without guesses.
std::function<BenchRun()> make_lookup_bench(const model::Parameters& model, int workers);

}  // namespace ponder::recipes
