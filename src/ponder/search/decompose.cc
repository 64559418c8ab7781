// Least-to-most (Zhou et al. 2022, arXiv 2205.10625): the model names the simpler questions that lead to the problem's
// own, answers them one after the other, each behind those before it, and then the problem behind all of them.
#include <algorithm>

#include "ponder/search/algorithms.h"
#include "ponder/search/passes.h"

namespace ponder::search {
namespace {

// The questions of a plan, line by line, without what lists them ("1.", "-").
std::vector<std::string> questions_of(const std::string& plan, int64_t most) {
  std::vector<std::string> questions;
  for (size_t begin = 0; begin < plan.size() && static_cast<int64_t>(questions.size()) < most;) {
    const size_t end = std::min(plan.find('\n', begin), plan.size());
    const std::string line = plan.substr(begin, end - begin);
    const size_t first = line.find_first_not_of(" \t\r-*.)0123456789"), last = line.find_last_not_of(" \t\r");
    if (first != std::string::npos) questions.push_back(line.substr(first, last - first + 1));
    begin = end + 1;
  }
  return questions;
}

// One reply; "" when the budget cannot pay for it, which is said in *paid.
core::Task<std::string> ask_one(Search& search, core::Asking asking, core::SampleParams params, int64_t max_tokens,
                                bool* paid) {
  std::vector<Search::Question> questions = {{kRoot, std::move(asking)}};
  auto reply = search.ask(std::move(questions), std::move(params), max_tokens);
  const std::vector<std::string> replies = co_await reply;
  *paid = !replies.empty();
  co_return replies.empty() ? std::string() : replies[0];
}

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
    known += base::cat(known.empty() ? "" : "\n", question, " ", answer);
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
