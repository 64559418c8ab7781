#include "ponder/text/pre_tokenizer.h"

#include <algorithm>
#include <utility>

#include "ponder/text/regex.h"
#include "ponder/text/unicode.h"

namespace ponder::text {

const char* const kGpt2Pattern = R"('s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+)";

namespace {

// A stretch of a text that a pattern matched, or that lies between matches.
struct Stretch {
  size_t begin, end;
  bool is_match;
};

enum class Behaviour { kRemoved, kIsolated, kMergedWithPrevious, kMergedWithNext, kContiguous };

void push(const Piece& piece, size_t begin, size_t end, std::vector<Piece>& out) {
  if (begin < end) out.push_back(piece.cut(begin, end));
}

// Stretches to pieces, as the reference's split() does for each behaviour.
void cut_stretches(const Piece& piece, std::vector<Stretch>& all, Behaviour behaviour, std::vector<Piece>& out) {
  std::vector<Stretch> kept;
  bool previous = false;  // was the stretch before a match?
  const auto extend_or_add = [&](bool extend, const Stretch& s, bool backwards) {
    if (extend && !kept.empty()) {
      (backwards ? kept.back().begin : kept.back().end) = backwards ? s.begin : s.end;
    } else {
      kept.push_back(s);
    }
    previous = s.is_match;
  };
  switch (behaviour) {
    case Behaviour::kRemoved:
      for (const Stretch& s : all)
        if (!s.is_match) push(piece, s.begin, s.end, out);
      return;
    case Behaviour::kIsolated:
      for (const Stretch& s : all) push(piece, s.begin, s.end, out);
      return;
    case Behaviour::kContiguous:
      for (const Stretch& s : all) extend_or_add(s.is_match == previous, s, false);
      break;
    case Behaviour::kMergedWithPrevious:
      for (const Stretch& s : all) extend_or_add(s.is_match && !previous, s, false);
      break;
    case Behaviour::kMergedWithNext:
      for (auto s = all.rbegin(); s != all.rend(); ++s) extend_or_add(s->is_match && !previous, *s, true);
      std::reverse(kept.begin(), kept.end());
      break;
  }
  for (const Stretch& s : kept) push(piece, s.begin, s.end, out);
}

class Split : public PreTokenizer {
 public:
  Split(Regex pattern, Behaviour behaviour, bool invert)
      : pattern_(std::move(pattern)), behaviour_(behaviour), invert_(invert) {}

  void cut(const Piece& piece, PieceArena&, std::vector<Piece>& out) const override {
    if (behaviour_ == Behaviour::kIsolated) {
      size_t done = 0;
      pattern_.each_match(piece.text, [&](size_t begin, size_t end) {
        push(piece, done, begin, out);
        push(piece, begin, end, out);
        done = end;
      });
      push(piece, done, piece.text.size(), out);
      return;
    }
    std::vector<Stretch> stretches;
    size_t done = 0;
    const auto add = [&](size_t begin, size_t end, bool is_match) {
      if (begin < end) stretches.push_back({begin, end, is_match != invert_});
    };
    pattern_.each_match(piece.text, [&](size_t begin, size_t end) {
      add(done, begin, false);
      add(begin, end, true);
      done = end;
    });
    add(done, piece.text.size(), false);
    cut_stretches(piece, stretches, behaviour_, out);
  }

 private:
  Regex pattern_;
  Behaviour behaviour_;
  bool invert_;
};

// Each character of a kind is a match by itself.
class SplitCharacters : public PreTokenizer {
 public:
  SplitCharacters(bool (*is_match)(char32_t), Behaviour behaviour) : is_match_(is_match), behaviour_(behaviour) {}

  void cut(const Piece& piece, PieceArena&, std::vector<Piece>& out) const override {
    std::vector<Stretch> stretches;
    for (size_t at = 0; at < piece.text.size();) {
      const CodePoint c = code_point_at(piece.text, at);
      const bool is_match = is_match_(c.value);
      if (!is_match && !stretches.empty() && !stretches.back().is_match)
        stretches.back().end = at + c.length;
      else
        stretches.push_back({at, at + c.length, is_match});
      at += c.length;
    }
    cut_stretches(piece, stretches, behaviour_, out);
  }

 private:
  bool (*is_match_)(char32_t);
  Behaviour behaviour_;
};

bool is_numeric(char32_t c) {  // the reference's own table is Unicode 17's here
  constexpr CategorySet kNumbers = 1u << kNd | 1u << kNl | 1u << kNo;
  return has_category(c, kNumbers) || (c >= 0x11DE0 && c <= 0x11DE9) || (c >= 0x16FF4 && c <= 0x16FF6);
}

// Punctuation as the reference's table has it: P of Unicode 8 and the other signs of ASCII. Newer punctuation is not.
bool is_punctuation(char32_t c) {
  constexpr CategorySet kPunctuation =
      1u << kPc | 1u << kPd | 1u << kPe | 1u << kPf | 1u << kPi | 1u << kPo | 1u << kPs;
  static constexpr std::pair<char32_t, char32_t> kNewer[] = {
      {0x61D, 0x61D},     {0x9FD, 0x9FD},     {0xA76, 0xA76},     {0xC77, 0xC77},     {0xC84, 0xC84},
      {0x1B4E, 0x1B4F},   {0x1B7D, 0x1B7F},   {0x2E43, 0x2E4F},   {0x2E52, 0x2E5D},   {0x10D6E, 0x10D6E},
      {0x10EAD, 0x10EAD}, {0x10F55, 0x10F59}, {0x10F86, 0x10F89}, {0x113D4, 0x113D5}, {0x113D7, 0x113D8},
      {0x1144B, 0x1144F}, {0x1145A, 0x1145B}, {0x1145D, 0x1145D}, {0x11660, 0x1166C}, {0x116B9, 0x116B9},
      {0x1183B, 0x1183B}, {0x11944, 0x11946}, {0x119E2, 0x119E2}, {0x11A3F, 0x11A46}, {0x11A9A, 0x11A9C},
      {0x11A9E, 0x11AA2}, {0x11B00, 0x11B09}, {0x11BE1, 0x11BE1}, {0x11C41, 0x11C45}, {0x11C70, 0x11C71},
      {0x11EF7, 0x11EF8}, {0x11F43, 0x11F4F}, {0x11FFF, 0x11FFF}, {0x12FF1, 0x12FF2}, {0x16D6D, 0x16D6F},
      {0x16E97, 0x16E9A}, {0x16FE2, 0x16FE2}, {0x1E5FF, 0x1E5FF}, {0x1E95E, 0x1E95F},
  };
  if (c < 0x80)
    return (c >= 0x21 && c <= 0x2F) || (c >= 0x3A && c <= 0x40) || (c >= 0x5B && c <= 0x60) || (c >= 0x7B && c <= 0x7E);
  if (c == 0x166D || c == 0x111C9) return true;  // symbol and mark by now
  if (!has_category(c, kPunctuation)) return false;
  for (const auto& [first, last] : kNewer)
    if (c >= first && c <= last) return false;
  return true;
}

// \w+|[^\w\s]+
class WhitespaceWords : public PreTokenizer {
 public:
  void cut(const Piece& piece, PieceArena&, std::vector<Piece>& out) const override {
    enum Kind { kNothing, kSpace, kWord, kOther } last = kNothing;
    size_t begin = 0;
    for (size_t at = 0; at < piece.text.size();) {
      const CodePoint c = code_point_at(piece.text, at);
      const Kind kind = is_white_space(c.value) ? kSpace : is_word(c.value) ? kWord : kOther;
      if (kind != last) {
        if (last != kSpace) push(piece, begin, at, out);
        begin = at;
        last = kind;
      }
      at += c.length;
    }
    if (last != kSpace) push(piece, begin, piece.text.size(), out);
  }
};

class Metaspace : public PreTokenizer {
 public:
  enum class Prepend { kAlways, kFirst, kNever };
  Metaspace(std::string mark, Prepend prepend, bool split)
      : mark_(std::move(mark)), pattern_(Regex::literal(mark_)), prepend_(prepend), split_(split) {}

  void cut(const Piece& piece, PieceArena& arena, std::vector<Piece>& out) const override {
    PieceWriter writer(piece, arena);
    const bool is_marked = piece.text.starts_with(mark_) || piece.text.starts_with(' ');
    const bool wants_mark = prepend_ == Prepend::kAlways || (prepend_ == Prepend::kFirst && piece.offset == 0);
    if (wants_mark && !is_marked) writer.put(mark_, 0, 0);
    size_t done = 0;
    for (size_t at = piece.text.find(' '); at != std::string_view::npos; at = piece.text.find(' ', done)) {
      writer.keep(done, at);
      done = at + 1;
      writer.put(mark_, at, done);
    }
    writer.keep(done, piece.text.size());
    const Piece marked = writer.changed() ? writer.finish() : piece;
    if (!split_) return push(marked, 0, marked.text.size(), out);
    std::vector<Stretch> stretches;
    done = 0;
    pattern_.each_match(marked.text, [&](size_t begin, size_t end) {
      if (done < begin) stretches.push_back({done, begin, false});
      stretches.push_back({begin, end, true});
      done = end;
    });
    if (done < marked.text.size()) stretches.push_back({done, marked.text.size(), false});
    cut_stretches(marked, stretches, Behaviour::kMergedWithNext, out);
  }

 private:
  std::string mark_;
  Regex pattern_;
  Prepend prepend_;
  bool split_;
};

// The space that ByteLevel puts before a piece that does not start with one.
class PrefixSpace : public PreTokenizer {
 public:
  void cut(const Piece& piece, PieceArena& arena, std::vector<Piece>& out) const override {
    if (piece.text.starts_with(' ')) return push(piece, 0, piece.text.size(), out);
    PieceWriter writer(piece, arena);
    writer.put(" ", 0, 0);
    writer.keep(0, piece.text.size());
    out.push_back(writer.finish());
  }
};

Behaviour read_behaviour(const JsonPart& part) {
  static constexpr std::pair<const char*, Behaviour> kNames[] = {{"Removed", Behaviour::kRemoved},
                                                                 {"Isolated", Behaviour::kIsolated},
                                                                 {"MergedWithPrevious", Behaviour::kMergedWithPrevious},
                                                                 {"MergedWithNext", Behaviour::kMergedWithNext},
                                                                 {"Contiguous", Behaviour::kContiguous}};
  const std::string& name = part.string("behavior");
  for (const auto& [known, behaviour] : kNames)
    if (name == known) return behaviour;
  part.fail("behavior", base::cat("\"", name,
                                  "\" is unknown; known are Removed, Isolated, MergedWithPrevious, "
                                  "MergedWithNext and Contiguous"));
}

std::unique_ptr<PreTokenizer> read_split(const JsonPart& part) {
  const JsonPart pattern = part.part("pattern");
  const Behaviour behaviour = read_behaviour(part);
  const bool invert = part.boolean("invert", false);
  if (pattern.has("Regex"))
    return std::make_unique<Split>(
        Regex(pattern.string("Regex"), base::cat(part.where(), ":", pattern.path_to("Regex"))), behaviour, invert);
  const std::string& text = pattern.string("String");
  if (text.empty()) pattern.fail("String", "must not be empty");
  return std::make_unique<Split>(Regex::literal(text), behaviour, invert);
}

std::unique_ptr<PreTokenizer> read_metaspace(const JsonPart& part) {
  using Prepend = Metaspace::Prepend;
  const std::string scheme = part.has("prepend_scheme") ? part.string("prepend_scheme") : "always";
  Prepend prepend = Prepend::kAlways;
  if (scheme == "first") {
    prepend = Prepend::kFirst;
  } else if (scheme == "never") {
    prepend = Prepend::kNever;
  } else if (scheme != "always") {
    part.fail("prepend_scheme", base::cat("\"", scheme, "\" is unknown; known are always, first and never"));
  }
  if (!part.boolean("add_prefix_space", true) && prepend != Prepend::kNever)
    part.fail("add_prefix_space", "contradicts prepend_scheme");
  return std::make_unique<Metaspace>(utf8(part.character("replacement")), prepend, part.boolean("split", true));
}

void read_steps(const JsonPart& part, PreTokenizers& all) {
  const std::string& type = part.type();
  if (all.byte_level) part.fail("type", base::cat("\"", type, "\" stands behind ByteLevel, which must be the last"));
  const auto add = [&](std::unique_ptr<PreTokenizer> step) { all.steps.push_back(std::move(step)); };
  if (type == "Sequence") {
    part.each("pretokenizers", [&](const JsonPart& step) { read_steps(step, all); });
  } else if (type == "ByteLevel") {
    if (part.boolean("add_prefix_space", true)) add(std::make_unique<PrefixSpace>());
    if (part.boolean("use_regex", true)) add(make_split(kGpt2Pattern));
    all.byte_level = true;
  } else if (type == "Split") {
    add(read_split(part));
  } else if (type == "Metaspace") {
    add(read_metaspace(part));
  } else if (type == "Digits") {
    add(std::make_unique<SplitCharacters>(
        is_numeric, part.boolean("individual_digits", false) ? Behaviour::kIsolated : Behaviour::kContiguous));
  } else if (type == "Punctuation") {
    add(std::make_unique<SplitCharacters>(is_punctuation,
                                          part.has("behavior") ? read_behaviour(part) : Behaviour::kIsolated));
  } else if (type == "Whitespace") {
    add(std::make_unique<WhitespaceWords>());
  } else if (type == "WhitespaceSplit") {
    add(std::make_unique<SplitCharacters>(is_white_space, Behaviour::kRemoved));
  } else {
    part.fail("type", base::cat("the pre-tokenizer \"", type,
                                "\" is not supported; known are ByteLevel, Split, Metaspace, Digits, Punctuation, "
                                "Whitespace, WhitespaceSplit and Sequence"));
  }
}

}  // namespace

std::unique_ptr<PreTokenizer> make_split(std::string_view pattern) {
  return std::make_unique<Split>(Regex(pattern), Behaviour::kIsolated, false);
}

PreTokenizers read_pre_tokenizer(const JsonPart& part) {
  PreTokenizers all;
  if (!part.is_null()) read_steps(part, all);
  return all;
}

}  // namespace ponder::text
