#include "ponder/text/jinja_strings.h"

#include <algorithm>

#include "ponder/text/jinja_python.h"
#include "ponder/text/jinja_unicode.h"

namespace ponder::text::jinja {
namespace {

constexpr char32_t kSigma = 0x3A3, kFinalSigma = 0x3C2, kSmallSigma = 0x3C3;

// A capital sigma becomes a final one behind a letter and in front of none (Unicode's Final_Sigma).
bool is_final_sigma(std::string_view bytes, size_t at) {
  size_t length;
  size_t i = at;
  bool is_behind_letter = false;
  while (i > 0) {
    i = previous_code_point(bytes, i);
    const char32_t c = decode_utf8(bytes, i, &length);
    if (is_case_ignorable(c)) continue;
    is_behind_letter = is_cased(c);
    break;
  }
  if (!is_behind_letter) return false;
  for (i = at + 2; i < bytes.size(); i += length) {
    const char32_t c = decode_utf8(bytes, i, &length);
    if (!is_case_ignorable(c)) return !is_cased(c);
  }
  return true;
}

void append_lower_at(std::string& out, std::string_view bytes, size_t at, char32_t c) {
  if (c == kSigma) return append_utf8(out, is_final_sigma(bytes, at) ? kFinalSigma : kSmallSigma);
  append_lower(out, c);
}

}  // namespace

const Text* change_case(Interpreter& in, const Text& text, Case to) {
  const std::string_view bytes = text.view();
  in.step_bytes(bytes.size() * 4);
  TextBuilder out(in.arena());
  bool is_inside_word = false;
  std::string piece;
  for (size_t i = 0, length; i < bytes.size(); i += length) {
    const char32_t c = decode_utf8(bytes, i, &length);
    piece.clear();
    const bool starts = to == Case::kTitle ? !is_inside_word : i == 0;
    if (to == Case::kUpper || (to == Case::kSwap && is_lower_case(c))) {
      append_upper(piece, c);
    } else if (to == Case::kSwap && !is_upper_case(c)) {
      append_utf8(piece, c);
    } else if ((to == Case::kTitle || to == Case::kCapital) && starts) {
      append_title(piece, c);
    } else {
      append_lower_at(piece, bytes, i, c);
    }
    is_inside_word = is_cased(c);
    out.append(piece, marks_at(text, i));
  }
  return out.finish();
}

bool is_in_case(std::string_view text, bool upper) {
  bool is_any = false;
  for (size_t i = 0, length; i < text.size(); i += length) {
    const char32_t c = decode_utf8(text, i, &length);
    if (is_title_case(c) || (upper ? is_lower_case(c) : is_upper_case(c))) return false;
    is_any = is_any || (upper ? is_upper_case(c) : is_lower_case(c));
  }
  return is_any;
}

Value strip(Interpreter& in, const Text& text, const Value& chars, bool left, bool right) {
  const std::string_view bytes = text.view();
  size_t begin = 0, end = bytes.size();
  if (chars.is(Kind::kNone)) {
    strip_spaces(bytes, left, right, &begin, &end);
  } else {
    const std::string_view set = as_text(chars, "the characters to strip");
    in.step_bytes(bytes.size() + set.size());
    const auto is_stripped = [&](size_t at, size_t* length) {
      decode_utf8(bytes, at, length);
      const std::string_view c = bytes.substr(at, *length);
      return !set.empty() && set.find(c) != std::string_view::npos;
    };
    size_t length;
    while (left && begin < end && is_stripped(begin, &length)) begin += length;
    while (right && end > begin && is_stripped(previous_code_point(bytes, end), &length)) end -= length;
  }
  return Value::of(slice_text(in.arena(), text, begin, end));
}

Value replace(Interpreter& in, const Text& text, const Text& old, const Text& fresh, int64_t count) {
  const std::string_view bytes = text.view();
  in.step_bytes(bytes.size());
  TextBuilder out(in.arena());
  size_t begin = 0;
  for (; count != 0; --count) {
    size_t at;
    if (old.size > 0) {
      at = bytes.find(old.view(), begin);
      if (at == std::string_view::npos) break;
      out.append_slice(text, begin, at);
      out.append(fresh);
      begin = at + old.size;
    } else {  // in front of every character and at the end
      out.append(fresh);
      if (begin >= bytes.size()) break;
      size_t length;
      decode_utf8(bytes, begin, &length);
      out.append_slice(text, begin, begin + length);
      begin += length;
    }
    in.step_bytes(fresh.size);
  }
  if (begin == 0 && out.size() == 0) return Value::of(slice_text(in.arena(), text, 0, text.size));
  out.append_slice(text, begin, bytes.size());
  return Value::of(out.finish());
}

Value pad(Interpreter& in, const Text& text, int64_t width, std::string_view fill, double left_share) {
  const int64_t missing = width - static_cast<int64_t>(count_code_points(text.view()));
  if (missing <= 0) return Value::of(&text);
  // str.center gives the odd character to the left when the width is odd too.
  const int64_t left = left_share == 0 ? 0 : left_share == 1 ? missing : missing / 2 + (missing & width & 1);
  TextBuilder out(in.arena());
  const auto fill_up = [&](int64_t n) {
    in.step(static_cast<size_t>(n));
    for (int64_t i = 0; i < n; ++i) out.append(fill, 0);
  };
  fill_up(left);
  out.append(text);
  fill_up(missing - left);
  return Value::of(out.finish());
}

std::vector<Line> lines_of(Interpreter& in, const Text& text) {
  const std::string_view bytes = text.view();
  in.step_bytes(bytes.size());
  std::vector<Line> lines;
  size_t begin = 0;
  for (size_t i = 0, length; i < bytes.size();) {
    const char32_t c = decode_utf8(bytes, i, &length);
    if (!is_line_break(c)) {
      i += length;
      continue;
    }
    const size_t end = i;
    i += length;
    if (c == '\r' && i < bytes.size() && bytes[i] == '\n') ++i;
    in.arena().spend(sizeof(Line));
    lines.push_back({begin, end, i});
    begin = i;
  }
  if (begin < bytes.size()) lines.push_back({begin, bytes.size(), bytes.size()});
  return lines;
}

}  // namespace ponder::text::jinja
