#include "ponder/search/select.h"

#include <algorithm>
#include <unordered_map>

namespace ponder::search {
namespace {

int64_t best_scored(const std::vector<Candidate>& candidates, const std::optional<std::string>& answer) {
  int64_t best = -1;
  for (size_t i = 0; i < candidates.size(); ++i) {
    const Candidate& c = candidates[i];
    if (!c.answer || (answer && c.answer != answer)) continue;
    if (best < 0 || c.score > candidates[static_cast<size_t>(best)].score) best = static_cast<int64_t>(i);
  }
  return best;
}

// One pass in order: the leader changes only when an answer's tally passes the highest one so far, which makes the
// winner the first answer to reach the final maximum.
std::optional<std::string> vote(const std::vector<Candidate>& candidates, bool weighted) {
  std::unordered_map<std::string, double> tally;
  std::optional<std::string> leader;
  double highest = 0;
  for (const Candidate& c : candidates) {
    if (!c.answer) continue;
    const double sum = tally[*c.answer] += weighted ? c.score : 1.0;
    if (!leader || sum > highest) {
      leader = c.answer;
      highest = sum;
    }
  }
  return leader;
}

}  // namespace

int64_t select_candidate(const std::vector<Candidate>& candidates, const std::string& how, base::RngKey key) {
  if (how == "random") {
    return candidates.empty() ? -1 : base::Rng(key).below(static_cast<int64_t>(candidates.size()));
  }
  if (how == "rm") return best_scored(candidates, std::nullopt);
  const auto winner = vote(candidates, how == "wmaj");
  if (!winner) return -1;
  if (how == "wmaj") return best_scored(candidates, winner);
  const auto first = std::ranges::find(candidates, winner, &Candidate::answer);
  return first - candidates.begin();
}

double aggregate_scores(const std::vector<double>& scores, const std::string& agg_strategy) {
  if (scores.empty()) return 0;
  if (agg_strategy == "min") return *std::ranges::min_element(scores);
  if (agg_strategy == "last") return scores.back();
  double sum = 0, product = 1;
  for (double score : scores) sum += score, product *= score;
  return agg_strategy == "prod" ? product : sum / static_cast<double>(scores.size());
}

}  // namespace ponder::search
