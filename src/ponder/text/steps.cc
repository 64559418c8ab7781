#include "ponder/text/steps.h"

#include <algorithm>

#include "ponder/text/format.h"

namespace ponder::text {
namespace {

bool correctable(core::Token t) { return is_number(t) || t == kYes || t == kNo; }

// Reads one step from front to back; every take_ says whether it found what it wanted.
class StepReader {
 public:
  explicit StepReader(core::TokenSpan words) : words_(words) {}

  bool take(core::Token wanted) {
    bool found = at_ < words_.size() && words_[at_] == wanted;
    at_ += found;
    return found;
  }
  bool take_number(int& n) {
    bool found = at_ < words_.size() && is_number(words_[at_]);
    if (found) n = words_[at_++];
    return found;
  }
  bool take_op(core::Token& op) {
    bool found = at_ < words_.size() && is_op(words_[at_]);
    if (found) op = words_[at_++];
    return found;
  }
  bool take_choice(core::Token yes, core::Token no, bool& choice) {
    choice = take(yes);
    return choice || take(no);
  }
  bool done() const { return at_ == words_.size(); }
  core::TokenSpan rest() const { return words_.subspan(at_); }

 private:
  core::TokenSpan words_;
  size_t at_ = 0;
};

bool read_equation(StepReader& in, ThoughtStep& step) {
  if (!in.take_number(step.a) || !in.take_op(step.op) || !in.take_number(step.b)) return false;
  if (in.take(kNo)) {
    step.result = -1;
    return in.done();
  }
  if (!in.take(kEquals) || !in.take_number(step.result)) return false;
  if (in.take(kComma))
    for (int n = 0; in.take_number(n);) step.left.push_back(n);
  step.checked = in.take(kAsk);
  if (step.checked && !(in.take_number(step.check_target) && in.take_choice(kYes, kNo, step.check_yes))) return false;
  return in.done();
}

ThoughtStep parse_step(core::TokenSpan words) {
  ThoughtStep step;
  StepReader in(words);
  bool read = false;
  if (in.take(kGoal)) {
    step.kind = StepKind::kGoal;
    read = in.take_number(step.target) && in.take_choice(kAbove, kBelow, step.above) && in.done();
  } else if (in.take(kStop)) {
    step.kind = StepKind::kStop;
    in.take(kEnd);
    read = in.done();
  } else if (in.take(kBack)) {
    step.kind = StepKind::kBack;
    step.left.assign(in.rest().begin(), in.rest().end());
    read = !step.left.empty();
  } else {
    step.kind = in.take(kTry) ? StepKind::kTry : in.take(kTest) ? StepKind::kTest : StepKind::kMove;
    read = read_equation(in, step);
  }
  return read ? step : ThoughtStep{};
}

}  // namespace

core::Tokens apply_corrections(core::TokenSpan tokens) {
  core::Tokens out;
  out.reserve(tokens.size());
  for (size_t i = 0; i < tokens.size(); ++i) {
    bool replaces = tokens[i] == kWait && !out.empty() && correctable(out.back()) && i + 1 < tokens.size() &&
                    correctable(tokens[i + 1]);
    if (replaces)
      out.back() = tokens[++i];
    else
      out.push_back(tokens[i]);
  }
  return out;
}

std::vector<ThoughtStep> parse_thought(std::string_view thought) {
  core::Tokens words = apply_corrections(known_ids(thought));
  std::vector<ThoughtStep> steps;
  for (auto begin = words.begin(); begin != words.end();) {
    auto end = std::find(begin, words.end(), core::Token{kSemicolon});
    steps.push_back(parse_step({begin, end}));
    begin = end == words.end() ? end : end + 1;
  }
  return steps;
}

}  // namespace ponder::text
