// Compute-optimal allocation (Snell et al. 2024, arXiv 2408.03314, §3): how hard a problem is for this model decides
// what the rest of its budget is spent on. The difficulty is predicted, not known: a few samples are drawn first, which
// cost what any samples cost and vote like any others, and their agreement (or the mean of their scores) puts the
// problem among the easy, the middle or the hard ones. Which search each of these gets, and where they begin, is for
// the user to say; `ponder scaling search` finds out on problems of their own, and writes a table to go by.
#include <algorithm>
#include <map>

#include "ponder/search/algorithms.h"
#include "ponder/search/auto_table.h"
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

// "NAME key=value key=value", or with commas.
std::vector<std::string> parts_of(const std::string& words) {
  std::vector<std::string> parts;
  for (size_t begin = 0; begin < words.size();) {
    const size_t end = std::min(words.find_first_of(" ,", begin), words.size());
    if (end > begin) parts.push_back(words.substr(begin, end - begin));
    begin = end + 1;
  }
  return parts;
}

// What it tells the search that follows, where that has such an option.
constexpr const char* kHandedOn[] = {"temperature", "top_p",       "top_k", "min_p",
                                     "max_tokens",  "step_tokens", "guide", "mix"};

std::string option_text(const base::Json& options, const char* name) {
  const base::Json& value = options.at(name);
  return base::cat(name, "=", value.is_string() ? value.as_string() : value.dump());
}

// Of options that a table says in their place.
constexpr const char* kOfTable[] = {"probe", "signal", "easy_at", "hard_at", "easy", "middle", "hard"};

AutoOptions as_learned(const AutoOptions& given, const core::Budget& budget) {
  if (given.table.empty()) return given;
  PONDER_CHECK(given.learned, "a table is read by make_strategy() with options");
  if (budget.tokens == core::Budget().tokens)
    throw Error(ErrorCode::kUsage,
                base::cat("auto: the table's rows are for budgets in tokens; give --budget-tokens (it has ",
                          given.learned->budgets.front().tokens, " to ", given.learned->budgets.back().tokens, ")"));
  AutoOptions options = given;
  const AutoTable::Row& row = given.learned->at(budget.tokens);
  options.easy = row.easy, options.middle = row.middle, options.hard = row.hard;
  return options;
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

std::unique_ptr<Strategy> search_after_probe(const std::string& words, const AutoOptions& options) {
  const std::vector<std::string> parts = parts_of(words);
  if (parts.empty())
    throw Error(ErrorCode::kUsage, "auto: easy, middle and hard need a search each, or \"stop\"; one of them is empty");
  if (parts[0] == "auto") throw Error(ErrorCode::kUsage, "auto cannot follow itself; name another search");
  auto strategy = make_strategy(parts[0]);
  AutoOptions own = options;
  const base::Json told = base::to_json(own);
  for (const char* name : kHandedOn)
    if (base::has_field(strategy->options(), name)) base::override_field(strategy->options(), option_text(told, name));
  for (size_t i = 1; i < parts.size(); ++i) base::override_field(strategy->options(), parts[i]);
  return strategy;
}

std::string words_for_auto(const std::string& words) {
  const std::vector<std::string> parts = parts_of(words);
  PONDER_CHECK(!parts.empty(), "a search has a name");
  AutoOptions own;
  const base::Json alone = base::to_json(make_strategy(parts[0])->options()), told = base::to_json(own);
  std::string spelled = parts[0];
  for (const char* name : kHandedOn)
    if (alone.find(name) && !(alone.at(name) == told.at(name))) spelled += " " + option_text(alone, name);
  for (size_t i = 1; i < parts.size(); ++i) spelled += " " + parts[i];
  (void)search_after_probe(spelled, own);  // wrong words are errors
  return spelled;
}

void AutoOptions::settle() {
  if (table.empty() || learned) return;
  AutoOptions plain;
  const base::Json given = base::to_json(*this), defaults = base::to_json(plain);
  for (const char* name : kOfTable)
    if (!(given.at(name) == defaults.at(name)))
      throw Error(ErrorCode::kUsage,
                  base::cat("auto: its table says what ", name, " is; leave out ", name, " or table"));
  learned = std::make_shared<const AutoTable>(read_auto_table(table));
  // Whoever looks at the options sees what counts; the searches are known with the budget.
  probe = learned->probe, easy_at = learned->easy_at, hard_at = learned->hard_at;
  easy = middle = hard = "table";
}

bool AutoOptions::asks_second() const {
  std::vector<std::string> all = {easy, middle, hard};
  if (learned) {
    all.clear();
    for (const AutoTable::Row& row : learned->budgets) all.insert(all.end(), {row.easy, row.middle, row.hard});
  }
  return std::ranges::any_of(all, [&](const std::string& words) {
    return words != "stop" && search_after_probe(words, *this)->asks_second();
  });
}

core::Task<NodeId> run_auto(Search& search, const AutoOptions& given) {
  const AutoOptions options = as_learned(given, search.budget());
  std::unique_ptr<Strategy> searches[3];
  const std::string* words[] = {&options.easy, &options.middle, &options.hard};
  for (int i = 0; i < 3; ++i)
    if (*words[i] != "stop") searches[i] = search_after_probe(*words[i], options);  // wrong words are found at once
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
