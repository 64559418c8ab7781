// Regular expressions as tokenizers write them, matched as the reference's engine (Oniguruma, Ruby's syntax) matches
// them: classes with exact Unicode categories, greedy and possessive quantifiers, alternation, lookahead, (?i:…) on
// ASCII letters. What is not supported is an error that names it. A search that takes more steps than its text allows
// ends in an error, so no pattern can hang the program.
#pragma once
#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "ponder/text/char_set.h"

namespace ponder::text {

// One step of a pattern; regex_syntax.cc makes them, regex.cc walks them.
struct RegexNode {
  enum class Kind : uint8_t { kSet, kChoice, kLoop, kLoopEnd, kLook, kAtomic, kLineStart, kLineEnd, kMatch };
  static constexpr uint32_t kUnlimited = UINT32_MAX;

  Kind kind = Kind::kMatch;
  bool possessive = false;  // kSet
  bool negative = false;    // kLook
  uint32_t next = 0;        // the node that follows
  uint32_t set = 0;         // kSet: which set
  uint32_t min = 1, max = 1;
  uint32_t body = 0;  // kLoop, kLook, kAtomic: first node inside; kLoopEnd: its kLoop
  struct Branch {
    uint32_t first = 0;
    std::array<bool, 129> starts{};  // by the first byte, 128 = beyond ASCII: may the branch match here at all?
  };
  std::vector<Branch> branches;  // kChoice
};

struct RegexProgram {
  std::vector<RegexNode> nodes;
  std::vector<CharSet> sets;
  uint32_t start = 0;
  uint32_t loops = 0;
  std::array<bool, 129> starts{};
};

struct TextRange {
  size_t begin, end;
};

class Regex {
 public:
  // Error(kInput) says what in the pattern is wrong or not supported, and at which byte.
  explicit Regex(std::string_view pattern, const std::string& where = "");
  static Regex literal(std::string_view text);

  // Calls found(begin, end) for each match, leftmost first, none overlapping. `text` must be valid UTF-8. Thread-safe.
  template <class F>
  void each_match(std::string_view text, F&& found) const {
    Search search(*this, text);
    size_t at = 0;
    while (const std::optional<TextRange> match = search.next(at)) {
      found(match->begin, match->end);
      at = match->end;
    }
  }
  const std::string& pattern() const { return pattern_; }

 private:
  // The state of one walk over a text.
  class Search {
   public:
    Search(const Regex& regex, std::string_view text);
    std::optional<TextRange> next(size_t from);

   private:
    bool run(uint32_t node, size_t at);
    bool run_set(const RegexNode& node, size_t at);
    bool run_loop(const RegexNode& node, uint32_t id, size_t at);
    size_t match_many(const CharSet& set, size_t at, uint64_t most, uint64_t& count) const;
    void spend(uint64_t steps);

    const RegexProgram& program_;
    const std::string& pattern_;
    std::string_view text_;
    size_t end_ = 0;   // of the match
    uint64_t budget_;  // steps left
    uint32_t depth_ = 0;
    std::vector<uint32_t> loop_counts_;  // by node
    std::vector<size_t> loop_starts_;
  };

  Regex() = default;
  std::string pattern_;
  std::shared_ptr<const RegexProgram> program_;
};

RegexProgram compile_regex(std::string_view pattern, const std::string& where);
RegexProgram compile_literal(std::string_view text);

}  // namespace ponder::text
