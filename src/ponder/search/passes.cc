#include "ponder/search/passes.h"

namespace ponder::search {

core::Task<NodeId> run_passes(Search& search, const BeamOptions& options, Pass pass) {
  search.use_guide(options.guide, options.params());
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
  auto concluding = search.conclude(options.select, best, options.params());
  co_return co_await concluding;
}

}  // namespace ponder::search
