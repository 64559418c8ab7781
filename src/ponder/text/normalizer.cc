#include "ponder/text/normalizer.h"

#include <utility>

#include "ponder/text/bpe.h"
#include "ponder/text/normalization.h"
#include "ponder/text/regex.h"
#include "ponder/text/unicode.h"

namespace ponder::text {
namespace {

class Sequence : public Normalizer {
 public:
  explicit Sequence(std::vector<std::unique_ptr<Normalizer>> steps) : steps_(std::move(steps)) {}
  Piece apply(const Piece& piece, PieceArena& arena) const override {
    Piece result = piece;
    for (const auto& step : steps_) result = step->apply(result, arena);
    return result;
  }

 private:
  std::vector<std::unique_ptr<Normalizer>> steps_;
};

class UnicodeForm : public Normalizer {
 public:
  explicit UnicodeForm(NormalForm form) : form_(form) {}
  Piece apply(const Piece& piece, PieceArena& arena) const override {
    if (is_surely_normal(piece.text, form_)) return piece;
    PieceWriter writer(piece, arena);
    for (const NormalizedPoint& point : normalize(piece.text, form_))
      writer.put(utf8(point.value), point.begin, point.end);
    return writer.finish();
  }

 private:
  NormalForm form_;
};

class Prepend : public Normalizer {
 public:
  explicit Prepend(std::string text) : text_(std::move(text)) {}
  Piece apply(const Piece& piece, PieceArena& arena) const override {
    if (piece.text.empty()) return piece;
    PieceWriter writer(piece, arena);
    writer.put(text_, 0, 0);
    writer.keep(0, piece.text.size());
    return writer.finish();
  }

 private:
  std::string text_;
};

class ReplaceString : public Normalizer {
 public:
  ReplaceString(std::string from, std::string to) : from_(std::move(from)), to_(std::move(to)) {}
  Piece apply(const Piece& piece, PieceArena& arena) const override {
    size_t at = piece.text.find(from_);
    if (at == std::string_view::npos) return piece;
    PieceWriter writer(piece, arena);
    size_t done = 0;
    for (; at != std::string_view::npos; at = piece.text.find(from_, done)) {
      writer.keep(done, at);
      done = at + from_.size();
      writer.put(to_, at, done);
    }
    writer.keep(done, piece.text.size());
    return writer.finish();
  }

 private:
  std::string from_, to_;
};

class ReplaceRegex : public Normalizer {
 public:
  ReplaceRegex(Regex from, std::string to) : from_(std::move(from)), to_(std::move(to)) {}
  Piece apply(const Piece& piece, PieceArena& arena) const override {
    PieceWriter writer(piece, arena);
    size_t done = 0;
    from_.each_match(piece.text, [&](size_t begin, size_t end) {
      writer.keep(done, begin);
      writer.put(to_, begin, end);
      done = end;
    });
    if (!writer.changed()) return piece;
    writer.keep(done, piece.text.size());
    return writer.finish();
  }

 private:
  Regex from_;
  std::string to_;
};

class Strip : public Normalizer {
 public:
  Strip(bool left, bool right) : left_(left), right_(right) {}
  Piece apply(const Piece& piece, PieceArena&) const override {
    size_t begin = 0, end = piece.text.size();
    while (left_ && begin < end) {
      const CodePoint c = code_point_at(piece.text, begin);
      if (!is_white_space(c.value)) break;
      begin += c.length;
    }
    while (right_ && end > begin) {
      const CodePoint c = code_point_before(piece.text, end);
      if (!is_white_space(c.value)) break;
      end -= c.length;
    }
    return piece.cut(begin, end);
  }

 private:
  bool left_, right_;
};

std::unique_ptr<Normalizer> read_replace(const JsonPart& part) {
  const JsonPart pattern = part.part("pattern");
  std::string to = part.string("content");
  if (pattern.has("Regex"))
    return std::make_unique<ReplaceRegex>(
        Regex(pattern.string("Regex"), base::cat(part.where(), ":", pattern.path_to("Regex"))), std::move(to));
  const std::string& from = pattern.string("String");
  if (from.empty()) pattern.fail("String", "must not be empty");
  return std::make_unique<ReplaceString>(from, std::move(to));
}

}  // namespace

std::unique_ptr<Normalizer> read_normalizer(const JsonPart& part) {
  if (part.is_null()) return nullptr;
  const std::string& type = part.type();
  if (type == "NFC") return std::make_unique<UnicodeForm>(NormalForm::kNfc);
  if (type == "NFD") return std::make_unique<UnicodeForm>(NormalForm::kNfd);
  if (type == "NFKC") return std::make_unique<UnicodeForm>(NormalForm::kNfkc);
  if (type == "NFKD") return std::make_unique<UnicodeForm>(NormalForm::kNfkd);
  if (type == "Prepend") return std::make_unique<Prepend>(part.string("prepend"));
  if (type == "Replace") return read_replace(part);
  if (type == "Strip")
    return std::make_unique<Strip>(part.boolean("strip_left", false), part.boolean("strip_right", false));
  if (type == "Sequence") {
    std::vector<std::unique_ptr<Normalizer>> steps;
    part.each("normalizers", [&](const JsonPart& step) { steps.push_back(read_normalizer(step)); });
    return std::make_unique<Sequence>(std::move(steps));
  }
  part.fail("type",
            base::cat("the normalizer \"", type,
                      "\" is not supported; known are NFC, NFD, NFKC, NFKD, Prepend, Replace, Strip and Sequence"));
}

std::unique_ptr<Normalizer> make_spaces_to_marks(bool mark_at_start) {
  auto replace = std::make_unique<ReplaceString>(" ", std::string(kWordMark));
  if (!mark_at_start) return replace;
  std::vector<std::unique_ptr<Normalizer>> steps;
  steps.push_back(std::make_unique<Prepend>(std::string(kWordMark)));
  steps.push_back(std::move(replace));
  return std::make_unique<Sequence>(std::move(steps));
}

std::unique_ptr<Normalizer> make_nfc() { return std::make_unique<UnicodeForm>(NormalForm::kNfc); }

}  // namespace ponder::text
