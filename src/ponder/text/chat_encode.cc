#include "ponder/text/chat_encode.h"

#include <algorithm>
#include <string>

#include "ponder/base/error.h"

namespace ponder::text {
namespace {

class Encoding {
 public:
  Encoding(const std::vector<JinjaPiece>& pieces, const ChatEncoder& encoder) : encoder_(encoder) {
    for (const JinjaPiece& piece : pieces) {
      text_ += piece.text;
      ends_.push_back({text_.size(), piece.is_input, piece.is_generation});
    }
  }

  ChatIds run() {
    size_t begin = 0;
    while (begin < text_.size()) begin = encode_from(begin);
    out_.is_generation.reserve(out_.ids.size());
    for (const auto& [from, to] : out_.ranges)
      out_.is_generation.push_back(any(from, to, [](const Piece& p) { return p.is_generation; }));
    return std::move(out_);
  }

 private:
  struct Piece {
    size_t end;
    bool is_input, is_generation;
  };

  template <class Test>
  bool any(size_t begin, size_t end, const Test& test) const {
    auto piece =
        std::upper_bound(ends_.begin(), ends_.end(), begin, [](size_t b, const Piece& p) { return b < p.end; });
    for (size_t from = begin; piece != ends_.end() && from < end; from = piece->end, ++piece)
      if (test(*piece)) return true;
    return false;
  }
  bool has_input(size_t begin, size_t end) const {
    return any(begin, end, [](const Piece& p) { return p.is_input; });
  }
  // Where the template's own text goes on behind the last input that lies in [begin, end); `end` when it does not.
  size_t behind_input(size_t begin, size_t end) const {
    size_t behind = end;
    auto piece =
        std::upper_bound(ends_.begin(), ends_.end(), begin, [](size_t b, const Piece& p) { return b < p.end; });
    for (size_t from = begin; piece != ends_.end() && from < end; from = piece->end, ++piece)
      if (piece->is_input) behind = std::min(piece->end, end);
    return behind;
  }

  void take(const ChatIds& ids, size_t first, size_t last, size_t offset) {
    for (size_t i = first; i < last; ++i) {
      out_.ids.push_back(ids.ids[i]);
      out_.ranges.emplace_back(ids.ranges[i].first + offset, ids.ranges[i].second + offset);
    }
  }

  bool is_special(const ChatIds& ids, size_t i) const {
    return ids.ranges[i].first != ids.ranges[i].second && encoder_.is_special(ids.ids[i]);
  }

  // Encodes to the end, or to where input ends inside of a special token: the template may begin one of its own there.
  // Returns where that is.
  size_t encode_from(size_t begin) {
    const std::string_view rest = std::string_view(text_).substr(begin);
    const ChatIds ids = encoder_.encode(rest, true);
    PONDER_CHECK(ids.ids.size() == ids.ranges.size(), "every id needs its range");
    const size_t n = ids.ids.size();
    size_t taken = 0;  // ids that are settled: up to and with the last special token of the template's own
    for (size_t i = 0; i < n; ++i) {
      if (!is_special(ids, i)) continue;
      const auto [from, to] = ids.ranges[i];
      if (!has_input(begin + from, begin + to)) {
        take(ids, taken, i + 1, begin);
        taken = i + 1;
        continue;
      }
      const size_t plain = taken == 0 ? 0 : ids.ranges[taken - 1].second;
      const std::string_view before =
          taken == 0 ? std::string_view()
                     : rest.substr(ids.ranges[taken - 1].first, plain - ids.ranges[taken - 1].first);
      size_t end = rest.size();
      bool is_cut = false;
      for (; i < n && !is_cut; ++i) {
        if (!is_special(ids, i)) continue;
        const auto [a, b] = ids.ranges[i];
        const size_t behind = has_input(begin + a, begin + b) ? behind_input(begin + a, begin + b) - begin : a;
        if (behind == b) continue;  // typed as a whole
        end = behind;
        if (behind == a) break;
        is_cut = true;
      }
      append_plain(begin + plain, begin + end, before);
      if (is_cut) return begin + end;
      taken = i;
      --i;  // the template's own token is looked at next
    }
    take(ids, taken, n, begin);
    return text_.size();
  }

  // [begin, end) without special tokens; before: the special token in front of it.
  void append_plain(size_t begin, size_t end, std::string_view before) {
    const std::string_view text = std::string_view(text_).substr(begin, end - begin);
    if (text.empty()) return;
    if (begin == 0 || stands_alone(before)) return take_all(encoder_.encode(text, false), begin);
    // The tokenizer puts something in front of a text's beginning, and this is none: begin behind a line break.
    const ChatIds ids = encoder_.encode("\n" + std::string(text), false);
    size_t first = 0;
    while (first < ids.ids.size() && ids.ranges[first].second <= 1) ++first;
    const bool is_clean = first > 0 && (first == ids.ids.size() || ids.ranges[first].first >= 1);
    if (!is_clean) return take_all(encoder_.encode(text, false), begin);
    for (size_t i = first; i < ids.ids.size(); ++i) {
      out_.ids.push_back(ids.ids[i]);
      out_.ranges.emplace_back(ids.ranges[i].first - 1 + begin, ids.ranges[i].second - 1 + begin);
    }
  }
  void take_all(const ChatIds& ids, size_t offset) { take(ids, 0, ids.ids.size(), offset); }

  // Does text behind a special token have the ids that it has on its own?
  bool stands_alone(std::string_view special) const {
    if (special.empty()) return false;
    const core::Tokens both = encoder_.encode(std::string(special) + "x", true).ids;
    const size_t own = encoder_.encode(special, true).ids.size();
    const core::Tokens alone = encoder_.encode("x", false).ids;
    return both.size() == own + alone.size() &&
           std::equal(alone.begin(), alone.end(), both.begin() + static_cast<std::ptrdiff_t>(own));
  }

  const ChatEncoder& encoder_;
  std::string text_;
  std::vector<Piece> ends_;
  ChatIds out_;
};

}  // namespace

ChatIds encode_chat(const std::vector<JinjaPiece>& pieces, const ChatEncoder& encoder) {
  return Encoding(pieces, encoder).run();
}

}  // namespace ponder::text
