// Sequential revision (Madaan et al. 2023, Self-Refine, arXiv 2303.17651; Snell et al. 2024, arXiv 2408.03314, §6): the
// model says what is wrong with its answer, then writes it anew; with n > 1 several answers are revised side by side,
// and their last versions vote. No gold: an answer is revised until the model calls it right,
// or a verifier scores it high enough.
#include <algorithm>

#include "ponder/search/algorithms.h"
#include "ponder/search/replies.h"

namespace ponder::search {
namespace {

constexpr const char* kWrong = "No, this answer is not right.";

// What is said about each of these answers; those that are called right, and those that the budget cannot pay for, are
// taken out.
core::Task<std::vector<std::string>> feedback_on(Search& search, std::vector<NodeId>& open,
                                                 const ReviseOptions& options) {
  std::vector<std::string> said(open.size());
  if (options.feedback == "none") co_return said;
  if (options.feedback == "verifier") {
    auto scoring = search.evaluate_all(open);
    const std::vector<bool> paid = co_await scoring;
    std::vector<NodeId> wrong;
    for (size_t i = 0; i < open.size(); ++i)
      if (paid[i] && search.tree()[open[i]].value < options.accept) wrong.push_back(open[i]);
    open = std::move(wrong);
    co_return std::vector<std::string>(open.size(), kWrong);
  }
  std::vector<Search::Question> questions;
  for (NodeId node : open) questions.push_back({node, {core::Ask::kFeedback, {search.text_of(node)}}});
  auto asking = search.ask(std::move(questions), options.params(), options.feedback_tokens);
  const std::vector<std::string> replies = co_await asking;
  said.clear();
  std::vector<NodeId> rest;
  for (size_t i = 0; i < replies.size(); ++i) {
    if (calls_it_right(replies[i])) continue;
    rest.push_back(open[i]);
    said.push_back(replies[i]);
  }
  open = std::move(rest);
  co_return said;
}

// Of each chain its last version with an answer: they vote, the first of equals wins.
NodeId vote_of_last(const Search& search, const std::vector<NodeId>& tips) {
  const Tree& tree = search.tree();
  std::vector<Candidate> last;
  for (NodeId node : tips) {
    while (node != kRoot && !tree[node].answered) node = tree[node].parent;
    if (node != kRoot) last.push_back(search.candidates()[static_cast<size_t>(tree[node].candidate)]);
  }
  const int64_t index = select_candidate(last, "maj", base::RngKey());
  return index < 0 ? kNoNode : last[static_cast<size_t>(index)].node;
}

}  // namespace

core::Task<NodeId> run_revise(Search& search, const ReviseOptions& options) {
  search.use_guide(options.guide, options.mix, options.params());
  const Growth growth = whole_answers(options.params(), scoring_for(options.select));
  std::vector<NodeId> parents(static_cast<size_t>(options.n), kRoot);
  auto drawing = search.extend(std::move(parents), growth);
  std::vector<NodeId> tips = co_await drawing;
  std::erase(tips, kNoNode);
  std::vector<NodeId> open = tips;
  const int64_t rounds = search.goal(options.rounds, 4);
  for (int64_t round = 0; round < rounds && !open.empty(); ++round) {
    const int64_t generated = search.usage().generated;
    auto asking = feedback_on(search, open, options);
    const std::vector<std::string> feedback = co_await asking;
    std::vector<NodeId> revised;
    std::vector<core::Tokens> prompts;
    for (size_t i = 0; i < open.size(); ++i) {
      core::Tokens prompt = search.prompt_of({core::Ask::kRevise, {search.text_of(open[i]), feedback[i]}});
      if (prompt.empty()) continue;
      revised.push_back(open[i]);
      prompts.push_back(std::move(prompt));
    }
    auto writing = search.start(revised, std::move(prompts), growth);
    open = co_await writing;
    for (size_t i = 0; i < open.size(); ++i)
      if (open[i] != kNoNode) std::ranges::replace(tips, revised[i], open[i]);
    std::erase(open, kNoNode);
    if (search.usage().generated == generated) break;
  }
  const NodeId last = options.select == "last" ? vote_of_last(search, tips) : kNoNode;
  if (last != kNoNode) co_return last;
  auto concluding = search.conclude(options.select == "last" ? "maj" : options.select, tips.empty() ? kRoot : tips[0],
                                    options.params());
  co_return co_await concluding;
}

}  // namespace ponder::search
