// Least-to-most (Zhou et al. 2022, arXiv 2205.10625): the model names the simpler questions that lead to the problem's
// own, answers them one after the other, each behind those before it, and then the problem behind all of them.
#include "ponder/search/algorithms.h"
#include "ponder/search/parts.h"
#include "ponder/search/passes.h"

namespace ponder::search {
namespace {

core::Task<NodeId> run_pass(Search& search, const DecomposeOptions& options) {
  bool paid = true;
  auto planning = ask_one(search, {core::Ask::kPlan, {}}, options.params(), options.plan_tokens, &paid);
  const std::string plan = co_await planning;
  std::string known;
  for (const std::string& question : questions_of(plan, options.parts)) {
    auto answering =
        ask_one(search, {core::Ask::kPart, {known, question}}, options.params(), options.part_tokens, &paid);
    const std::string answer = co_await answering;
    if (!paid) break;
    known = with_part(known, question, answer);
  }
  const Growth growth = whole_answers(options.params(), scoring_for(options.select));
  std::vector<core::Tokens> prompts = {search.prompt_of({core::Ask::kConclude, {known}})};
  if (prompts[0].empty()) co_return kRoot;  // more is known than the model can read
  std::vector<NodeId> parents = {kRoot};
  auto writing = search.start(std::move(parents), std::move(prompts), growth);
  const std::vector<NodeId> ends = co_await writing;
  co_return ends[0] == kNoNode ? kRoot : ends[0];
}

}  // namespace

core::Task<NodeId> run_decompose(Search& search, const DecomposeOptions& options) {
  return run_passes<DecomposeOptions>(search, options, run_pass);
}

}  // namespace ponder::search
