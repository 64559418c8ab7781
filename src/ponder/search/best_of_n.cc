// Whole samples and what is chosen among them: greedy, one sample, self-consistency (Wang et al. 2022, arXiv
// 2203.11171), best-of-N by score or weighted vote (Cobbe et al. 2021, arXiv 2110.14168; Li et al. 2022, arXiv
// 2206.02336).
//
// Sample i has the key root/i and is drawn before sample i+1 is paid for, so a search with budget B draws exactly the
// samples that a larger one had finished when its usage stood at B or below, and perhaps one more that is cut short:
// one run gives the whole curve of accuracy against budget.
#include <algorithm>

#include "ponder/search/algorithms.h"

namespace ponder::search {
namespace {

// Draws up to n whole samples behind the prompt, fewer when the budget is spent. Gives the first one, the root when
// there is none.
core::Task<NodeId> draw_samples(Search& search, core::SampleParams params, Scoring scoring, int64_t n) {
  constexpr int64_t kWave = 16;  // at a time when only the budget says how many; any number gives the same samples
  Growth growth;
  growth.params = params;
  growth.by_step = false;
  growth.merge = false;  // equal samples vote twice
  growth.scoring = scoring;
  for (int64_t drawn = 0; drawn < n;) {
    const int64_t wave = std::min(n - drawn, kWave);
    const int64_t generated = search.usage().generated;
    std::vector<NodeId> parents(static_cast<size_t>(wave), kRoot);
    auto sampling = search.extend(std::move(parents), growth);
    const std::vector<NodeId> samples = co_await sampling;
    drawn += wave;
    if (samples.back() == kNoNode || search.usage().generated == generated) break;
  }
  co_return search.candidates().empty() ? kRoot : search.candidates()[0].node;
}

}  // namespace

core::Task<NodeId> run_greedy(Search& search, const GreedyOptions& options) {
  auto drawing = draw_samples(search, options.params(), Scoring::kNothing, 1);
  co_return co_await drawing;
}

core::Task<NodeId> run_sample(Search& search, const SampleOptions& options) {
  auto drawing = draw_samples(search, options.params(), Scoring::kNothing, 1);
  co_return co_await drawing;
}

core::Task<NodeId> run_majority(Search& search, const MajorityOptions& options) {
  auto drawing = draw_samples(search, options.params(), Scoring::kNothing, search.goal(options.n, 16));
  const NodeId first = co_await drawing;
  auto concluding = search.conclude("maj", first, options.params());
  co_return co_await concluding;
}

core::Task<NodeId> run_best_of_n(Search& search, const BestOfNOptions& options) {
  search.use_guide(options.guide, options.params());
  const bool scored = options.select == "rm" || options.select == "wmaj";
  auto drawing = draw_samples(search, options.params(), scored ? Scoring::kAnswers : Scoring::kNothing,
                              search.goal(options.n, 16));
  const NodeId first = co_await drawing;
  auto concluding = search.conclude(options.select, first, options.params());
  co_return co_await concluding;
}

}  // namespace ponder::search
