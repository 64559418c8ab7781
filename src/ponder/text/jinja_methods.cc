// The methods of str, dict, list and tuple. Where a text is cut or put together its marks go along.
#include <algorithm>
#include <array>

#include "ponder/text/jinja_objects.h"
#include "ponder/text/jinja_python.h"
#include "ponder/text/jinja_strings.h"
#include "ponder/text/jinja_unicode.h"

namespace ponder::text::jinja {
namespace {

const Text* same_kind(Interpreter& in, const Text* text, const Text& like) {
  if (text->is_markup == like.is_markup) return text;
  Text* copy = in.arena().make<Text>(*text);
  copy->is_markup = like.is_markup;
  return copy;
}

Value cut(Interpreter& in, const Text& text, size_t begin, size_t end) {
  return Value::of(slice_text(in.arena(), text, begin, end));
}

// --- Cutting.

Value strip_by(Interpreter& in, const Value& self, const Arguments& arguments, bool left, bool right) {
  const Bound bound("strip", arguments, {""});
  return strip(in, *self.text, bound[0] ? *bound[0] : Value::none(), left, right);
}
Value strip_method(Interpreter& in, const Value& self, const Arguments& a) { return strip_by(in, self, a, true, true); }
Value lstrip(Interpreter& in, const Value& self, const Arguments& a) { return strip_by(in, self, a, true, false); }
Value rstrip(Interpreter& in, const Value& self, const Arguments& a) { return strip_by(in, self, a, false, true); }

// The cuts of split(None): words between white space.
void split_words(Interpreter& in, const Text& text, int64_t most, bool from_right, std::vector<Value>& parts) {
  const std::string_view bytes = text.view();
  size_t begin = 0, end = bytes.size();
  while (true) {
    strip_spaces(bytes, true, true, &begin, &end);
    if (begin == end) break;
    if (most-- == 0) {
      // The rest keeps the white space at its far side.
      if (!from_right) end = bytes.size();
      if (from_right) begin = 0;
      size_t b = begin, e = end;
      strip_spaces(bytes, !from_right, from_right, &b, &e);
      parts.push_back(cut(in, text, b, e));
      break;
    }
    size_t length;
    if (from_right) {
      size_t word = end;
      while (word > begin && !is_space(decode_utf8(bytes, previous_code_point(bytes, word), &length)))
        word = previous_code_point(bytes, word);
      parts.push_back(cut(in, text, word, end));
      end = word;
    } else {
      size_t word = begin;
      while (word < end && !is_space(decode_utf8(bytes, word, &length))) word += length;
      parts.push_back(cut(in, text, begin, word));
      begin = word;
    }
  }
  if (from_right) std::reverse(parts.begin(), parts.end());
}

Value split_by(Interpreter& in, const Value& self, const Arguments& arguments, bool from_right) {
  const Bound bound(from_right ? "rsplit" : "split", arguments, {"sep", "maxsplit"});
  int64_t most = bound[1] ? as_index(*bound[1], "maxsplit") : -1;
  const Text& text = *self.text;
  in.step_bytes(text.size);
  std::vector<Value> parts;
  if (!bound[0] || bound[0]->is(Kind::kNone)) {
    split_words(in, text, most, from_right, parts);
    return in.list(parts);
  }
  const std::string_view separator = as_text(*bound[0], "the separator of split()"), bytes = text.view();
  if (separator.empty()) refuse("split() needs a separator that is not empty");
  size_t begin = 0, end = bytes.size();
  while (most-- != 0) {
    in.step();
    const std::string_view rest = bytes.substr(begin, end - begin);
    const size_t found = from_right ? rest.rfind(separator) : rest.find(separator);
    if (found == std::string_view::npos) break;
    const size_t at = begin + found;
    parts.push_back(from_right ? cut(in, text, at + separator.size(), end) : cut(in, text, begin, at));
    (from_right ? end : begin) = from_right ? at : at + separator.size();
  }
  parts.push_back(cut(in, text, begin, end));
  if (from_right) std::reverse(parts.begin(), parts.end());
  return in.list(parts);
}
Value split(Interpreter& in, const Value& self, const Arguments& a) { return split_by(in, self, a, false); }
Value rsplit(Interpreter& in, const Value& self, const Arguments& a) { return split_by(in, self, a, true); }

Value splitlines(Interpreter& in, const Value& self, const Arguments& arguments) {
  const Bound bound("splitlines", arguments, {"keepends"});
  const bool keeps = bound[0] && truth(in, *bound[0]);
  std::vector<Value> lines;
  for (const auto& [begin, end, behind] : lines_of(in, *self.text))
    lines.push_back(cut(in, *self.text, begin, keeps ? behind : end));
  return in.list(lines);
}

Value partition_by(Interpreter& in, const Value& self, const Arguments& arguments, bool from_right) {
  const Bound bound("partition", arguments, {""}, 1);
  const std::string_view separator = as_text(*bound[0], "the separator of partition()");
  if (separator.empty()) refuse("partition() needs a separator that is not empty");
  const Text& text = *self.text;
  in.step_bytes(text.size);
  const size_t at = from_right ? text.view().rfind(separator) : text.view().find(separator);
  const Value empty = in.text("");
  if (at == std::string_view::npos)
    return in.list(from_right ? std::vector{empty, empty, self} : std::vector{self, empty, empty}, Kind::kTuple);
  return in.list(
      {cut(in, text, 0, at), cut(in, text, at, at + separator.size()), cut(in, text, at + separator.size(), text.size)},
      Kind::kTuple);
}
Value partition(Interpreter& in, const Value& self, const Arguments& a) { return partition_by(in, self, a, false); }
Value rpartition(Interpreter& in, const Value& self, const Arguments& a) { return partition_by(in, self, a, true); }

Value removeprefix(Interpreter& in, const Value& self, const Arguments& arguments) {
  const Bound bound("removeprefix", arguments, {""}, 1);
  const std::string_view prefix = as_text(*bound[0], "the prefix");
  return self.text->view().starts_with(prefix) ? cut(in, *self.text, prefix.size(), self.text->size) : self;
}
Value removesuffix(Interpreter& in, const Value& self, const Arguments& arguments) {
  const Bound bound("removesuffix", arguments, {""}, 1);
  const std::string_view suffix = as_text(*bound[0], "the suffix");
  return self.text->view().ends_with(suffix) ? cut(in, *self.text, 0, self.text->size - suffix.size()) : self;
}

// --- Looking.

// The bytes of text[begin:end] that the optional arguments of find(), count() and startswith() ask for.
struct Window {
  size_t begin = 0, end = 0;
  bool is_valid = true;  // false: begin lies behind the end
};

Window window_of(Interpreter& in, const Text& text, const Value* from, const Value* to) {
  if (!from && !to) return {0, text.size, true};
  const int64_t n = length(in, Value::of(&text));
  const auto place = [&](const Value* v, int64_t otherwise) {
    if (!v || v->is(Kind::kNone)) return otherwise;
    const int64_t i = as_index(*v, "a position");
    return i < 0 ? std::max<int64_t>(0, i + n) : i;
  };
  const int64_t begin = place(from, 0), end = std::min(n, place(to, n));
  if (begin > n || begin > end) return {0, 0, false};
  return {byte_of_code_point(text.view(), static_cast<size_t>(begin)),
          byte_of_code_point(text.view(), static_cast<size_t>(end)), true};
}

int64_t find_in(Interpreter& in, const Value& self, const Arguments& arguments, const char* name, bool from_right) {
  const Bound bound(name, arguments, {"", "", ""}, 1);
  const std::string_view wanted = as_text(*bound[0], "what is looked for");
  const Window w = window_of(in, *self.text, bound[1], bound[2]);
  if (!w.is_valid) return -1;
  in.step_bytes(self.text->size);
  const std::string_view bytes = self.text->view(), part = bytes.substr(w.begin, w.end - w.begin);
  const size_t at = from_right ? part.rfind(wanted) : part.find(wanted);
  if (at == std::string_view::npos) return -1;
  return static_cast<int64_t>(count_code_points(bytes.substr(0, w.begin + at)));
}
Value find(Interpreter& in, const Value& self, const Arguments& a) {
  return Value::of(find_in(in, self, a, "find", false));
}
Value rfind(Interpreter& in, const Value& self, const Arguments& a) {
  return Value::of(find_in(in, self, a, "rfind", true));
}
Value index_by(Interpreter& in, const Value& self, const Arguments& a, bool from_right) {
  const int64_t at = find_in(in, self, a, "index", from_right);
  if (at < 0) refuse("index() did not find the text");
  return Value::of(at);
}
Value index(Interpreter& in, const Value& self, const Arguments& a) { return index_by(in, self, a, false); }
Value rindex(Interpreter& in, const Value& self, const Arguments& a) { return index_by(in, self, a, true); }

Value count(Interpreter& in, const Value& self, const Arguments& arguments) {
  const Bound bound("count", arguments, {"", "", ""}, 1);
  const std::string_view wanted = as_text(*bound[0], "what is counted");
  const Window w = window_of(in, *self.text, bound[1], bound[2]);
  if (!w.is_valid) return Value::of(int64_t{0});
  in.step_bytes(self.text->size);
  const std::string_view part = self.text->view().substr(w.begin, w.end - w.begin);
  if (wanted.empty()) return Value::of(static_cast<int64_t>(count_code_points(part)) + 1);
  int64_t n = 0;
  for (size_t at = part.find(wanted); at != std::string_view::npos; at = part.find(wanted, at + wanted.size())) ++n;
  return Value::of(n);
}

Value starts_or_ends(Interpreter& in, const Value& self, const Arguments& arguments, bool starts) {
  const Bound bound(starts ? "startswith" : "endswith", arguments, {"", "", ""}, 1);
  const Window w = window_of(in, *self.text, bound[1], bound[2]);
  const std::string_view part = self.text->view().substr(w.begin, w.end - w.begin);
  const auto fits = [&](const Value& v) {
    const std::string_view wanted = as_text(v, "what startswith() or endswith() looks for");
    return w.is_valid && (starts ? part.starts_with(wanted) : part.ends_with(wanted));
  };
  if (!bound[0]->is(Kind::kTuple)) return Value::of(fits(*bound[0]));
  for (uint32_t i = 0; i < bound[0]->list->size; ++i)
    if (fits(bound[0]->list->items[i])) return Value::of(true);
  return Value::of(false);
}
Value startswith(Interpreter& in, const Value& self, const Arguments& a) { return starts_or_ends(in, self, a, true); }
Value endswith(Interpreter& in, const Value& self, const Arguments& a) { return starts_or_ends(in, self, a, false); }

// --- Putting together.

Value replace_method(Interpreter& in, const Value& self, const Arguments& arguments) {
  const Bound bound("replace", arguments, {"", "", ""}, 2);
  as_text(*bound[0], "what replace() looks for");
  as_text(*bound[1], "the replacement");
  if (self.text->is_markup) refuse("replace() on a safe text is not supported in chat templates");
  return replace(in, *self.text, *bound[0]->text, *bound[1]->text, bound[2] ? as_index(*bound[2], "count") : -1);
}

Value join(Interpreter& in, const Value& self, const Arguments& arguments) {
  const Bound bound("join", arguments, {""}, 1);
  if (self.text->is_markup) refuse("join() on a safe text is not supported in chat templates");
  TextBuilder out(in.arena());
  bool is_first = true;
  for (const Value& v : to_vector(in, *bound[0])) {
    if (!v.is(Kind::kString)) refuse("join() takes texts only, found ", type_name(v));
    if (!is_first) out.append(*self.text);
    is_first = false;
    in.step_bytes(v.text->size + size_t{self.text->size});
    out.append(*v.text);
  }
  return Value::of(out.finish());
}

Value padded(Interpreter& in, const Value& self, const Arguments& arguments, double left_share) {
  const Bound bound("center, ljust or rjust", arguments, {"", ""}, 1);
  const int64_t width = as_index(*bound[0], "the width");
  const std::string_view fill = bound[1] ? as_text(*bound[1], "the fill character") : " ";
  if (count_code_points(fill) != 1) refuse("the fill character must be one character");
  return pad(in, *self.text, width, fill, left_share);
}
Value center_method(Interpreter& in, const Value& self, const Arguments& a) { return padded(in, self, a, 0.5); }
Value ljust(Interpreter& in, const Value& self, const Arguments& a) { return padded(in, self, a, 0); }
Value rjust(Interpreter& in, const Value& self, const Arguments& a) { return padded(in, self, a, 1); }

Value zfill(Interpreter& in, const Value& self, const Arguments& arguments) {
  const Bound bound("zfill", arguments, {""}, 1);
  const Text& text = *self.text;
  const int64_t missing = as_index(*bound[0], "the width") - length(in, self);
  if (missing <= 0) return self;
  const bool is_signed = text.size > 0 && (text.data[0] == '-' || text.data[0] == '+');
  TextBuilder out(in.arena());
  out.append_slice(text, 0, is_signed);
  in.arena().spend(static_cast<size_t>(missing));
  out.append(std::string(static_cast<size_t>(missing), '0'), 0);
  out.append_slice(text, is_signed, text.size);
  return Value::of(out.finish());
}

// --- Case.

Value with_case(Interpreter& in, const Value& self, const Arguments& arguments, Case to) {
  const Bound bound("upper, lower, title or capitalize", arguments, {});
  return Value::of(same_kind(in, change_case(in, *self.text, to), *self.text));
}
Value upper(Interpreter& in, const Value& self, const Arguments& a) { return with_case(in, self, a, Case::kUpper); }
Value lower(Interpreter& in, const Value& self, const Arguments& a) { return with_case(in, self, a, Case::kLower); }
Value title(Interpreter& in, const Value& self, const Arguments& a) { return with_case(in, self, a, Case::kTitle); }
Value capitalize(Interpreter& in, const Value& self, const Arguments& a) {
  return with_case(in, self, a, Case::kCapital);
}
Value swapcase(Interpreter& in, const Value& self, const Arguments& a) { return with_case(in, self, a, Case::kSwap); }

// --- Questions about every character.

Value all_are(const Value& self, const Arguments& arguments, bool (*is_one)(char32_t)) {
  const Bound bound("a question about a text", arguments, {});
  const std::string_view bytes = self.text->view();
  for (size_t i = 0, length; i < bytes.size(); i += length)
    if (!is_one(decode_utf8(bytes, i, &length))) return Value::of(false);
  return Value::of(!bytes.empty());
}
Value isspace(Interpreter&, const Value& self, const Arguments& a) { return all_are(self, a, is_space); }
Value isalpha(Interpreter&, const Value& self, const Arguments& a) { return all_are(self, a, is_alpha); }
Value isdecimal(Interpreter&, const Value& self, const Arguments& a) { return all_are(self, a, is_decimal); }
Value isdigit(Interpreter&, const Value& self, const Arguments& a) { return all_are(self, a, is_digit); }
Value isnumeric(Interpreter&, const Value& self, const Arguments& a) { return all_are(self, a, is_numeric); }
Value isalnum(Interpreter&, const Value& self, const Arguments& a) {
  return all_are(self, a, [](char32_t c) { return is_alpha(c) || is_decimal(c) || is_digit(c) || is_numeric(c); });
}
Value isascii(Interpreter&, const Value& self, const Arguments& a) {
  return Value::of(self.text->size == 0 || all_are(self, a, [](char32_t c) { return c < 0x80; }).boolean);
}
Value isprintable(Interpreter&, const Value& self, const Arguments& a) {
  return Value::of(self.text->size == 0 || all_are(self, a, is_printable).boolean);
}
Value isupper(Interpreter&, const Value& self, const Arguments& a) {
  const Bound bound("isupper", a, {});
  return Value::of(is_in_case(self.text->view(), true));
}
Value islower(Interpreter&, const Value& self, const Arguments& a) {
  const Bound bound("islower", a, {});
  return Value::of(is_in_case(self.text->view(), false));
}

Value format_method(Interpreter& in, const Value& self, const Arguments& arguments) {
  if (self.text->is_markup) refuse("format() on a safe text is not supported in chat templates");
  return format_braces(in, *self.text, arguments);
}

// --- dict, list, tuple.

Value view_of(Interpreter& in, const Value& self, const Arguments& arguments, View::Part part) {
  const Bound bound("keys, values or items", arguments, {});
  Value v = Value::of(Kind::kView);
  v.view = in.arena().make<View>(self.dict, part);
  return v;
}
Value keys(Interpreter& in, const Value& self, const Arguments& a) { return view_of(in, self, a, View::Part::kKeys); }
Value values(Interpreter& in, const Value& self, const Arguments& a) {
  return view_of(in, self, a, View::Part::kValues);
}
Value items(Interpreter& in, const Value& self, const Arguments& a) { return view_of(in, self, a, View::Part::kItems); }

Value get(Interpreter& in, const Value& self, const Arguments& arguments) {
  const Bound bound("get", arguments, {"", ""}, 1);
  if (!is_hashable(*bound[0])) refuse("a ", type_name(*bound[0]), " cannot be the key of a dict");
  if (const Value* found = find_key(in, *self.dict, *bound[0])) return *found;
  return bound[1] ? *bound[1] : Value::none();
}

Value copy(Interpreter&, const Value& self, const Arguments& arguments) {
  const Bound bound("copy", arguments, {});
  return self;  // nothing can change it
}

Value list_index(Interpreter& in, const Value& self, const Arguments& arguments) {
  const Bound bound("index", arguments, {""}, 1);
  for (uint32_t i = 0; i < self.list->size; ++i)
    if (equal(in, self.list->items[i], *bound[0])) return Value::of(int64_t{i});
  refuse("index() did not find the value");
}
Value list_count(Interpreter& in, const Value& self, const Arguments& arguments) {
  const Bound bound("count", arguments, {""}, 1);
  int64_t n = 0;
  for (uint32_t i = 0; i < self.list->size; ++i) n += equal(in, self.list->items[i], *bound[0]);
  return Value::of(n);
}

struct NamedMethod {
  std::string_view name;
  Native run;
  bool changes = false;
};

constexpr NamedMethod kStringMethods[] = {
    {"capitalize", capitalize},
    {"casefold", nullptr},
    {"center", center_method},
    {"count", count},
    {"encode", nullptr},
    {"endswith", endswith},
    {"expandtabs", nullptr},
    {"find", find},
    {"format", format_method},
    {"format_map", nullptr},
    {"index", index},
    {"isalnum", isalnum},
    {"isalpha", isalpha},
    {"isascii", isascii},
    {"isdecimal", isdecimal},
    {"isdigit", isdigit},
    {"isidentifier", nullptr},
    {"islower", islower},
    {"isnumeric", isnumeric},
    {"isprintable", isprintable},
    {"isspace", isspace},
    {"istitle", nullptr},
    {"isupper", isupper},
    {"join", join},
    {"ljust", ljust},
    {"lower", lower},
    {"lstrip", lstrip},
    {"maketrans", nullptr},
    {"partition", partition},
    {"removeprefix", removeprefix},
    {"removesuffix", removesuffix},
    {"replace", replace_method},
    {"rfind", rfind},
    {"rindex", rindex},
    {"rjust", rjust},
    {"rpartition", rpartition},
    {"rsplit", rsplit},
    {"rstrip", rstrip},
    {"split", split},
    {"splitlines", splitlines},
    {"startswith", startswith},
    {"strip", strip_method},
    {"swapcase", swapcase},
    {"title", title},
    {"translate", nullptr},
    {"upper", upper},
    {"zfill", zfill},
};

constexpr NamedMethod kDictMethods[] = {
    {"clear", nullptr, true},
    {"copy", copy},
    {"fromkeys", nullptr},
    {"get", get},
    {"items", items},
    {"keys", keys},
    {"pop", nullptr, true},
    {"popitem", nullptr, true},
    {"setdefault", nullptr, true},
    {"update", nullptr, true},
    {"values", values},
};

constexpr NamedMethod kListMethods[] = {
    {"append", nullptr, true},  {"clear", nullptr, true},  {"copy", copy},
    {"count", list_count},      {"extend", nullptr, true}, {"index", list_index},
    {"insert", nullptr, true},  {"pop", nullptr, true},    {"remove", nullptr, true},
    {"reverse", nullptr, true}, {"sort", nullptr, true},
};

constexpr NamedMethod kTupleMethods[] = {{"count", list_count}, {"index", list_index}};

template <size_t N>
std::optional<Method> find_in_table(const NamedMethod (&table)[N], std::string_view name) {
  for (const NamedMethod& m : table)
    if (m.name == name) return Method{m.run, m.changes};
  return std::nullopt;
}

}  // namespace

std::optional<Method> find_method(const Value& v, std::string_view name) {
  switch (v.kind) {
    case Kind::kString:
      return find_in_table(kStringMethods, name);
    case Kind::kDict:
      return find_in_table(kDictMethods, name);
    case Kind::kList:
      return find_in_table(kListMethods, name);
    case Kind::kTuple:
      return find_in_table(kTupleMethods, name);
    default:
      return std::nullopt;
  }
}

}  // namespace ponder::text::jinja
