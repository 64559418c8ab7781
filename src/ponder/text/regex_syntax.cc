// Patterns to programs; the syntax is Oniguruma's (Ruby) as far as tokenizers use it.
#include <algorithm>

#include "ponder/base/error.h"
#include "ponder/text/regex.h"

namespace ponder::text {
namespace {

using Node = RegexNode;
using Kind = RegexNode::Kind;
constexpr uint32_t kNobody = UINT32_MAX;
constexpr size_t kMaxPattern = 1 << 16;  // bytes
constexpr uint32_t kMaxRepeat = 100'000, kMaxGroups = 100;

// What a part of a pattern compiles to: its first node, and the nodes whose `next` is still open.
struct Part {
  uint32_t first = kNobody;
  std::vector<uint32_t> open;
};

class Compiler {
 public:
  Compiler(std::string_view pattern, const std::string& where) : pattern_(pattern), where_(where) {}

  RegexProgram compile() {
    if (pattern_.size() > kMaxPattern) fail(base::cat("is longer than ", kMaxPattern, " bytes"));
    if (valid_utf8_prefix(pattern_) != pattern_.size()) fail("is not valid UTF-8");
    finish(parse_choice());
    if (at_ != pattern_.size()) fail("has a ')' without its '('");
    return link();
  }

  RegexProgram compile_text() {
    Part all;
    while (at_ < pattern_.size()) append(all, add_set(CharSet::of(take())));
    finish(all);
    return link();
  }

 private:
  [[noreturn]] void fail(const std::string& what) const {
    throw Error(
        ErrorCode::kInput,
        base::cat("the pattern \"", replace_invalid_utf8(pattern_.substr(0, 80)), "\" ", what, " (byte ", at_, ")"),
        where_);
  }

  // ---- reading ----
  bool done() const { return at_ == pattern_.size(); }
  bool peek_is(std::string_view text) const { return pattern_.substr(at_, text.size()) == text; }
  bool take_if(std::string_view text) {
    if (!peek_is(text)) return false;
    at_ += text.size();
    return true;
  }
  char32_t take() {
    if (done()) fail("ends too early");
    const CodePoint c = code_point_at(pattern_, at_);
    at_ += c.length;
    return c.value;
  }

  // ---- building ----
  uint32_t add(Node node) {
    program_.nodes.push_back(std::move(node));
    return static_cast<uint32_t>(program_.nodes.size() - 1);
  }
  Part add_set(CharSet set) {
    program_.sets.push_back(std::move(set));
    Node node;
    node.kind = Kind::kSet;
    node.set = static_cast<uint32_t>(program_.sets.size() - 1);
    return single(std::move(node));
  }
  Part single(Node node) {
    const uint32_t id = add(std::move(node));
    return {id, {id}};
  }
  void connect(const Part& part, uint32_t to) {
    for (uint32_t id : part.open) program_.nodes[id].next = to;
  }
  void append(Part& all, Part more) {
    if (all.first == kNobody) {
      all = std::move(more);
    } else if (more.first != kNobody) {
      connect(all, more.first);
      all.open = std::move(more.open);
    }
  }
  // A part that is the inside of a lookahead or an atomic group ends in a match of its own.
  uint32_t enclosed(const Part& part) {
    const uint32_t match = add(Node());
    if (part.first == kNobody) return match;
    connect(part, match);
    return part.first;
  }
  void finish(const Part& part) { program_.start = enclosed(part); }

  // ---- grammar ----
  Part parse_choice() {
    if (++depth_ > kMaxGroups) fail("nests too many groups");
    std::vector<Part> parts{parse_sequence()};
    while (take_if("|")) parts.push_back(parse_sequence());
    --depth_;
    if (parts.size() == 1) return parts[0];
    Node node;
    node.kind = Kind::kChoice;
    Part all;
    std::vector<uint32_t> open;
    for (Part& part : parts) {
      if (part.first == kNobody) fail("has an empty alternative");
      node.branches.push_back({part.first, {}});
      open.insert(open.end(), part.open.begin(), part.open.end());
    }
    return {add(std::move(node)), std::move(open)};
  }

  Part parse_sequence() {
    Part all;
    while (!done() && !peek_is("|") && !peek_is(")")) append(all, parse_repeated());
    return all;
  }

  Part parse_repeated() {
    const bool is_group = peek_is("(");
    Part part = parse_item();
    uint32_t min = 1, max = 1;
    bool braces = false;
    if (!take_quantifier(min, max, braces)) return part;
    bool possessive = false;
    if (!braces && take_if("+")) possessive = true;
    if (peek_is("?")) fail("has a lazy quantifier, which is not supported");
    if (peek_is("*") || peek_is("+")) fail("repeats a quantifier");
    if (part.first == kNobody) fail("repeats nothing");
    Node& node = program_.nodes[part.first];
    if (!is_group && node.kind == Kind::kSet) {
      node.min = min, node.max = max, node.possessive = possessive;
      return part;
    }
    if (node.kind == Kind::kLineStart || node.kind == Kind::kLineEnd) fail("repeats an anchor");
    return loop(part, min, max, possessive);
  }

  Part loop(const Part& body, uint32_t min, uint32_t max, bool possessive) {
    Node node;
    node.kind = Kind::kLoop;
    node.min = min, node.max = max, node.body = body.first;
    const uint32_t id = add(std::move(node));
    Node end;
    end.kind = Kind::kLoopEnd;
    end.body = id;
    connect(body, add(std::move(end)));
    ++program_.loops;
    return possessive ? look({id, {id}}, Kind::kAtomic, false) : Part{id, {id}};
  }

  Part look(const Part& inside, Kind kind, bool negative) {
    Node node;
    node.kind = kind;
    node.negative = negative;
    node.body = enclosed(inside);
    return single(std::move(node));
  }

  bool take_quantifier(uint32_t& min, uint32_t& max, bool& braces) {
    if (take_if("*")) return min = 0, max = Node::kUnlimited, true;
    if (take_if("+")) return min = 1, max = Node::kUnlimited, true;
    if (take_if("?")) return min = 0, max = 1, true;
    if (!take_if("{")) return false;
    braces = true;
    const bool has_min = take_number(min);
    if (!has_min) min = 0;
    if (take_if(",")) {
      if (!take_number(max)) {
        if (!has_min) fail("has a '{' that is no quantifier; write \\{");
        max = Node::kUnlimited;
      }
    } else {
      if (!has_min) fail("has a '{' that is no quantifier; write \\{");
      max = min;
    }
    if (!take_if("}")) fail("has a quantifier without its '}'");
    if (min > max || max == 0) fail("has a quantifier that matches nothing");
    return true;
  }

  bool take_number(uint32_t& n) {
    const size_t begin = at_;
    n = 0;
    for (; !done() && pattern_[at_] >= '0' && pattern_[at_] <= '9'; ++at_) {
      n = n * 10 + static_cast<uint32_t>(pattern_[at_] - '0');
      if (n > kMaxRepeat) fail(base::cat("repeats more than ", kMaxRepeat, " times"));
    }
    return at_ > begin;
  }

  Part parse_item() {
    if (take_if("(")) return parse_group();
    if (take_if("[")) return add_set(parse_class());
    if (take_if(".")) return add_set(CharSet::all_but_newline());
    if (take_if("^")) return anchor(Kind::kLineStart);
    if (take_if("$")) return anchor(Kind::kLineEnd);
    if (peek_is("*") || peek_is("+") || peek_is("?")) fail("repeats nothing");
    if (peek_is("\\")) {
      CharSet set;
      parse_escape(set, false);
      set.finish();
      return add_set(std::move(set));
    }
    const char32_t c = take();
    return add_set(ignore_case_ ? folded(c) : CharSet::of(c));
  }

  Part anchor(Kind kind) {
    Node node;
    node.kind = kind;
    return single(std::move(node));
  }

  Part parse_group() {
    const bool outer_case = ignore_case_;
    bool atomic = false, is_look = false, negative = false;
    if (take_if("?")) {
      if (take_if(":")) {
      } else if (take_if("i:")) {
        ignore_case_ = true;
      } else if (take_if(">")) {
        atomic = true;
      } else if (take_if("=")) {
        is_look = true;
      } else if (take_if("!")) {
        is_look = negative = true;
      } else {
        fail("has a group that is not supported; known are (?:…), (?i:…), (?>…), (?=…) and (?!…)");
      }
    }
    Part part = parse_choice();
    if (!take_if(")")) fail("has a '(' without its ')'");
    if (ignore_case_ && !outer_case) check_folding();
    ignore_case_ = outer_case;
    if (is_look) return look(part, Kind::kLook, negative);
    return atomic ? look(part, Kind::kAtomic, false) : part;
  }

  // Without regard to case: ASCII letters, and the two other letters that are their lower case.
  CharSet folded(char32_t c) {
    if (c >= 0x80) fail("ignores the case of a letter beyond ASCII, which is not supported");
    folded_ += static_cast<char>(c | 0x20);
    const char32_t lower = c | 0x20;
    CharSet set = CharSet::of(c);
    if (lower >= 'a' && lower <= 'z') {
      set.add(lower, lower);
      set.add(lower - 32, lower - 32);
      if (lower == 's') set.add(0x17F, 0x17F);
      if (lower == 'k') set.add(0x212A, 0x212A);
    }
    set.finish();
    return set;
  }
  // One character can be equal to two letters there ("ss" and U+00DF): such pairs are refused.
  void check_folding() {
    for (const char* pair : {"ss", "st", "ff", "fi", "fl"})
      if (folded_.find(pair) != std::string::npos)
        fail(base::cat("ignores the case of \"", pair, "\", which is not supported"));
    folded_.clear();
  }

  CharSet parse_class() {
    CharSet set;
    const bool negated = take_if("^");
    if (peek_is("]")) fail("has an empty class");
    while (!take_if("]")) {
      if (done()) fail("has a '[' without its ']'");
      if (peek_is("[")) fail("has a class within a class, which is not supported; write \\[ for the character");
      if (peek_is("&&")) fail("intersects classes, which is not supported");
      std::optional<char32_t> first = peek_is("\\") ? parse_escape(set, true) : std::optional(take());
      if (!first) continue;
      char32_t last = *first;
      if (peek_is("-") && pattern_.substr(at_ + 1, 1) != "]") {
        ++at_;
        const std::optional<char32_t> to = peek_is("\\") ? parse_escape(set, true) : std::optional(take());
        if (!to || *to < *first) fail("has a range that is none");
        last = *to;
      }
      if (ignore_case_) fail("ignores the case of a class, which is not supported");
      set.add(*first, last);
    }
    if (negated) set.negate();
    set.finish();
    return set;
  }

  // A character, or nothing when the escape stands for a set, which is then in `set`. Outside of a class the character
  // is put into the set too.
  std::optional<char32_t> parse_escape(CharSet& set, bool in_class) {
    take();
    const char32_t c = take();
    const auto is = [&](char32_t value) -> std::optional<char32_t> {
      if (!in_class) set.add(value, value);
      return value;
    };
    switch (c) {
      case 'n':
        return is('\n');
      case 'r':
        return is('\r');
      case 't':
        return is('\t');
      case 'f':
        return is('\f');
      case 'v':
        return is('\v');
      case 'u':
        return is(take_hex(4));
      case 'x':
        return is(take_if("{") ? take_hex(0) : take_hex(2));
      case 's':
        return set.add_white_space(false), std::nullopt;
      case 'S':
        return set.add_white_space(true), std::nullopt;
      case 'w':
        return set.add_word(false), std::nullopt;
      case 'W':
        return set.add_word(true), std::nullopt;
      case 'd':
        return set.add_categories(category_bit(kNd)), std::nullopt;
      case 'D':
        return set.add_categories(kAll & ~category_bit(kNd)), std::nullopt;
      case 'p':
      case 'P':
        return set.add_categories(take_property(c == 'P')), std::nullopt;
      default:
        break;
    }
    const bool is_word = (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || c >= 0x80;
    if (is_word) fail(base::cat("has the escape \\", utf8(c), ", which is not supported"));
    return is(c);
  }

  CategorySet take_property(bool negated) {
    if (ignore_case_) fail("ignores the case of a class, which is not supported");
    if (!take_if("{")) fail("has a \\p without its {…}");
    if (take_if("^")) negated = !negated;
    const size_t end = pattern_.find('}', at_);
    if (end == std::string_view::npos) fail("has a \\p without its '}'");
    const std::string_view name = pattern_.substr(at_, end - at_);
    const std::optional<CategorySet> set = category_set(name);
    if (!set) fail(base::cat("asks for \\p{", name, "}; known are the general categories such as L, Lu or N"));
    at_ = end + 1;
    return negated ? kAll & ~*set : *set;
  }

  char32_t take_hex(size_t digits) {  // 0: up to a '}'
    const size_t end = digits ? at_ + digits : pattern_.find('}', at_);
    if (end == std::string_view::npos || end > pattern_.size() || end == at_ || end - at_ > 6)
      fail("has a number that is none");
    char32_t value = 0;
    for (; at_ < end; ++at_) {
      const char c = pattern_[at_];
      const bool is_digit = c >= '0' && c <= '9';
      const char lower = static_cast<char>(c | 0x20);
      if (!is_digit && !(lower >= 'a' && lower <= 'f')) fail("has a number that is none");
      value = value * 16 + static_cast<char32_t>(is_digit ? c - '0' : lower - 'a' + 10);
    }
    if (digits == 0) ++at_;
    if (value > kMaxCodePoint) fail("names a character beyond U+10FFFF");
    return value;
  }

  // ---- after the last node: where each choice may start, and whether the pattern can match nothing ----
  RegexProgram link() {
    bool may_be_empty = false;
    program_.starts = starts_of(program_.start, may_be_empty, 0);
    if (may_be_empty) fail("can match the empty text; it must take at least one character");
    for (Node& node : program_.nodes) {
      for (Node::Branch& branch : node.branches) {
        bool empty = false;
        branch.starts = starts_of(branch.first, empty, 0);
        if (empty) branch.starts.fill(true);
      }
    }
    return std::move(program_);
  }

  using Starts = std::array<bool, 129>;
  Starts starts_of(uint32_t id, bool& may_be_empty, uint32_t depth) {
    Starts starts{};
    const auto include = [&starts](const Starts& more) {
      for (size_t i = 0; i < starts.size(); ++i) starts[i] |= more[i];
    };
    for (size_t steps = 0;; ++steps) {
      if (depth > kMaxGroups || ++work_ > kMaxPattern) fail("is too complex");
      const Node& node = program_.nodes[id];
      switch (node.kind) {
        case Kind::kMatch:
          may_be_empty = true;
          return starts;
        case Kind::kSet: {
          const CharSet& set = program_.sets[node.set];
          for (unsigned char c = 0; c < 0x80; ++c) starts[c] |= set.has_ascii(c);
          starts[128] |= set.may_be_wide();
          if (node.min > 0) return starts;
          break;
        }
        case Kind::kChoice:
          for (const Node::Branch& branch : node.branches) include(starts_of(branch.first, may_be_empty, depth + 1));
          return starts;
        case Kind::kLoop:
          include(starts_of(node.body, may_be_empty, depth + 1));
          if (node.min > 0) return starts;
          break;
        case Kind::kLoopEnd:  // the body matched nothing: what follows the loop can start here
          id = node.body;
          break;
        case Kind::kAtomic: {
          bool empty = false;
          include(starts_of(node.body, empty, depth + 1));
          if (!empty) return starts;
          break;
        }
        default:  // looks and anchors take nothing
          break;
      }
      id = program_.nodes[id].next;
    }
  }

  static constexpr CategorySet kAll = (CategorySet{1} << kCategories) - 1;
  std::string_view pattern_;
  const std::string& where_;
  size_t at_ = 0;
  uint32_t depth_ = 0;
  uint64_t work_ = 0;
  bool ignore_case_ = false;
  std::string folded_;
  RegexProgram program_;
};

}  // namespace

RegexProgram compile_regex(std::string_view pattern, const std::string& where) {
  return Compiler(pattern, where).compile();
}

RegexProgram compile_literal(std::string_view text) {
  const std::string where;
  return Compiler(text, where).compile_text();
}

}  // namespace ponder::text
