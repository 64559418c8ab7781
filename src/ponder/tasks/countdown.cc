#include "ponder/tasks/countdown.h"

#include <algorithm>
#include <numeric>

#include "ponder/base/error.h"
#include "ponder/tasks/answer.h"
#include "ponder/text/format.h"
#include "ponder/text/steps.h"

namespace ponder::tasks {
namespace {

constexpr core::Token kOps[] = {text::kPlus, text::kMinus, text::kTimes};

std::string numbers_text(const std::vector<int>& numbers) {
  std::string out;
  for (int n : numbers) base::append(out, base::cat(out.empty() ? "" : " ", n));
  return out;
}

std::string equation_text(int a, core::Token op, int b) { return base::cat(a, " ", text::task_words()[op], " ", b); }

struct Equation {
  int a = 0;
  core::Token op = 0;
  int b = 0;
};

std::optional<Equation> strict_equation(const std::vector<std::string_view>& words) {
  if (words.size() != 3) return std::nullopt;
  auto a = strict_number(words[0]);
  auto op = strict_op(words[1]);
  auto b = strict_number(words[2]);
  if (!a || !op || !b) return std::nullopt;
  return Equation{*a, *op, *b};
}

// Takes one n out of the numbers at hand; false when there is none.
bool take(std::vector<int>& numbers, int n) {
  auto it = std::find(numbers.begin(), numbers.end(), n);
  if (it == numbers.end()) return false;
  numbers.erase(it);
  return true;
}

bool same_multiset(std::vector<int> a, std::vector<int> b) {
  std::sort(a.begin(), a.end());
  std::sort(b.begin(), b.end());
  return a == b;
}

// Takes the operands of a op b out of the numbers at hand; the reason when the rules forbid it.
std::string take_operands(std::vector<int>& numbers, int a, core::Token op, int b) {
  if (op == text::kDivide) return "/ is not allowed";
  for (int n : {a, b})
    if (!take(numbers, n)) return base::cat(n, " is not at hand in ", equation_text(a, op, b));
  return "";
}

std::string out_of_range(int a, core::Token op, int b) {
  return base::cat(equation_text(a, op, b), " leaves 0 … ", text::kMaxNumber);
}

bool solve_from(std::vector<CountdownMove>& path, const std::vector<int>& numbers, int target) {
  if (numbers.size() == 1) return numbers[0] == target;
  for (CountdownMove& move : countdown_moves(numbers)) {
    path.push_back(std::move(move));
    std::vector<int> left = path.back().left;
    if (solve_from(path, left, target)) return true;
    path.pop_back();
  }
  return false;
}

// Replays a thought; the path holds the numbers at hand after each move of the current try.
class CountdownReplay {
 public:
  explicit CountdownReplay(Countdown countdown) : countdown_(std::move(countdown)), path_{countdown_.numbers} {}

  StepVerdict check(const text::ThoughtStep& step) {
    switch (step.kind) {
      case text::StepKind::kGoal:
        return check_goal(step);
      case text::StepKind::kBack:
        return check_back(step);
      case text::StepKind::kStop:
        return valid_step();
      case text::StepKind::kTry:
        path_.resize(1);
        return check_move(step);
      case text::StepKind::kMove:
        return check_move(step);
      case text::StepKind::kTest:
        return invalid_step("countdown has no unit tests");
      case text::StepKind::kUnparsed:
        break;
    }
    return unreadable_step();
  }
  const std::vector<int>& at_hand() const { return path_.back(); }

 private:
  StepVerdict check_goal(const text::ThoughtStep& step) const {
    if (step.target != countdown_.target) return invalid_step(base::cat("the goal is ", countdown_.target));
    int sum = std::accumulate(countdown_.numbers.begin(), countdown_.numbers.end(), 0);
    if (step.above != (countdown_.target > sum)) return invalid_step(base::cat("the sum of the numbers is ", sum));
    return valid_step();
  }

  StepVerdict check_back(const text::ThoughtStep& step) {
    std::vector<int> state(step.left.begin(), step.left.end());
    for (size_t depth = path_.size(); depth > 0; --depth)
      if (same_multiset(path_[depth - 1], state)) {
        path_.resize(depth);
        return valid_step();
      }
    return invalid_step("the last try did not come by that state");
  }

  StepVerdict check_move(const text::ThoughtStep& step) {
    std::vector<int> numbers = path_.back();
    std::string reason = take_operands(numbers, step.a, step.op, step.b);
    if (!reason.empty()) return invalid_step(reason);
    int result = text::apply_op(step.op, step.a, step.b);
    if (result < 0) return step.result < 0 ? valid_step() : invalid_step(out_of_range(step.a, step.op, step.b));
    if (result != step.result) return invalid_step(base::cat(equation_text(step.a, step.op, step.b), " is ", result));
    numbers.insert(numbers.begin(), result);
    bool list_due = numbers.size() > 1;
    if (list_due != !step.left.empty() || (list_due && !same_multiset(numbers, {step.left.begin(), step.left.end()})))
      return invalid_step(list_due ? base::cat("what is left is ", numbers_text(numbers)) : "nothing is left to list");
    path_.push_back(numbers);
    if (!step.checked) return valid_step();
    if (step.check_target != countdown_.target) return invalid_step(base::cat("the goal is ", countdown_.target));
    bool solved = numbers.size() == 1 && numbers[0] == countdown_.target;
    return step.check_yes == solved ? valid_step() : invalid_step(solved ? "this is the goal" : "this is not the goal");
  }

  Countdown countdown_;
  std::vector<std::vector<int>> path_;
};

}  // namespace

std::vector<CountdownMove> countdown_moves(const std::vector<int>& numbers) {
  std::vector<CountdownMove> moves;
  for (size_t i = 0; i < numbers.size(); ++i)
    for (size_t j = i + 1; j < numbers.size(); ++j)
      for (core::Token op : kOps) {
        int a = numbers[i], b = numbers[j];
        if (op == text::kMinus && a < b) std::swap(a, b);
        int result = text::apply_op(op, a, b);
        bool known = std::any_of(moves.begin(), moves.end(), [&](const CountdownMove& m) {
          return m.op == op && ((m.a == a && m.b == b) || (m.a == b && m.b == a));
        });
        if (result < 0 || known) continue;
        std::vector<int> left{result};
        left.reserve(numbers.size() - 1);
        for (size_t k = 0; k < numbers.size(); ++k)
          if (k != i && k != j) left.push_back(numbers[k]);
        moves.push_back({a, op, b, result, std::move(left)});
      }
  return moves;
}

std::vector<CountdownMove> random_countdown_path(std::vector<int> numbers, base::Rng& rng) {
  std::vector<CountdownMove> path;
  std::vector<double> weights;
  while (numbers.size() > 1) {
    auto moves = countdown_moves(numbers);  // never empty: the larger minus the smaller is always legal
    weights.clear();
    for (const auto& move : moves) weights.push_back(move.op == text::kTimes ? 2 : 1);
    path.push_back(std::move(moves[rng.weighted(weights)]));
    numbers = path.back().left;
  }
  return path;
}

std::optional<std::vector<CountdownMove>> solve_countdown(const std::vector<int>& numbers, int target) {
  std::vector<CountdownMove> path;
  if (numbers.empty() || !solve_from(path, numbers, target)) return std::nullopt;
  return path;
}

std::string countdown_canonical(std::vector<int> numbers) {
  std::sort(numbers.begin(), numbers.end());
  return "countdown " + numbers_text(numbers);
}

Countdown countdown_of(const core::Problem& problem) {
  Countdown countdown;
  for (const auto& n : problem.data.at("numbers").as_array()) countdown.numbers.push_back(static_cast<int>(n.as_int()));
  countdown.target = static_cast<int>(problem.data.at("target").as_int());
  return countdown;
}

std::string CountdownTask::name() const { return base::cat("countdown", count_); }

std::string CountdownTask::description() const {
  return base::cat("combine ", count_,
                   " numbers, each exactly once, with + - * into a target from 0 to 99; every result stays in 0 … 99");
}

core::Item CountdownTask::make_item(std::string id, const Countdown& countdown) const {
  core::Item item;
  item.problem.id = std::move(id);
  item.problem.task = name();
  item.problem.question = base::cat("Q ", numbers_text(countdown.numbers), " > ", countdown.target, " :");
  item.problem.data["numbers"] = base::Json::list(countdown.numbers);
  item.problem.data["target"] = countdown.target;
  return item;
}

core::Item CountdownTask::generate(base::RngKey key, Split split) const {
  base::Rng rng(key);
  Countdown countdown;
  while (true) {
    countdown.numbers.clear();
    for (int i = 0; i < count_; ++i)
      countdown.numbers.push_back(static_cast<int>(rng.between(1, kCountdownMaxGenerated)));
    if (split_of_canonical(countdown_canonical(countdown.numbers)) != split) continue;
    int target = random_countdown_path(countdown.numbers, rng).back().result;
    const auto& numbers = countdown.numbers;
    bool given = std::find(numbers.begin(), numbers.end(), target) != numbers.end();
    if (target < kCountdownMinTarget || target > kCountdownMaxTarget || given) continue;
    countdown.target = target;
    return make_item(base::cat(name(), "-", base::hex64(key.value)), countdown);
  }
}

core::Item CountdownTask::parse(const base::Json& row, const std::string& default_id) const {
  Countdown countdown;
  std::string id = row_id(row, default_id);
  const base::Json& numbers = row.at("numbers");
  if (!numbers.is_array() || numbers.size() != static_cast<size_t>(count_))
    throw Error(ErrorCode::kInput,
                base::cat("numbers must be a list of ", count_, " integers for task ", name(), ", got ",
                          numbers.is_array() ? base::cat(numbers.size()) : numbers.type_name()),
                id);
  for (const auto& n : numbers.as_array())
    countdown.numbers.push_back(int_field(n, 1, text::kMaxNumber, id, "each of numbers"));
  countdown.target = int_field(row.at("target"), 0, text::kMaxNumber, id, "target");
  return make_item(std::move(id), countdown);
}

base::Json CountdownTask::to_row(const core::Item& item) const {
  base::Json row;
  row["id"] = item.problem.id;
  row["numbers"] = item.problem.data.at("numbers");
  row["target"] = item.problem.data.at("target");
  return row;
}

std::string CountdownTask::canonical(const core::Problem& problem) const {
  return countdown_canonical(countdown_of(problem).numbers);
}

std::string CountdownTask::instance(const core::Problem& problem) const {
  Countdown countdown = countdown_of(problem);
  return base::cat(countdown_canonical(countdown.numbers), " > ", countdown.target);
}

core::Verdict CountdownTask::verify(const core::Item& item, const std::string& answer) const {
  auto lines = answer_lines(answer);
  if (!lines) return unparsable("the answer must be lines \"a op b\" joined by \" ; \"");
  std::vector<Equation> equations;
  std::string extracted;
  for (const auto& line : *lines) {
    auto equation = strict_equation(line);
    if (!equation)
      return unparsable(base::cat("line ", equations.size() + 1, " of the answer is not \"number op number\""));
    equations.push_back(*equation);
    base::append(extracted,
                 base::cat(extracted.empty() ? "" : " ; ", equation_text(equation->a, equation->op, equation->b)));
  }
  Countdown countdown = countdown_of(item.problem);
  std::vector<int> at_hand = countdown.numbers;
  for (const Equation& line : equations) {
    std::string reason = take_operands(at_hand, line.a, line.op, line.b);
    if (!reason.empty()) return wrong(extracted, reason);
    int result = text::apply_op(line.op, line.a, line.b);
    if (result < 0) return wrong(extracted, out_of_range(line.a, line.op, line.b));
    at_hand.insert(at_hand.begin(), result);
  }
  if (at_hand.size() != 1)
    return wrong(extracted, base::cat("not used: ", numbers_text({at_hand.begin() + 1, at_hand.end()})));
  if (at_hand[0] != countdown.target)
    return wrong(extracted, base::cat("gives ", at_hand[0], " instead of ", countdown.target));
  return {core::VerdictKind::kCorrect, extracted, ""};
}

std::vector<StepVerdict> CountdownTask::check_steps(const core::Problem& problem, const std::string& thought) const {
  CountdownReplay replay(countdown_of(problem));
  std::vector<StepVerdict> verdicts;
  for (const auto& step : text::parse_thought(thought)) verdicts.push_back(replay.check(step));
  return verdicts;
}

std::optional<double> CountdownTask::outlook(const core::Problem& problem, const std::string& thought) const {
  const Countdown countdown = countdown_of(problem);
  CountdownReplay replay(countdown);
  for (const auto& step : text::parse_thought(thought)) replay.check(step);
  if (replay.at_hand().size() == 1) return replay.at_hand()[0] == countdown.target ? 1.0 : 0.0;
  double distance = 0;
  for (const int number : replay.at_hand()) {
    int nearest = std::abs(number - countdown.target);
    for (int factor = 2; factor < countdown.target; ++factor)
      if (countdown.target % factor == 0) nearest = std::min(nearest, std::abs(number - factor));
    distance += nearest;
  }
  return 1 / (1 + distance / static_cast<double>(replay.at_hand().size()));
}

std::optional<std::string> CountdownTask::solve(const core::Problem& problem) const {
  Countdown countdown = countdown_of(problem);
  auto path = solve_countdown(countdown.numbers, countdown.target);
  if (!path) return std::nullopt;
  std::string answer;
  for (const auto& move : *path)
    base::append(answer, base::cat(answer.empty() ? "" : " ; ", equation_text(move.a, move.op, move.b)));
  return answer;
}

}  // namespace ponder::tasks
