// Beam searches run from the prompt to the end in one pass; with a budget to spend, pass follows pass. Used by beam.cc
// and dvts.cc.
#pragma once
#include "ponder/search/options.h"
#include "ponder/search/search.h"

namespace ponder::search {

// One pass; gives its best unfinished path, for the case that no path gets to an answer.
using Pass = core::Task<NodeId> (*)(Search& search, const BeamOptions& options);

core::Task<NodeId> run_passes(Search& search, const BeamOptions& options, Pass pass);

}  // namespace ponder::search
