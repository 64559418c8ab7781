#include "ponder/tasks/math_cursor.h"

#include "ponder/tasks/math_parse.h"

namespace ponder::tasks {

MathCursor::Deeper::Deeper(MathCursor& in) : in_(in) {
  if (++in_.depth_ > kMaxMathDepth) throw MathUnreadable{};
}

std::string MathCursor::take_character() {
  MathToken& token = tokens_[at_];
  std::string first = token.text.substr(0, 1);
  token.text.erase(0, 1);
  if (token.kind == MathToken::kWord && token.text.size() == 1) token.kind = MathToken::kLetter;
  return first;
}

std::string MathCursor::raw_group() {
  if (!take_mark("{")) {
    if (at_end()) throw MathUnreadable{};
    std::string text = now().kind == MathToken::kCommand ? "\\" + now().text : now().text;
    advance();
    return text;
  }
  std::string text;
  for (int open = 1;; ++at_) {
    if (at_end()) throw MathUnreadable{};
    if (is_mark("{")) ++open;
    if (is_mark("}") && --open == 0) break;
    if (is_mark("{") || is_mark("}")) continue;
    text += now().kind == MathToken::kCommand ? "\\" + now().text : now().text;
  }
  advance();
  return text;
}

MathNode MathCursor::make(MathKind kind, std::string text, std::vector<MathNode> args) {
  if (++nodes_ > kMaxMathNodes) throw MathUnreadable{};
  return make_node(kind, std::move(text), std::move(args));
}

}  // namespace ponder::tasks
