#include "ponder/text/regex.h"

#include "ponder/base/error.h"

namespace ponder::text {
namespace {

// A search may take this many steps, and so many more for each byte of its text. The patterns of real tokenizers take
// fewer than 20 a byte.
constexpr uint64_t kFreeSteps = 1 << 20, kStepsPerByte = 512;
constexpr uint32_t kMaxDepth = 4000;

}  // namespace

Regex::Regex(std::string_view pattern, const std::string& where)
    : pattern_(pattern), program_(std::make_shared<RegexProgram>(compile_regex(pattern, where))) {}

Regex Regex::literal(std::string_view text) {
  Regex regex;
  regex.pattern_ = text;
  regex.program_ = std::make_shared<RegexProgram>(compile_literal(text));
  return regex;
}

Regex::Search::Search(const Regex& regex, std::string_view text)
    : program_(*regex.program_),
      pattern_(regex.pattern_),
      text_(text),
      budget_(kFreeSteps + kStepsPerByte * text.size()) {
  if (program_.loops > 0) {
    loop_counts_.resize(program_.nodes.size());
    loop_starts_.resize(program_.nodes.size());
  }
}

void Regex::Search::spend(uint64_t steps) {
  if (steps > budget_)
    throw Error(ErrorCode::kInput,
                base::cat("the pattern \"", pattern_.substr(0, 80), "\" needs too many steps on a text of ",
                          text_.size(), " bytes; it must not backtrack without bound"));
  budget_ -= steps;
}

std::optional<TextRange> Regex::Search::next(size_t from) {
  for (size_t at = from; at < text_.size();) {
    const auto byte = static_cast<unsigned char>(text_[at]);
    spend(1);
    if (program_.starts[byte < 0x80 ? byte : 128] && run(program_.start, at)) return TextRange{at, end_};
    at += byte < 0x80 ? 1 : code_point_at(text_, at).length;
  }
  return std::nullopt;
}

// Walks on while there is one way to go; recursion is for where there are several.
bool Regex::Search::run(uint32_t id, size_t at) {
  using Kind = RegexNode::Kind;
  if (++depth_ > kMaxDepth)
    throw Error(ErrorCode::kInput, base::cat("the pattern \"", pattern_.substr(0, 80), "\" repeats a group too often; ",
                                             "repeat a class of characters instead"));
  struct Leave {
    uint32_t& depth;
    ~Leave() { --depth; }
  } leave{depth_};
  for (;;) {
    const RegexNode& node = program_.nodes[id];
    spend(1);
    switch (node.kind) {
      case Kind::kMatch:
        end_ = at;
        return true;
      case Kind::kSet: {
        if (node.min != 1 || node.max != 1) return run_set(node, at);
        if (at == text_.size()) return false;
        const CodePoint c = code_point_at(text_, at);
        if (!program_.sets[node.set].has(c.value)) return false;
        at += c.length;
        break;
      }
      case Kind::kChoice: {
        const auto byte = at < text_.size() ? static_cast<unsigned char>(text_[at]) : 0;
        for (const RegexNode::Branch& branch : node.branches)
          if ((at == text_.size() || branch.starts[byte < 0x80 ? byte : 128]) && run(branch.first, at)) return true;
        return false;
      }
      case Kind::kLoop: {
        const uint32_t count = loop_counts_[id];
        const size_t start = loop_starts_[id];
        loop_counts_[id] = 0;
        loop_starts_[id] = SIZE_MAX;
        const bool found = run_loop(node, id, at);
        loop_counts_[id] = count;
        loop_starts_[id] = start;
        return found;
      }
      case Kind::kLoopEnd:
        return run_loop(program_.nodes[node.body], node.body, at);
      case Kind::kLook: {
        const bool found = run(node.body, at);
        if (found == node.negative) return false;
        break;
      }
      case Kind::kAtomic:
        if (!run(node.body, at)) return false;
        at = end_;
        break;
      case Kind::kLineStart:
        if (at != 0 && text_[at - 1] != '\n') return false;
        break;
      case Kind::kLineEnd:
        if (at != text_.size() && text_[at] != '\n') return false;
        break;
    }
    id = node.next;
  }
}

size_t Regex::Search::match_many(const CharSet& set, size_t at, uint64_t most, uint64_t& count) const {
  count = 0;
  while (at < text_.size() && count < most) {
    const auto byte = static_cast<unsigned char>(text_[at]);
    if (byte < 0x80) {
      if (!set.has_ascii(byte)) break;
      ++at;
    } else {
      const CodePoint c = code_point_at(text_, at);
      if (!set.has(c.value)) break;
      at += c.length;
    }
    ++count;
  }
  return at;
}

bool Regex::Search::run_set(const RegexNode& node, size_t begin) {
  const CharSet& set = program_.sets[node.set];
  uint64_t count;
  size_t at = match_many(set, begin, node.max, count);
  spend(count);
  if (count < node.min) return false;
  const RegexNode& next = program_.nodes[node.next];
  if (next.kind == RegexNode::Kind::kMatch) {
    end_ = at;
    return true;
  }
  if (node.possessive) return run(node.next, at);
  // What follows must match a character: places where it does not are passed over without a call.
  const CharSet* first = next.kind == RegexNode::Kind::kSet && next.min > 0 ? &program_.sets[next.set] : nullptr;
  for (;; --count) {
    const bool may_follow = !first || (at < text_.size() && first->has(code_point_at(text_, at).value));
    if (may_follow && run(node.next, at)) return true;
    if (count == node.min) return false;
    spend(1);
    at -= code_point_before(text_, at).length;
  }
}

// Decides at the start of a group's next round: once more, or on.
bool Regex::Search::run_loop(const RegexNode& node, uint32_t id, size_t at) {
  const uint32_t count = loop_counts_[id];
  const size_t start = loop_starts_[id];
  const bool moved = start != at;  // a round that matched nothing is not repeated
  if (count < node.max && (moved || count < node.min)) {
    loop_counts_[id] = count + 1;
    loop_starts_[id] = at;
    if (run(node.body, at)) return true;
    loop_counts_[id] = count;
    loop_starts_[id] = start;
  }
  return count >= node.min && run(node.next, at);
}

}  // namespace ponder::text
