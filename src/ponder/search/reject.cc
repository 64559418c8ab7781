// Rejection with early acceptance. Completions are drawn in small rounds; while one is written the critic reads it
// every so often and it is cut when its value is low (speculative rejection: Sun et al. 2024, arXiv 2410.20290, with a
// value instead of a share of the round). The search is over as soon as a finished answer is worth `accept`, or has
// `votes` votes (early stopping as in Aggarwal et al. 2023, arXiv 2305.11860): what easy problems leave of a budget is
// not spent. Without such an answer it goes on to its limit and votes. With accept = 0 and reject = 0 nothing is judged
// and the first answer is taken; votes alone make adaptive consistency: the controls that a guide has to beat.
#include <algorithm>

#include "ponder/search/algorithms.h"

namespace ponder::search {
namespace {

// One completion of a round, with the length up to which it was read.
struct Open {
  NodeId tip = kRoot;
  int64_t read = 0;
};

struct Round {
  NodeId accepted = kNoNode;
  bool spent = false;  // the budget cannot pay for more
};

int64_t votes_for(const Search& search, const Node& node) {
  const auto& answer = search.candidates()[static_cast<size_t>(node.candidate)].answer;
  return std::ranges::count(search.candidates(), answer, &Candidate::answer);
}

bool is_accepted(const Search& search, const Node& node, const RejectOptions& options) {
  if (!node.answered) return false;
  return node.value >= options.accept || (options.votes > 0 && votes_for(search, node) >= options.votes);
}

// Reads what has grown by `every` tokens since it was last read; false when it is worth too little to go on.
core::Task<bool> is_worth_more(Search& search, Open& open, const RejectOptions& options, Round& round) {
  const int64_t length = search.tree()[open.tip].path_length;
  if (options.reject <= 0 || length - open.read < options.every) co_return true;
  open.read = length;
  auto reading = search.evaluate(open.tip);
  if (!co_await reading) {
    round.spent = true;
    co_return true;
  }
  Node& node = search.tree()[open.tip];
  node.pruned = node.value < options.reject;
  co_return !node.pruned;
}

// Writes `draws` completions side by side until each is finished or cut, or one is accepted.
core::Task<Round> write_round(Search& search, const RejectOptions& options, int64_t draws) {
  Growth growth = options.growth();
  growth.scoring = options.accept > 0 ? Scoring::kAnswers : Scoring::kNothing;
  growth.merge = false;  // equal samples vote twice
  Round round;
  std::vector<Open> open(static_cast<size_t>(draws));
  while (!open.empty() && !round.spent) {
    std::vector<NodeId> parents;
    for (const Open& o : open) parents.push_back(o.tip);
    auto extension = search.extend(std::move(parents), growth);
    const std::vector<NodeId> children = co_await extension;
    std::vector<Open> next;
    for (size_t i = 0; i < open.size(); ++i) {
      if (children[i] == kNoNode) {
        round.spent = true;
        continue;
      }
      open[i].tip = children[i];
      const Node& node = search.tree()[children[i]];
      if (is_accepted(search, node, options)) {
        round.accepted = children[i];
        co_return round;
      }
      if (node.terminal) continue;
      auto judging = is_worth_more(search, open[i], options, round);
      if (co_await judging) next.push_back(open[i]);
    }
    open = std::move(next);
  }
  co_return round;
}

}  // namespace

core::Task<NodeId> run_reject(Search& search, const RejectOptions& options) {
  search.use_guide(options.guide, options.mix, options.params());
  const int64_t n = search.goal(options.n, 16);
  for (int64_t drawn = 0; drawn < n;) {
    const int64_t draws = std::min(options.round, n - drawn);
    const int64_t generated = search.usage().generated;
    auto writing = write_round(search, options, draws);
    const Round round = co_await writing;
    if (round.accepted != kNoNode) co_return round.accepted;
    drawn += draws;
    if (round.spent || search.usage().generated == generated) break;
  }
  const NodeId first = search.candidates().empty() ? kRoot : search.candidates()[0].node;
  auto concluding = search.conclude(options.select, first, options.params());
  co_return co_await concluding;
}

}  // namespace ponder::search
