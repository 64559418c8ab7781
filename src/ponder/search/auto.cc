// Compute-optimal allocation (Snell et al. 2024, arXiv 2408.03314, §3): how hard a problem is for this model decides
// what the rest of its budget is spent on. The difficulty is predicted, not known: a few samples are drawn first, which
// cost what any samples cost and vote like any others, and their agreement (or the mean of their scores) puts the
// problem among the easy, the middle or the hard ones. Which search each of these gets, and where they begin, is for
// the user to say; `ponder scaling search` finds out on problems of their own.
#include <algorithm>
#include <map>

#include "ponder/search/algorithms.h"
#include "ponder/search/strategies.h"

namespace ponder::search {
namespace {

// 0 … 1: the share of the samples that the leading answer has, or the mean score; a sample without an answer counts 0.
double ease_of(const std::vector<Candidate>& candidates, int64_t drawn, const std::string& signal) {
  std::map<std::string, int64_t> votes;
  double most = 0, sum = 0;
  for (const Candidate& c : candidates) {
    if (!c.answer) continue;
    most = std::max(most, static_cast<double>(++votes[*c.answer]));
    sum += c.score;
  }
  return drawn > 0 ? (signal == "agreement" ? most : sum) / static_cast<double>(drawn) : 0;
}

// "NAME key=value key=value", with what this search was told itself in front.
std::unique_ptr<Strategy> chosen_search(const std::string& words, const AutoOptions& options) {
  std::vector<std::string> parts;
  for (size_t begin = 0; begin < words.size();) {
    const size_t end = std::min(words.find_first_of(" ,", begin), words.size());
    if (end > begin) parts.push_back(words.substr(begin, end - begin));
    begin = end + 1;
  }
  if (parts.empty())
    throw Error(ErrorCode::kUsage, "auto: easy, middle and hard need a search each, or \"stop\"; one of them is empty");
  auto strategy = make_strategy(parts[0]);
  const std::pair<const char*, std::string> handed_on[] = {{"temperature", base::cat(options.temperature)},
                                                           {"top_p", base::cat(options.top_p)},
                                                           {"top_k", base::cat(options.top_k)},
                                                           {"min_p", base::cat(options.min_p)},
                                                           {"max_tokens", base::cat(options.max_tokens)},
                                                           {"step_tokens", base::cat(options.step_tokens)},
                                                           {"guide", options.guide},
                                                           {"mix", base::cat(options.mix)}};
  for (const auto& [name, value] : handed_on)
    if (base::has_field(strategy->options(), name))
      base::override_field(strategy->options(), base::cat(name, "=", value));
  for (size_t i = 1; i < parts.size(); ++i) base::override_field(strategy->options(), parts[i]);
  return strategy;
}

// Answers of the probe are worth what the search that follows says of answers, or they would win by another measure:
// its guide's score where it goes by that, nothing where it rates answers in a way of its own.
core::Task<bool> judge_alike(Search& search, std::vector<NodeId> probe, base::AnyOptions follows, bool scored) {
  std::erase_if(probe, [&](NodeId node) { return node == kNoNode || !search.tree()[node].answered; });
  const bool by_guide = base::has_field(follows, "guide") && !base::has_field(follows, "judge");
  if (by_guide && !scored && base::has_field(follows, "select")) {
    auto scoring = search.evaluate_all(std::move(probe));
    const std::vector<bool> paid = co_await scoring;
    co_return std::ranges::find(paid, false) == paid.end();
  }
  if (!by_guide)
    for (NodeId node : probe) search.judge(node, 0, false);
  co_return true;
}

}  // namespace

bool AutoOptions::asks_second() const {
  for (const std::string* words : {&easy, &middle, &hard})
    if (*words != "stop" && chosen_search(*words, *this)->asks_second()) return true;
  return false;
}

core::Task<NodeId> run_auto(Search& search, const AutoOptions& options) {
  std::unique_ptr<Strategy> searches[3];
  const std::string* words[] = {&options.easy, &options.middle, &options.hard};
  for (int i = 0; i < 3; ++i)
    if (*words[i] != "stop") searches[i] = chosen_search(*words[i], options);  // wrong words are found at once
  search.use_guide(options.guide, options.mix, options.params());
  const bool by_score = options.signal == "score";
  Growth growth = whole_answers(options.params(), by_score ? Scoring::kAnswers : Scoring::kNothing);
  growth.rollout = true;  // no steps of a tree that may follow
  std::vector<NodeId> parents(static_cast<size_t>(options.probe), kRoot);
  auto probing = search.extend(std::move(parents), std::move(growth));
  const std::vector<NodeId> probe = co_await probing;
  const auto& candidates = search.candidates();
  const double ease = ease_of(candidates, options.probe, options.signal);
  const auto& chosen = searches[ease >= options.easy_at ? 0 : ease >= options.hard_at ? 1 : 2];
  if (chosen) {
    auto judging = judge_alike(search, probe, chosen->options(), by_score);
    co_await judging;
    auto searching = chosen->go_on(search);
    co_return co_await searching;
  }
  auto concluding = search.conclude("maj", candidates.empty() ? kRoot : candidates[0].node, options.params());
  co_return co_await concluding;
}

}  // namespace ponder::search
