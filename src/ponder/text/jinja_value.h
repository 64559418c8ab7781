// What a Jinja template computes with: Python's values as far as templates meet them. Used by the jinja_*.cc files
// only. Everything lives in one arena until the rendering ends, so values are plain 16-byte handles, cycles are
// harmless and a hostile template can use no more than the arena's limit. Values are immutable but for namespaces and
// iterators.
#pragma once
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "ponder/base/cat.h"

namespace ponder::text::jinja {

// What a template cannot do, as a message; the renderer adds the place and throws ponder::Error.
struct Refusal {
  std::string message;
};
template <class... Ts>
[[noreturn]] void refuse(const Ts&... parts) {
  throw Refusal{base::cat(parts...)};
}

class Arena {
 public:
  explicit Arena(size_t limit_bytes) : left_(limit_bytes), limit_(limit_bytes) {}
  void* allocate(size_t bytes);  // 8-byte aligned; Refusal beyond the limit
  template <class T, class... Args>
  T* make(Args&&... args) {
    static_assert(std::is_trivially_destructible_v<T>, "the arena runs no destructors");
    return new (allocate(sizeof(T))) T{std::forward<Args>(args)...};
  }
  template <class T>
  T* array(size_t n) {
    static_assert(std::is_trivially_destructible_v<T>, "the arena runs no destructors");
    if (n > limit_ / sizeof(T)) out_of_memory();
    T* items = static_cast<T*>(allocate(n * sizeof(T)));
    for (size_t i = 0; i < n; ++i) new (items + i) T();
    return items;
  }
  std::string_view copy(std::string_view bytes);
  void spend(size_t bytes) {  // counts memory that lies elsewhere
    if (bytes > left_) out_of_memory();
    left_ -= bytes;
  }

 private:
  [[noreturn]] void out_of_memory() const;
  std::vector<std::unique_ptr<char[]>> chunks_;
  char* next_ = nullptr;
  size_t chunk_left_ = 0, left_, limit_;
};

// Where a piece of text comes from.
enum Mark : uint8_t {
  kInput = 1,       // from the messages, tools or options: must not become a special token
  kGeneration = 2,  // inside {% generation %}: what an assistant wrote
};

struct Span {
  uint32_t end = 0;  // byte behind the last; a span begins where the one before it ends
  uint8_t marks = 0;
};

struct Text {
  const char* data = nullptr;
  uint32_t size = 0;
  uint32_t span_count = 0;  // 0: every byte has `marks`
  const Span* spans = nullptr;
  uint8_t marks = 0;
  bool is_markup = false;  // went through |safe: + escapes the other side, as markupsafe does
  std::string_view view() const { return {data, size}; }
};

enum class Kind : uint8_t {
  kUndefined,
  kNone,
  kBool,
  kInt,
  kFloat,
  kString,
  kList,
  kTuple,
  kDict,
  kView,  // dict.keys(), .values(), .items()
  kRange,
  kNamespace,
  kIterator,  // what a lazy filter gives: read once
  kFunction,  // a global or a bound method
  kMacro,
  kLoop,
};

struct Missing;
struct List;
struct Dict;
struct View;
struct Range;
struct Namespace;
class Iterator;
struct Function;
struct Macro;
struct Loop;

struct Value {
  Kind kind = Kind::kUndefined;
  union {
    bool boolean;
    int64_t integer;
    double number;
    const Missing* missing = nullptr;
    const Text* text;
    const List* list;  // kList and kTuple
    const Dict* dict;
    const View* view;
    const Range* range;
    Namespace* names;
    Iterator* iterator;
    const Function* function;
    const Macro* macro;
    Loop* loop;
  };

  bool is(Kind k) const { return kind == k; }
  bool is_sequence() const { return kind == Kind::kList || kind == Kind::kTuple; }
  bool is_whole() const { return kind == Kind::kInt || kind == Kind::kBool; }  // a bool is an int in Python
  bool is_number() const { return is_whole() || kind == Kind::kFloat; }
  int64_t whole() const { return kind == Kind::kBool ? boolean : integer; }
  double as_double() const { return kind == Kind::kFloat ? number : static_cast<double>(whole()); }

  static Value none() { return of(Kind::kNone); }
  static Value of(bool v) {
    Value out = of(Kind::kBool);
    out.boolean = v;
    return out;
  }
  static Value of(int64_t v) {
    Value out = of(Kind::kInt);
    out.integer = v;
    return out;
  }
  static Value of(double v) {
    Value out = of(Kind::kFloat);
    out.number = v;
    return out;
  }
  static Value of(const Text* v) {
    Value out = of(Kind::kString);
    out.text = v;
    return out;
  }
  static Value of(const List* v, Kind kind = Kind::kList) {
    Value out = of(kind);
    out.list = v;
    return out;
  }
  static Value of(const Dict* v) {
    Value out = of(Kind::kDict);
    out.dict = v;
    return out;
  }
  static Value of(const Function* v) {
    Value out = of(Kind::kFunction);
    out.function = v;
    return out;
  }
  static Value of(Iterator* v) {
    Value out = of(Kind::kIterator);
    out.iterator = v;
    return out;
  }
  template <class T>
  static Value of(T*) = delete;  // a pointer would quietly become true
  static Value of(Kind kind) {
    Value out;
    out.kind = kind;
    return out;
  }
};

// Why something is undefined; told when it is used in a way that needs a value.
struct Missing {
  std::string_view message;     // "" = made from the two below
  std::string_view name;        // of a variable, attribute or key
  std::string_view owner_type;  // "" = a variable
};

struct List {
  const Value* items = nullptr;
  uint32_t size = 0;
};

struct Dict {
  const std::pair<Value, Value>* items = nullptr;  // in order of insertion
  uint32_t size = 0;
};

struct View {
  enum class Part : uint8_t { kKeys, kValues, kItems };
  const Dict* dict = nullptr;
  Part part = Part::kKeys;
};

struct Range {
  int64_t start = 0, stop = 0, step = 1;
  int64_t size() const {  // at most kMaxRange, checked when it is made
    if (step > 0 ? start >= stop : start <= stop) return 0;
    return step > 0 ? (stop - start - 1) / step + 1 : (start - stop - 1) / -step + 1;
  }
  int64_t at(int64_t i) const { return start + i * step; }
};
inline constexpr int64_t kMaxRange = 100000;  // Jinja's own limit in its sandbox

struct Namespace {
  std::pair<Value, Value>* items = nullptr;
  uint32_t size = 0, capacity = 0;
};

class Interpreter;

class Iterator {
 public:
  virtual bool next(Interpreter& in, Value* item) = 0;  // false at the end
  const char* kind_name = "generator";                  // as Python names it

 protected:
  ~Iterator() = default;  // the arena runs none
};

struct Arguments {
  std::vector<Value> positional;
  std::vector<std::pair<std::string_view, Value>> named;
};

using Native = Value (*)(Interpreter& in, const Value& self, const Arguments& arguments);
struct Function {
  std::string_view name;
  Native run = nullptr;  // null: Python has it, templates here have not
  Value self;
};

struct MacroBody;  // jinja_ast.h
struct Frame;
struct Macro {
  const MacroBody* body = nullptr;
  Frame* closure = nullptr;
};

struct Loop {
  Iterator* items = nullptr;
  int64_t index0 = -1, depth0 = 0;
  int64_t known_length = -1;     // of what is iterated over, -1 for an iterator that was not counted yet
  Value current, before, after;  // after: read ahead
  bool has_after = false, is_ended = false;
  Value last_changed;  // arguments of the last changed(), a tuple
  bool has_changed = false;
  const struct Stmt* recursive = nullptr;  // the loop statement when it may call itself
  Frame* closure = nullptr;
};

// Builds a text with its marks; equal neighbours share a span.
class TextBuilder {
 public:
  explicit TextBuilder(Arena& arena) : arena_(arena) {}
  void append(std::string_view bytes, uint8_t marks);
  void append(const Text& text, uint8_t extra_marks = 0) { append_slice(text, 0, text.size, extra_marks); }
  void append_slice(const Text& text, size_t begin, size_t end, uint8_t extra_marks = 0);
  size_t size() const { return bytes_.size(); }
  std::string_view bytes() const { return bytes_; }
  const std::vector<Span>& spans() const { return spans_; }
  const Text* finish() const;  // copies
  void truncate(size_t size);

 private:
  Arena& arena_;
  std::string bytes_;
  std::vector<Span> spans_;
};

uint8_t marks_at(const Text& text, size_t byte);
// Bytes [begin, end) of a text; nothing is copied but spans.
const Text* slice_text(Arena& arena, const Text& text, size_t begin, size_t end);
// The marks that a text derived from this one gets where no byte corresponds: input if any of it is input.
uint8_t blended_marks(const Text& text);

}  // namespace ponder::text::jinja
