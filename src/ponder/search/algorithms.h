// The strategies, one coroutine each; each .cc reads like its paper. Called by the table in strategies.cc. They return
// the node of the chosen completion. Search and options must outlive the coroutine.
#pragma once
#include <memory>

#include "ponder/search/options.h"
#include "ponder/search/search.h"

namespace ponder::search {

class Strategy;

core::Task<NodeId> run_greedy(Search& search, const GreedyOptions& options);
core::Task<NodeId> run_sample(Search& search, const SampleOptions& options);
core::Task<NodeId> run_majority(Search& search, const MajorityOptions& options);
core::Task<NodeId> run_best_of_n(Search& search, const BestOfNOptions& options);
core::Task<NodeId> run_reject(Search& search, const RejectOptions& options);
core::Task<NodeId> run_budget_force(Search& search, const BudgetForceOptions& options);
core::Task<NodeId> run_revise(Search& search, const ReviseOptions& options);
core::Task<NodeId> run_mctsr(Search& search, const MctsrOptions& options);
core::Task<NodeId> run_decompose(Search& search, const DecomposeOptions& options);
core::Task<NodeId> run_rstar(Search& search, const RstarOptions& options);
core::Task<NodeId> run_rap(Search& search, const RapOptions& options);
core::Task<NodeId> run_auto(Search& search, const AutoOptions& options);
// What `auto` goes on with: "NAME key=value key=value", with what auto was told itself in front. Error(kUsage).
std::unique_ptr<Strategy> search_after_probe(const std::string& words, const AutoOptions& options);
core::Task<NodeId> run_spec_reject(Search& search, const SpecRejectOptions& options);
core::Task<NodeId> run_beam(Search& search, const BeamOptions& options);
core::Task<NodeId> run_dvts(Search& search, const DvtsOptions& options);
core::Task<NodeId> run_tot(Search& search, const TotOptions& options);
core::Task<NodeId> run_best_first(Search& search, const BestFirstOptions& options);
core::Task<NodeId> run_mcts(Search& search, const MctsOptions& options);

}  // namespace ponder::search
