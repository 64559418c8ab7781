// Searches held against what is known exactly: generated countdown problems, a policy that is even over the legal
// moves, and a critic that knows of every state whether the target can still be reached, or is wrong about that with a
// chance that is given. Answers are judged by the task's strict verifier.
#include <gtest/gtest.h>

#include <cmath>
#include <map>

#include "ponder/eval/statistics.h"
#include "ponder/search/fake_ports.h"
#include "ponder/tasks/countdown.h"

namespace ponder::eval {
namespace {

namespace fake = search::fake;
using core::Tokens;
using core::TokenSpan;
using search::SearchResult;
using search::Tree;
using Words = std::vector<std::string>;

// One problem as a game: a step is the number of a move among those that are legal, then kStep; kEnd follows the last.
class Puzzle {
 public:
  Puzzle(const tasks::Task& task, core::Item item)
      : task_(&task), item_(std::move(item)), countdown_(tasks::countdown_of(item_.problem)) {}

  const core::Problem& problem() const { return item_.problem; }
  // V* of what a completion leaves: whether the target can be reached from there.
  bool solvable(TokenSpan completion) const { return state(replay(completion)).solvable; }
  // In the words that the verifier reads.
  std::string answer(TokenSpan completion) const {
    std::string text;
    replay(completion, &text);
    return text;
  }
  bool right(const std::string& answer) const { return task_->verify(item_, answer).correct(); }
  bool right(const SearchResult& result) const { return result.answer && right(*result.answer); }

  fake::Game game() const {
    fake::Game game;
    game.next = [this](TokenSpan completion) -> std::vector<fake::Choice> {
      if (!completion.empty() && completion.back() >= fake::kFirstWord) return {{fake::kStep, 1.0}};
      const auto moves = static_cast<core::Token>(state(replay(completion)).moves.size());
      if (moves == 0) return {{fake::kEnd, 1.0}};
      std::vector<fake::Choice> choices;
      for (core::Token move = 0; move < moves; ++move) choices.push_back({fake::kFirstWord + move, 1.0});
      return choices;
    };
    game.correct = [this](TokenSpan completion) { return right(answer(completion)); };
    return game;
  }
  // The chance that one sample of the policy is right.
  double chance() const { return fake::exact_value(game(), {}); }

 private:
  struct State {
    std::vector<tasks::CountdownMove> moves;
    bool solvable = false;
  };
  const State& state(const std::vector<int>& numbers) const {
    const auto known = states_.find(numbers);
    if (known != states_.end()) return known->second;
    const bool solvable = tasks::solve_countdown(numbers, countdown_.target).has_value();
    return states_[numbers] = {tasks::countdown_moves(numbers), solvable};
  }
  // The numbers at hand in the end.
  std::vector<int> replay(TokenSpan completion, std::string* answer = nullptr) const {
    std::vector<int> numbers = countdown_.numbers;
    for (const core::Token token : completion) {
      if (token < fake::kFirstWord) continue;
      const tasks::CountdownMove& move = state(numbers).moves.at(static_cast<size_t>(token - fake::kFirstWord));
      // The ids of signs are words of a language that this room does not know; the numbers tell the sign as well.
      const char* sign = move.result == move.a + move.b ? "+" : move.result == move.a - move.b ? "-" : "*";
      if (answer) *answer += base::cat(answer->empty() ? "" : " ; ", move.a, " ", sign, " ", move.b);
      numbers = move.left;
    }
    return numbers;
  }

  const tasks::Task* task_;
  core::Item item_;
  tasks::Countdown countdown_;
  mutable std::map<std::vector<int>, State> states_;
};

std::vector<Puzzle> puzzles(const tasks::Task& task, size_t n) {
  std::vector<Puzzle> made;
  for (core::Item& item : tasks::make_problems(task, tasks::Split::kTrain, n, base::RngKey(1)))
    made.emplace_back(task, std::move(item));
  return made;
}
std::vector<Puzzle> puzzles(const std::string& task, size_t n) { return puzzles(tasks::find_task(task), n); }

// The numbers of such problems with the first target that they cannot reach.
std::vector<Puzzle> unsolvable_puzzles(const std::string& name, size_t n) {
  const tasks::Task& task = tasks::find_task(name);
  std::vector<Puzzle> made;
  for (const core::Item& item : tasks::make_problems(task, tasks::Split::kTrain, n, base::RngKey(2))) {
    int target = tasks::kCountdownMinTarget;
    while (tasks::solve_countdown(tasks::countdown_of(item.problem).numbers, target)) ++target;
    base::Json row = task.to_row(item);
    row["target"] = target;
    made.emplace_back(task, task.parse(row, ""));
  }
  return made;
}

// What the critic says of a completion or its beginning: it leads to the target, or not.
using Critic = std::function<bool(const Puzzle& puzzle, TokenSpan completion)>;

bool exact(const Puzzle& puzzle, TokenSpan completion) { return puzzle.solvable(completion); }

// Wrong with this chance, independently of each text and always alike of the same one. What is wrong at a small chance
// is wrong at a larger one too.
Critic wrong_with_chance(double chance) {
  return [chance](const Puzzle& puzzle, TokenSpan completion) {
    base::RngKey key = base::RngKey(77).child(puzzle.problem().id);
    for (const core::Token token : completion) key = key.child(static_cast<uint64_t>(token));
    return puzzle.solvable(completion) != base::Rng(key).chance(chance);
  };
}

SearchResult solve(const Puzzle& puzzle, const Words& words, const Critic& critic, core::Budget budget = {}) {
  struct Speaker : fake::FakeCodec {
    const Puzzle* puzzle = nullptr;
    std::optional<std::string> answer(const core::Problem& problem, TokenSpan completion) const override {
      if (!FakeCodec::answer(problem, completion)) return std::nullopt;
      return puzzle->answer(completion);
    }
  } speaker;
  speaker.puzzle = &puzzle;
  // No more room than four numbers need, so that a budget keeps nothing back for longer texts.
  Words options(words.begin() + 1, words.end());
  options.push_back("max_tokens=7");
  if (words[0] != "bon" && words[0] != "greedy") options.push_back("step_tokens=2");
  fake::World world(puzzle.game());
  world.value_of = [&](const Tokens& completion) { return critic(puzzle, completion) ? 1.0 : 0.0; };
  auto rows = world.run(*search::make_strategy(words[0], options), 1, {.budget = budget},
                        base::hash64(puzzle.problem().id), &speaker);
  EXPECT_TRUE(rows[0].ok()) << rows[0].error;
  return std::move(rows[0].result);
}

struct Outcome {
  std::vector<double> solved;  // by problem, 0 or 1
  int64_t right = 0;
  double tokens = 0;  // written and read, a problem
  double share() const { return static_cast<double>(right) / static_cast<double>(solved.size()); }
};

Outcome outcome(const std::vector<Puzzle>& made, const Words& words, const Critic& critic, core::Budget budget = {}) {
  Outcome all;
  for (const Puzzle& puzzle : made) {
    const SearchResult result = solve(puzzle, words, critic, budget);
    const int64_t spent = result.usage.generated + result.usage.read();
    EXPECT_LE(spent, budget.tokens);
    all.solved.push_back(puzzle.right(result));
    all.right += puzzle.right(result);
    all.tokens += static_cast<double>(spent) / static_cast<double>(made.size());
  }
  return all;
}

// a − b over the same problems.
Interval difference(const Outcome& a, const Outcome& b) {
  std::vector<std::string> clusters;
  for (size_t i = 0; i < a.solved.size(); ++i) clusters.push_back(std::to_string(i));
  return paired_difference(a.solved, b.solved, clusters, base::RngKey(3)).ci;
}

// Of independent problems, each solved with the chance 1 − (1 − p)^samples: how many standard deviations off it is.
double deviations(const Outcome& seen, const std::vector<Puzzle>& made, int samples) {
  double expected = 0, variance = 0;
  for (const Puzzle& puzzle : made) {
    const double q = 1 - std::pow(1 - puzzle.chance(), samples);
    expected += q, variance += q * (1 - q);
  }
  return (static_cast<double>(seen.right) - expected) / std::sqrt(variance);
}

std::string label(const Words& words) {
  std::string text;
  for (const std::string& word : words) text += text.empty() ? word : " " + word;
  return text;
}

// ---- Exact values -------------------------------------------------------------------------------------------------

// 60 draws miss one of at most 9 moves with a chance of 0.0009.
TEST(SearchValues, AnExactCriticSolvesWhatCanBeSolvedAndClaimsNothingElse) {
  const std::vector<Puzzle> solvable = puzzles("countdown3", 60), hopeless = unsolvable_puzzles("countdown3", 20);
  const std::vector<Words> searches = {
      {"beam", "n=60", "beam_width=60", "select=rm"},
      {"dvts", "n=120", "beam_width=60", "select=rm"},
      {"tot", "n=60", "b=1"},
      {"tot", "order=dfs", "n=60"},
      {"best-first", "width=60", "n=1", "select=rm"},
      {"a-star", "width=60"},
      {"mcts", "width=60", "select=rm"},
      {"mcts", "width=60", "select=rm", "rule=uct"},
      {"mcts", "width=60", "select=rm", "parallel=4"},
  };
  for (const Words& words : searches) {
    for (const Puzzle& puzzle : solvable) {
      const SearchResult result = solve(puzzle, words, exact);
      EXPECT_TRUE(puzzle.right(result)) << label(words) << ": " << puzzle.problem().question;
      EXPECT_EQ(result.score, 1) << label(words) << ": " << puzzle.problem().question;
    }
    for (const Puzzle& puzzle : hopeless) {
      const SearchResult result = solve(puzzle, words, exact);
      EXPECT_FALSE(puzzle.right(result)) << label(words) << ": " << puzzle.problem().question;
      EXPECT_EQ(result.score, 0) << label(words) << ": " << puzzle.problem().question;
    }
  }
}

// Who keeps everything needs a critic for whole answers alone; who keeps one path is led astray.
TEST(SearchValues, WhatKeepsEveryPathFindsTheBestWhateverTheCriticSaysOnTheWay) {
  const std::vector<Puzzle> made = puzzles("countdown3", 12);
  const Critic liar = [](const Puzzle& puzzle, TokenSpan completion) {
    return puzzle.solvable(completion) == (!completion.empty() && completion.back() == fake::kEnd);
  };
  // At most 9 · 3 paths.
  EXPECT_EQ(outcome(made, {"beam", "n=810", "beam_width=30", "select=rm"}, liar).right, 12);
  EXPECT_EQ(outcome(made, {"tot", "n=60", "b=27"}, liar).right, 12);
  EXPECT_LE(outcome(made, {"beam", "n=60", "beam_width=60", "select=rm"}, liar).right, 3);
  EXPECT_LE(outcome(made, {"tot", "n=60", "b=1"}, liar).right, 3);
}

// No continuation is worth more than V*, so no mean of a tree that is guided by V* is, or by ends that are judged
// exactly; and what a step's visits have brought is what those of its children have, and its own evaluation.
TEST(SearchValues, ATreeHoldsWhatItsLeavesAreWorth) {
  std::vector<Puzzle> made = puzzles("countdown4", 20);
  for (Puzzle& puzzle : unsolvable_puzzles("countdown4", 10)) made.push_back(std::move(puzzle));
  int64_t above_zero = 0, zero = 0;
  for (const std::string option : {"leaf=value", "leaf=rollout", "rule=uct", "parallel=8"})
    for (const Puzzle& puzzle : made) {
      const Tree tree = solve(puzzle, {"mcts", "width=8", "sims=100", option}, exact).tree;
      for (search::NodeId id = 0; id < static_cast<search::NodeId>(tree.size()); ++id) {
        const search::Node& node = tree[id];
        if (node.visits == 0) continue;
        const double best = puzzle.solvable(tree.path_tokens(id)) ? 1 : 0;
        EXPECT_LE(node.value_sum, best * node.visits) << option << ": " << puzzle.problem().question;
        (node.value_sum > 0 ? above_zero : zero) += 1;
        if (node.terminal) continue;
        double own = node.value_sum;
        for (search::NodeId c = node.first_child; c != search::kNoNode; c = tree[c].next_sibling)
          own -= tree[c].value_sum;
        const bool known = option != "leaf=rollout" || own != 0;  // a rollout may miss what can be reached
        EXPECT_TRUE(id == search::kRoot ? own == 0 : own == best || !known) << option << ": " << own;
      }
    }
  EXPECT_GT(above_zero, 300);
  EXPECT_GT(zero, 300);
}

// ---- Noise --------------------------------------------------------------------------------------------------------

constexpr core::Budget kBudget = {.tokens = 300};
constexpr int kSamples = 21;  // that it pays for: 7 tokens written and 7 read each, and a prompt of 3

// --gtest_output=json:FILE has the shares of solved problems, by the chance that the critic is wrong (docs/search.md).
TEST(SearchValues, NoiseInTheCriticCostsUntilAllIsChance) {
  const std::vector<Puzzle> made = puzzles("countdown4", 100);
  const std::vector<double> chances = {0, 0.1, 0.2, 0.3, 0.5};
  const std::vector<std::pair<const char*, Words>> searches = {
      {"bon", {"bon", "select=rm"}},
      {"beam", {"beam", "n=16", "beam_width=8", "select=rm"}},
      {"tot_bfs", {"tot", "n=8", "b=2"}},
      {"tot_dfs", {"tot", "order=dfs", "n=8"}},
      {"mcts", {"mcts", "width=8", "select=rm"}},
  };
  double sample = 0;
  for (const Puzzle& puzzle : made) sample += puzzle.chance() / static_cast<double>(made.size());
  RecordProperty("one_sample", base::cat(sample));
  std::vector<Outcome> best_of_n;
  for (const auto& [name, words] : searches) {
    std::vector<Outcome> seen;
    std::string row;
    for (const double chance : chances) {
      seen.push_back(outcome(made, words, wrong_with_chance(chance), kBudget));
      EXPECT_GT(seen.back().tokens, 0.95 * kBudget.tokens) << name;  // so that all have spent the same
      base::append(row, base::cat(row.empty() ? "" : " ", seen.back().share()));
    }
    RecordProperty(name, row);
    for (size_t i = 1; i < chances.size(); ++i) EXPECT_LE(difference(seen[i], seen[i - 1]).lo, 0) << name;
    // A critic that is wrong half the time knows nothing: whatever a search picks by it is as good as one sample.
    EXPECT_LT(std::abs(deviations(seen.back(), made, 1)), 4) << name;
    if (best_of_n.empty()) {
      best_of_n = seen;
      EXPECT_LT(std::abs(deviations(seen[0], made, kSamples)), 4);
      continue;
    }
    for (const size_t i : {0, 1, 2}) EXPECT_GT(difference(seen[i], best_of_n[i]).lo, 0) << name << " " << chances[i];
  }
}

// With equal draws and tokens nothing leads a tree better than V*. (With many more tokens rollouts find ends that the
// `width` draws behind each step have missed.)
TEST(SearchValues, NoLeafIsWorthMoreThanAnExactOne) {
  const std::vector<Puzzle> made = puzzles("countdown4", 100);
  const Words leaf_value = {"mcts", "width=8", "select=rm"}, rollout = {"mcts", "width=8", "select=rm", "leaf=rollout"};
  for (const int64_t tokens : {75, 150, 300}) {
    const core::Budget budget = {.tokens = tokens};
    const Outcome best = outcome(made, leaf_value, exact, budget);
    const Interval above_noise = difference(best, outcome(made, leaf_value, wrong_with_chance(0.2), budget));
    const Interval above_rollouts = difference(best, outcome(made, rollout, exact, budget));
    EXPECT_GE(above_noise.hi, 0) << tokens;
    EXPECT_GE(above_rollouts.hi, 0) << tokens;
    if (tokens < 300) continue;
    EXPECT_GT(above_noise.lo, 0);
    EXPECT_GT(above_rollouts.lo, 0);
  }
}

// ---- Width one ----------------------------------------------------------------------------------------------------

TEST(SearchValues, ABeamOfWidthOneIsSampling) {
  // One beam without temperature is greedy decoding.
  const std::vector<Puzzle> made = puzzles("countdown4", 100);
  for (const Puzzle& puzzle : made)
    EXPECT_EQ(solve(puzzle, {"beam", "n=1", "beam_width=1", "temperature=0"}, exact).completion,
              solve(puzzle, {"greedy"}, exact).completion);

  // Many are samples: the same first steps from the same keys; behind those a beam's keys are its own, so that only the
  // chance of success is the same: 1 − (1 − p)^16 where the critic finds the right one.
  const Words beam = {"beam", "n=16", "beam_width=1", "filter_duplicates=false", "select=rm"};
  const Words dvts = {"dvts", "n=16", "beam_width=1", "filter_duplicates=false", "select=rm"};
  const Words bon = {"bon", "n=16", "select=rm"};
  for (const Puzzle& puzzle : made) {
    const SearchResult steps = solve(puzzle, beam, exact), samples = solve(puzzle, bon, exact);
    search::NodeId first = steps.tree[search::kRoot].first_child;
    for (search::NodeId sample = 1; sample <= 16; ++sample) {
      ASSERT_NE(first, search::kNoNode) << puzzle.problem().question;
      const TokenSpan step = steps.tree.tokens(first), whole = samples.tree.tokens(sample);
      EXPECT_TRUE(std::ranges::equal(step, whole.first(2))) << puzzle.problem().question << ", sample " << sample;
      first = steps.tree[first].next_sibling;
    }
    EXPECT_EQ(first, search::kNoNode);
  }
  for (const Words& words : {beam, dvts, bon})
    EXPECT_LT(std::abs(deviations(outcome(made, words, exact), made, 16)), 4) << label(words);

  // Where one step is all, both are the same search.
  static const tasks::CountdownTask two_numbers(2);
  int64_t solved = 0;
  for (const Puzzle& puzzle : puzzles(two_numbers, 40)) {
    const SearchResult steps = solve(puzzle, {"beam", "n=3", "beam_width=1", "filter_duplicates=false"}, exact);
    const SearchResult samples = solve(puzzle, {"bon", "n=3"}, exact);
    EXPECT_EQ(steps.completion, samples.completion) << puzzle.problem().question;
    EXPECT_EQ(steps.usage.generated, samples.usage.generated);
    EXPECT_EQ(steps.usage.critic, samples.usage.critic);
    solved += puzzle.right(steps);
  }
  EXPECT_GT(solved, 10);
  EXPECT_LT(solved, 40);
}

}  // namespace
}  // namespace ponder::eval
