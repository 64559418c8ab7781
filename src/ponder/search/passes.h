// Some searches run from the prompt to the end in one pass; with a budget to spend, pass follows pass. Used by beam.cc,
// dvts.cc, tot.cc, decompose.cc and spec_reject.cc.
#pragma once
#include "ponder/search/options.h"
#include "ponder/search/search.h"

namespace ponder::search {

// One pass; gives its best unfinished path, for the case that no path gets to an answer.
template <class Options>
using Pass = core::Task<NodeId> (*)(Search& search, const Options& options);

// automatic: what select=auto stands for.
template <class Options>
core::Task<NodeId> run_passes(Search& search, const Options& options, Pass<Options> pass,
                              std::string automatic = "wmaj") {
  search.use_guide(options.guide, options.mix, options.params());
  search.reserve_for_answer(options.max_tokens);
  const int64_t passes = search.goal(options.passes, 1);
  NodeId best = kRoot;
  for (int64_t done = 0; done < passes; ++done) {
    const int64_t generated = search.usage().generated;
    auto searching = pass(search, options);
    best = co_await searching;
    if (!search.has_answer()) {  // the pass stopped at the reserve: write one answer, then search on with what is left
      auto finishing = search.finish(best, options.params());
      const NodeId end = co_await finishing;
      if (end != kNoNode) best = end;
    }
    if (search.usage().generated == generated) break;
  }
  auto concluding = search.conclude(options.select == "auto" ? automatic : options.select, best, options.params());
  co_return co_await concluding;
}

}  // namespace ponder::search
