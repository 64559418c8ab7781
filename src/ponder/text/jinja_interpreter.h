// Runs a parsed template. Filters, tests and methods are handed the interpreter for its memory, its limits and calls.
#pragma once
#include <ctime>
#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "ponder/text/jinja_ast.h"

namespace ponder::text::jinja {

using Variables = std::vector<std::pair<std::string_view, Value>>;

struct Frame {
  Value* slots = nullptr;
  Frame* parent = nullptr;  // of the function around this one
};

class Interpreter {
 public:
  Interpreter(const Tree& tree, Arena& arena, const Variables& variables, const std::tm& now, int64_t max_steps)
      : tree_(tree), arena_(arena), variables_(variables), now_(now), steps_left_(max_steps), out_(nullptr) {}

  void run(TextBuilder& out);              // Refusal
  uint32_t offset() const { return at_; }  // byte of the source that was worked on last

  // --- For filters, tests and methods.

  Arena& arena() { return arena_; }
  const std::tm& now() const { return now_; }
  void step(size_t n = 1) {
    if (static_cast<int64_t>(n) > steps_left_) out_of_steps();
    steps_left_ -= static_cast<int64_t>(n);
  }
  void step_bytes(size_t bytes) { step(1 + bytes / 64); }
  Value call(const Value& callee, const Arguments& arguments);
  Iterator* iterate(const Value& v);  // Refusal when it cannot be iterated over
  Value text(std::string_view bytes, uint8_t marks = 0);
  Value borrowed_text(std::string_view bytes, uint8_t marks = 0);  // bytes outlive the rendering
  Value list(const std::vector<Value>& items, Kind kind = Kind::kList);
  Value missing(std::string_view name, std::string_view owner_type = "");
  Value missing_because(std::string message);
  Value function(std::string_view name, Native run, Value self = {});
  const Arguments& keep(const Arguments& arguments);  // until the rendering ends

  // Counts levels of recursion of every sort, so that the stack cannot run over.
  class Deeper {
   public:
    explicit Deeper(Interpreter& in) : in_(in) {
      if (++in_.depth_ > kMaxDepth) in_.too_deep();
    }
    ~Deeper() { --in_.depth_; }
    Deeper(const Deeper&) = delete;
    Deeper& operator=(const Deeper&) = delete;

   private:
    Interpreter& in_;
  };

 private:
  static constexpr int kMaxDepth = 1200;
  enum class Flow : uint8_t { kNext, kBreak, kContinue };

  class Captured;
  class LoopFilter;
  friend class LoopFilter;

  Flow run_body(const Body& body);
  Flow run_statement(const Stmt& s);
  Flow run_if(const Stmt& s);
  Flow run_for(const Stmt& s);
  Flow run_rounds(const Stmt& s, Iterator* items, int64_t known_length, int64_t depth0);
  Flow run_captured(const Stmt& s, TextBuilder& text);
  Flow run_set_block(const Stmt& s);
  Flow run_filter_block(const Stmt& s);
  Flow run_with(const Stmt& s);
  void run_call_block(const Stmt& s);
  void run_generation(const Stmt& s);
  void print(const Value& v);

  Value eval(const Expr& e);
  Value eval_name(const Expr& e);
  Value eval_call(const Expr& e, const Value* caller);
  Value eval_filter(const Expr& e, const Value* input);
  Value eval_compare(const Expr& e);
  Value eval_concat(const Expr& e);
  Value eval_slice(const Expr& e);
  Value eval_dict(const Expr& e);
  Value eval_items(const Expr& e, Kind kind);
  Value eval_binary(const Expr& e);
  Value eval_other(const Expr& e);
  void fill_arguments(const Expr& e, Arguments& arguments);

  Value call_macro(const Macro& macro, const Arguments& arguments);
  Value call_loop(Loop& loop, const Arguments& arguments);
  Value make_macro(const MacroBody& body);

  void assign(const Expr& target, const Value& v);
  void run_loads(const std::vector<Load>& loads);
  Value& slot(const Place& place);
  Frame* new_frame(uint32_t slots, Frame* parent);
  Value global(std::string_view name);
  [[noreturn]] void out_of_steps() const;
  [[noreturn]] void too_deep() const;

  const Tree& tree_;
  Arena& arena_;
  const Variables& variables_;
  const std::tm& now_;
  int64_t steps_left_;
  TextBuilder* out_;  // where text goes now
  std::vector<std::unique_ptr<Arguments>> kept_;
  Frame* frame_ = nullptr;
  uint32_t at_ = 0;
  int depth_ = 0;
};

// The arguments of a native function by name; Refusal for too many, unknown or missing ones. names[i] == "" can only be
// given by position.
class Bound {
 public:
  Bound(std::string_view function, const Arguments& arguments, std::initializer_list<std::string_view> names,
        size_t required = 0);
  const Value* operator[](size_t i) const { return values_[i]; }  // null: not given

 private:
  static constexpr size_t kMost = 8;
  const Value* values_[kMost] = {};
};

}  // namespace ponder::text::jinja
