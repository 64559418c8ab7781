// Searches many problems at once on one worker: many coroutines alive, one batch for the model. Called by recipes and
// serve, one call a worker with ports of its own.
#pragma once
#include <functional>
#include <string>
#include <vector>

#include "ponder/search/strategies.h"

namespace ponder::search {

struct SearchInput {
  core::Problem problem;
  core::Tokens prompt;
};

struct SearchRow {
  SearchResult result;
  std::string error;   // why this one search failed; empty when it did not
  double seconds = 0;  // from its start to its end, beside the searches that were alive with it
  bool ok() const { return error.empty(); }
};

struct RunOptions {
  core::Budget budget = {};   // of each problem
  int64_t max_live = 64;      // searches alive at the same time; changes speed and memory, never a result
  bool drain_on_stop = true;  // false: the ports die with this call, so a stop need not wait for what is in flight
};

// Rows in the order of the inputs. The key of a search is key.child(problem.id), so a problem's result depends neither
// on its neighbours nor on its place. finished(i, row) is called as soon as row i is done, in any order; it may move
// things out of the row (a tree that goes to disk). ports.ready is not used: the call has a queue of its own. An
// exception of one search becomes its row's error, but Error(kUsage) is thrown on: a wrong option is wrong for all
// rows. Throws Error(kStopped) when the user asked to stop. Both leave the ports with nothing in flight (the stop only
// with drain_on_stop); after an exception of a port's advance() or of finished() they hold pointers into searches that
// are gone and must not be advanced again.
std::vector<SearchRow> run_searches(const std::vector<SearchInput>& inputs, const Strategy& strategy,
                                    const core::Ports& ports, base::RngKey key, const RunOptions& options,
                                    const std::function<void(size_t index, SearchRow& row)>& finished = {});

// Tokens that a search has to show for its work, each once: the prompts (of those that it made itself what they do not
// share with the problem's) and what stands in the tree. Siblings that begin alike count as they stand, and what a
// second model read counts for it once more (Usage::asked).
int64_t unique_tokens(const SearchResult& result);
// Tokens that were written and do not stand in the tree: draws that equalled a sibling, and the text of lookaheads.
int64_t discarded_tokens(const SearchResult& result);
// What a cache that forgets nothing would have the policy and a second model process at most: unique_tokens() and
// discarded_tokens(), for a draw is written to its end before it is seen to equal another.
int64_t needed_tokens(const SearchResult& result);
// Tokens that these models processed beyond needed_tokens(), since a short cache had lost them: at least so many, for
// what a search writes last need not be processed at all. Wrong guesses are none of them.
int64_t recomputed_tokens(const SearchResult& result);
// Of each candidate the number of the one that it revises, -1 where it revises none.
std::vector<int64_t> revised_candidates(const SearchResult& result);

// {"strategy","score","nodes","candidates":[{"answer","score","tokens","cost"}]}: the "search" object of `solve` rows.
// A revised answer has "revises", the number of the candidate that it was; "cut" is true where the budget ended one
// before it had an answer.
base::Json search_json(const Strategy& strategy, const SearchResult& result);

}  // namespace ponder::search
