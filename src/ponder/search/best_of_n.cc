// Whole samples and what is chosen among them: greedy, one sample, self-consistency (Wang et al. 2022, arXiv
// 2203.11171), best-of-N by score or weighted vote (Cobbe et al. 2021, arXiv 2110.14168; Li et al. 2022, arXiv
// 2206.02336).
//
// Sample i has the key root/i and is drawn before sample i+1 is paid for, so a search with budget B draws exactly the
// samples that a larger one had finished when its usage stood at B or below, and perhaps one more that is cut short:
// one run gives the whole curve of accuracy against budget.
#include <algorithm>
#include <cmath>
#include <unordered_map>

#include "ponder/search/algorithms.h"

namespace ponder::search {
namespace {

// Draws up to n whole samples behind the prompt, fewer when the budget is spent. Gives the first of them, the root when
// there is none.
core::Task<NodeId> draw_samples(Search& search, core::SampleParams params, Scoring scoring, int64_t n) {
  constexpr int64_t kWave = 16;  // at a time when only the budget says how many; any number gives the same samples
  const Growth growth = whole_answers(std::move(params), scoring);
  NodeId first = kRoot;
  for (int64_t drawn = 0; drawn < n;) {
    const int64_t wave = std::min(n - drawn, kWave);
    const int64_t generated = search.usage().generated;
    std::vector<NodeId> parents(static_cast<size_t>(wave), kRoot);
    auto sampling = search.extend(std::move(parents), growth);
    const std::vector<NodeId> samples = co_await sampling;
    drawn += wave;
    if (first == kRoot && samples[0] != kNoNode) first = samples[0];
    if (samples.back() == kNoNode || search.usage().generated == generated) break;
  }
  co_return first;
}

// Draws of the two answers that lead.
struct Lead {
  int64_t first = 0, second = 0;
};

Lead lead_of(const Search& search) {
  std::unordered_map<std::string, int64_t> votes;
  Lead lead;
  for (const Candidate& c : search.candidates())
    if (c.answer) ++votes[*c.answer];
  for (const auto& [answer, count] : votes) {
    lead.second = std::max(lead.second, std::min(lead.first, count));
    lead.first = std::max(lead.first, count);
  }
  return lead;
}

// Even if all that are missing vote for the second: of equals the one that was there first wins.
bool is_decided(Lead lead, int64_t missing) { return lead.first > 0 && lead.first >= lead.second + missing; }

// P(p > 1/2), p ~ Beta(first + 1, second + 1), the share of the leader among the two: the chance that it leads in the
// long run (Aggarwal et al. 2023, arXiv 2305.11860, eq. 2). For whole numbers a sum over a fair coin's throws.
double chance_to_stay(Lead lead) {
  const auto throws = static_cast<double>(lead.first + lead.second + 1);
  double sum = 0;
  for (double k = 0; k <= static_cast<double>(lead.first); ++k)
    sum += std::exp(std::lgamma(throws + 1) - std::lgamma(k + 1) - std::lgamma(throws - k + 1) - throws * std::log(2));
  return sum;
}

// The fewest samples more, `most` at most, after which a vote can be over: if all of them are for the leader. None is
// drawn in vain then.
int64_t fewest_more(Lead lead, int64_t most, const MajorityOptions& options) {
  constexpr int64_t kWave = 16;  // of draws to which no end is known
  if (options.until == "n") return most;
  for (int64_t more = 1; more < std::min(most, kWave); ++more) {
    const Lead then{lead.first + more, lead.second};
    if (options.until == "decided" ? is_decided(then, most - more) : chance_to_stay(then) >= options.sure) return more;
  }
  return std::min(most, kWave);
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
  const int64_t n = search.goal(options.n, 16);
  NodeId first = kRoot;
  for (int64_t drawn = 0; drawn < n;) {
    const int64_t more = fewest_more(lead_of(search), n - drawn, options), generated = search.usage().generated;
    auto drawing = draw_samples(search, options.params(), Scoring::kNothing, more);
    const NodeId drew = co_await drawing;
    if (first == kRoot) first = drew;
    drawn += more;
    const Lead lead = lead_of(search);
    if (search.usage().generated == generated) break;
    if (options.until == "decided" && is_decided(lead, n - drawn)) break;
    if (options.until == "likely" && lead.first > 0 && chance_to_stay(lead) >= options.sure) break;
  }
  auto concluding = search.conclude("maj", first, options.params());
  co_return co_await concluding;
}

core::Task<NodeId> run_best_of_n(Search& search, const BestOfNOptions& options) {
  search.use_guide(options.guide, options.mix, options.params());
  auto drawing = draw_samples(search, options.params(), scoring_for(options.select), search.goal(options.n, 16));
  const NodeId first = co_await drawing;
  auto concluding = search.conclude(options.select, first, options.params());
  co_return co_await concluding;
}

}  // namespace ponder::search
