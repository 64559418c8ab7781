// "%s" % x and "{}".format(x), as far as chat templates use them: texts, whole numbers and floats.
#include <algorithm>
#include <cmath>
#include <cstdio>

#include "ponder/text/jinja_objects.h"
#include "ponder/text/jinja_python.h"
#include "ponder/text/jinja_unicode.h"

namespace ponder::text::jinja {
namespace {

constexpr int64_t kMostWidth = 10000;

struct Spec {
  char32_t fill = ' ';
  char align = '\0';  // < > ^ =
  char sign = '-';
  bool alternate = false, zero = false;
  char grouping = '\0';  // , or _
  int64_t width = 0, precision = -1;
  char type = '\0';
};

// Text between padding; `digits_at` is where a number's digits begin, for the alignment "=".
void append_padded(Interpreter& in, TextBuilder& out, const Text& text, const Spec& spec, char default_align,
                   size_t digits_at = 0) {
  const int64_t missing = std::max<int64_t>(0, spec.width - static_cast<int64_t>(count_code_points(text.view())));
  const char align = spec.align ? spec.align : default_align;
  const int64_t left = align == '<' || align == '=' ? 0 : align == '>' ? missing : missing / 2;
  std::string fill;
  append_utf8(fill, spec.fill);
  const auto pad = [&](int64_t n) {
    in.step(static_cast<size_t>(n));
    for (int64_t i = 0; i < n; ++i) out.append(fill, 0);
  };
  pad(left);
  if (align == '=') {
    out.append_slice(text, 0, digits_at);
    pad(missing);
    out.append_slice(text, digits_at, text.size);
    return;
  }
  out.append(text);
  pad(missing - left);
}

std::string grouped(const std::string& digits, char separator, size_t every) {
  if (!separator) return digits;
  const size_t whole = std::min(digits.size(), digits.find_first_not_of("0123456789abcdefABCDEF"));
  std::string out;
  for (size_t i = 0; i < digits.size(); ++i) {
    if (i > 0 && i < whole && (whole - i) % every == 0) out += separator;
    out += digits[i];
  }
  return out;
}

std::string digits_of(uint64_t v, unsigned base) {
  std::string out;
  do out += "0123456789abcdef"[v % base];
  while (v /= base);
  return {out.rbegin(), out.rend()};
}

std::string upper_ascii(std::string text) {
  for (char& c : text)
    if (c >= 'a' && c <= 'z') c = static_cast<char>(c - 32);
  return text;
}

// The digits of a whole number with its sign; *digits_at: behind sign and prefix.
std::string whole_digits(int64_t v, const Spec& spec, bool percent, size_t* digits_at) {
  const char type = spec.type ? spec.type : 'd';
  const unsigned base = type == 'x' || type == 'X' ? 16 : type == 'o' ? 8 : type == 'b' ? 2 : 10;
  const uint64_t size = v < 0 ? 0 - static_cast<uint64_t>(v) : static_cast<uint64_t>(v);
  std::string digits = digits_of(size, base);
  if (percent && spec.precision > static_cast<int64_t>(digits.size()))
    digits.insert(0, static_cast<size_t>(spec.precision) - digits.size(), '0');
  digits = grouped(digits, spec.grouping, base == 10 ? 3 : 4);
  std::string out = v < 0 ? "-" : spec.sign == '-' ? "" : std::string(1, spec.sign);
  if (spec.alternate && base != 10) out += base == 16 ? "0x" : base == 8 ? "0o" : "0b";
  *digits_at = out.size();
  out += digits;
  return type == 'X' ? upper_ascii(out) : out;
}

std::string real_digits(double v, const Spec& spec, size_t* digits_at) {
  std::string digits;
  const double size = std::fabs(v);
  char type = spec.type;
  if (type == '\0' && spec.precision < 0) {
    digits = float_repr(size);
  } else {
    const bool is_percent = type == '%';
    const char c = is_percent ? 'f' : type == '\0' || type == 'n' ? 'g' : type;
    const std::string format = std::string("%") + (spec.alternate ? "#" : "") + ".*" + c;
    char buffer[512];
    const int precision = static_cast<int>(spec.precision < 0 ? 6 : spec.precision);
    const int n = std::snprintf(buffer, sizeof buffer, format.c_str(), precision, is_percent ? size * 100 : size);
    if (n < 0 || n >= static_cast<int>(sizeof buffer)) refuse("a float of that many digits is not supported");
    digits = buffer;
    // Without a type a float keeps a point.
    if (type == '\0' && std::isfinite(v) && digits.find_first_of(".e") == std::string::npos) digits += ".0";
    if (is_percent) digits += '%';
  }
  digits = grouped(digits, spec.grouping, 3);
  std::string out = std::signbit(v) && !std::isnan(v) ? "-" : spec.sign == '-' ? "" : std::string(1, spec.sign);
  *digits_at = out.size();
  return out + digits;
}

void append_number(Interpreter& in, TextBuilder& out, const Value& v, const Spec& spec, bool percent) {
  static constexpr std::string_view kReal = "eEfFgG%";
  size_t digits_at = 0;
  const bool is_real = v.is(Kind::kFloat) || (spec.type && kReal.find(spec.type) != std::string_view::npos);
  const std::string digits =
      is_real ? real_digits(v.as_double(), spec, &digits_at) : whole_digits(v.whole(), spec, percent, &digits_at);
  const Value text = in.text(digits);
  append_padded(in, out, *text.text, spec, '>', digits_at);
}

void append_text(Interpreter& in, TextBuilder& out, const Text& text, const Spec& spec) {
  const Text* shown = &text;
  if (spec.precision >= 0)
    shown = slice_text(in.arena(), text, 0, byte_of_code_point(text.view(), static_cast<size_t>(spec.precision)));
  append_padded(in, out, *shown, spec, '<');
}

// --- %

class Percent {
 public:
  Percent(Interpreter& in, const Text& format, const Value& arguments)
      : in_(in), format_(format), bytes_(format.view()), arguments_(arguments), out_(in.arena()) {}

  Value run() {
    if (format_.is_markup) refuse("% on a safe text is not supported in chat templates");
    size_t plain = 0;
    while ((at_ = bytes_.find('%', plain)) != std::string_view::npos) {
      in_.step();
      out_.append_slice(format_, plain, at_++);
      directive();
      plain = at_;
    }
    out_.append_slice(format_, plain, bytes_.size());
    const bool is_taken =
        arguments_.is(Kind::kTuple)
            ? next_ == arguments_.list->size
            : next_ > 0 || arguments_.is(Kind::kDict) || arguments_.is(Kind::kList) || arguments_.is(Kind::kUndefined);
    if (!is_taken) refuse("not all arguments of % are used by its text");
    return Value::of(out_.finish());
  }

 private:
  char here() const { return at_ < bytes_.size() ? bytes_[at_] : '\0'; }

  const Value& next() {
    if (arguments_.is(Kind::kTuple)) {
      if (next_ >= arguments_.list->size) refuse("% has too few arguments for its text");
      return arguments_.list->items[next_++];
    }
    if (next_++ > 0) refuse("% has too few arguments for its text");
    return arguments_;
  }

  const Value& named() {
    const size_t end = bytes_.find(')', at_);
    if (end == std::string_view::npos) refuse("a name in the text of % is not closed; expected )");
    if (!arguments_.is(Kind::kDict)) refuse("a text with %(name) needs a dict, found ", type_name(arguments_));
    const Value key = in_.text(bytes_.substr(at_ + 1, end - at_ - 1));
    at_ = end + 1;
    const Value* found = find_key(in_, *arguments_.dict, key);
    if (!found) refuse("% has no argument named ", key.text->view());
    return *found;
  }

  int64_t number() {
    if (here() == '*') {
      ++at_;
      const int64_t n = as_index(next(), "the width of a % directive");
      if (n > kMostWidth || n < -kMostWidth) refuse("a width beyond ", kMostWidth);
      return n;
    }
    int64_t n = 0;
    while (here() >= '0' && here() <= '9') {
      n = n * 10 + (bytes_[at_++] - '0');
      if (n > kMostWidth) refuse("a width beyond ", kMostWidth);
    }
    return n;
  }

  void directive() {
    const Value* v = here() == '(' ? &named() : nullptr;
    Spec spec;
    for (; here() != '\0' && std::string_view("-+ #0").find(here()) != std::string_view::npos; ++at_) {
      if (here() == '-') spec.align = '<';
      if (here() == '+') spec.sign = '+';
      if (here() == ' ' && spec.sign != '+') spec.sign = ' ';
      if (here() == '#') spec.alternate = true;
      if (here() == '0') spec.zero = true;
    }
    spec.width = number();
    if (spec.width < 0) {
      spec.align = '<';
      spec.width = -spec.width;
    }
    if (here() == '.') {
      ++at_;
      spec.precision = std::max<int64_t>(0, number());
    }
    while (here() == 'h' || here() == 'l' || here() == 'L') ++at_;
    spec.type = here();
    ++at_;
    if (spec.type == '%') return out_.append("%", 0);
    if (!v) v = &next();
    convert(*v, spec);
  }

  void convert(const Value& v, Spec spec) {
    if (v.is(Kind::kUndefined) && spec.type != 's' && spec.type != 'r') refuse_undefined(v);
    const char align = spec.align ? spec.align : '>';
    if (spec.type == 's' || spec.type == 'r') {
      spec.align = align;
      TextBuilder repr(in_.arena());
      if (spec.type == 'r') append_repr(in_, repr, v);
      return append_text(in_, out_, spec.type == 'r' ? *repr.finish() : str(in_, v), spec);
    }
    if (spec.zero && spec.align != '<') {
      spec.align = '=';
      spec.fill = '0';
    }
    if (spec.type == 'i' || spec.type == 'u') spec.type = 'd';
    const bool is_whole = spec.type == 'd' || spec.type == 'x' || spec.type == 'X' || spec.type == 'o';
    const bool is_real = spec.type != '\0' && std::string_view("eEfFgG").find(spec.type) != std::string_view::npos;
    if (!is_whole && !is_real) refuse("% knows no directive ", std::string(1, spec.type ? spec.type : ' '), " here");
    if (!v.is_number()) refuse("%", std::string(1, spec.type), " needs a number, found ", type_name(v));
    if (!is_whole || !v.is(Kind::kFloat)) return append_number(in_, out_, v, spec, true);
    if (spec.type != 'd') refuse("%", std::string(1, spec.type), " needs an int, found float");
    if (!(std::fabs(v.number) < 9.2e18)) refuse("%d of a float beyond 64 bits");
    append_number(in_, out_, Value::of(static_cast<int64_t>(v.number)), spec, true);
  }

  Interpreter& in_;
  const Text& format_;
  std::string_view bytes_;
  const Value& arguments_;
  TextBuilder out_;
  size_t at_ = 0;
  uint32_t next_ = 0;
};

// --- format()

class Braces {
 public:
  Braces(Interpreter& in, const Text& format, const Arguments& arguments)
      : in_(in), format_(format), arguments_(arguments), out_(in.arena()) {}

  Value run() {
    const std::string_view bytes = format_.view();
    for (size_t i = 0; i < bytes.size();) {
      in_.step();
      const size_t brace = std::min(bytes.find_first_of("{}", i), bytes.size());
      out_.append_slice(format_, i, brace);
      if (brace == bytes.size()) break;
      if (brace + 1 < bytes.size() && bytes[brace + 1] == bytes[brace]) {
        out_.append_slice(format_, brace, brace + 1);
        i = brace + 2;
        continue;
      }
      if (bytes[brace] == '}') refuse("a } without { in the text of format()");
      const size_t end = bytes.find_first_of("{}", brace + 1);
      if (end == std::string_view::npos) refuse("a { is not closed in the text of format()");
      if (bytes[end] == '{') refuse("a field inside a field of format() is not supported in chat templates");
      field(bytes.substr(brace + 1, end - brace - 1));
      i = end + 1;
    }
    return Value::of(out_.finish());
  }

 private:
  void field(std::string_view text) {
    const size_t colon = std::min(text.find(':'), text.size());
    std::string_view name = text.substr(0, colon);
    const std::string_view spec_text = colon < text.size() ? text.substr(colon + 1) : std::string_view();
    char conversion = '\0';
    if (const size_t mark = name.find('!'); mark != std::string_view::npos) {
      if (mark + 2 != name.size()) refuse("expected one letter behind ! in the text of format()");
      conversion = name[mark + 1];
      name = name.substr(0, mark);
    }
    Value v = value_of(name);
    if (conversion == 'r') {
      TextBuilder repr(in_.arena());
      append_repr(in_, repr, v);
      v = Value::of(repr.finish());
    } else if (conversion == 's') {
      v = Value::of(&str(in_, v));
    } else if (conversion != '\0') {
      refuse("the conversion !", std::string(1, conversion), " of format() is not supported in chat templates");
    }
    append(v, spec_text);
  }

  Value value_of(std::string_view name) {
    const size_t end = std::min(name.find_first_of(".["), name.size());
    Value v = argument(name.substr(0, end));
    for (size_t i = end; i < name.size();) {
      if (name[i] == '.') {
        const size_t stop = std::min(name.find_first_of(".[", i + 1), name.size());
        if (stop == i + 1) refuse("an empty attribute in the text of format()");
        v = get_attr(in_, v, in_.arena().copy(name.substr(i + 1, stop - i - 1)));
        i = stop;
      } else {
        const size_t stop = name.find(']', i);
        if (name[i] != '[' || stop == std::string_view::npos || stop == i + 1)
          refuse("a field of format() is not closed; expected ]");
        const std::string_view key = name.substr(i + 1, stop - i - 1);
        v = get_item(in_, v, is_number(key) ? Value::of(number_of(key)) : in_.text(key));
        i = stop + 1;
      }
    }
    return v;
  }

  static bool is_number(std::string_view text) {
    return !text.empty() && text.find_first_not_of("0123456789") == std::string_view::npos;
  }
  static int64_t number_of(std::string_view digits) {
    if (digits.size() > 9) refuse("a number of more than 9 digits in the text of format()");
    int64_t n = 0;
    for (const char c : digits) n = n * 10 + (c - '0');
    return n;
  }

  const Value& argument(std::string_view name) {
    if (name.empty() || is_number(name)) {
      const bool is_automatic = name.empty();
      if (numbering_ != Numbering::kNone && (numbering_ == Numbering::kAutomatic) != is_automatic)
        refuse("format() cannot mix {} and {0}");
      numbering_ = is_automatic ? Numbering::kAutomatic : Numbering::kManual;
      const auto i = static_cast<size_t>(is_automatic ? next_++ : number_of(name));
      if (i >= arguments_.positional.size()) refuse("format() has too few arguments for its text");
      return arguments_.positional[i];
    }
    for (const auto& [known, value] : arguments_.named)
      if (known == name) return value;
    refuse("format() has no argument named ", name);
  }

  static Spec parse(std::string_view text) {
    Spec spec;
    size_t i = 0, length = 0;
    static constexpr std::string_view kAligns = "<>=^";
    const auto is_align = [&](size_t at) {
      return at < text.size() && kAligns.find(text[at]) != std::string_view::npos;
    };
    if (!text.empty()) {
      const char32_t first = decode_utf8(text, 0, &length);
      if (is_align(length)) {
        spec.fill = first;
        spec.align = text[length];
        i = length + 1;
      } else if (is_align(0)) {
        spec.align = text[0];
        i = 1;
      }
    }
    const auto skip = [&](char c) { return i < text.size() && text[i] == c ? ++i, true : false; };
    const auto number = [&] {
      int64_t n = 0;
      for (; i < text.size() && text[i] >= '0' && text[i] <= '9'; ++i)
        if ((n = n * 10 + (text[i] - '0')) > kMostWidth) refuse("a width beyond ", kMostWidth);
      return n;
    };
    if (i < text.size() && (text[i] == '+' || text[i] == '-' || text[i] == ' ')) spec.sign = text[i++];
    spec.alternate = skip('#');
    spec.zero = skip('0');
    spec.width = number();
    if (skip(',')) spec.grouping = ',';
    if (skip('_')) spec.grouping = '_';
    if (skip('.')) {
      if (i >= text.size() || text[i] < '0' || text[i] > '9')
        refuse("expected a precision behind the point of a format");
      spec.precision = number();
    }
    if (i < text.size()) spec.type = text[i++];
    if (i < text.size()) refuse("the format ", shown(text), " is not supported in chat templates");
    return spec;
  }

  void append(const Value& v, std::string_view text) {
    if (text.empty()) return append_str(in_, out_, v);
    Spec spec = parse(text);
    if (v.is(Kind::kString)) {
      if ((spec.type && spec.type != 's') || spec.align == '=' || spec.grouping || spec.sign != '-' || spec.alternate)
        refuse("the format ", shown(text), " does not fit a str");
      if (spec.zero && !spec.align) spec.fill = '0';
      return append_text(in_, out_, *v.text, spec);
    }
    if (!v.is(Kind::kInt) && !v.is(Kind::kFloat))
      refuse("a value of type ", type_name(v), " takes no format in format()");
    static constexpr std::string_view kWhole = "dxXob", kReal = "eEfFgG%";
    const bool fits = !spec.type || kReal.find(spec.type) != std::string_view::npos ||
                      (v.is(Kind::kInt) && kWhole.find(spec.type) != std::string_view::npos);
    if (!fits ||
        (v.is(Kind::kInt) && spec.precision >= 0 && kReal.find(spec.type ? spec.type : 'd') == std::string_view::npos))
      refuse("the format ", shown(text), " does not fit a ", type_name(v));
    if (spec.grouping && spec.zero) refuse("the format ", shown(text), " is not supported in chat templates");
    if (spec.zero && !spec.align) {
      spec.align = '=';
      spec.fill = '0';
    }
    append_number(in_, out_, v, spec, false);
  }

  enum class Numbering { kNone, kAutomatic, kManual };
  Interpreter& in_;
  const Text& format_;
  const Arguments& arguments_;
  TextBuilder out_;
  Numbering numbering_ = Numbering::kNone;
  int64_t next_ = 0;
};

}  // namespace

Value format_percent(Interpreter& in, const Text& format, const Value& arguments) {
  return Percent(in, format, arguments).run();
}

Value format_braces(Interpreter& in, const Text& format, const Arguments& arguments) {
  return Braces(in, format, arguments).run();
}

}  // namespace ponder::text::jinja
