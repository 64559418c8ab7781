#include "ponder/text/jinja_scopes.h"

#include <map>
#include <set>

#include "ponder/text/jinja_filters.h"
#include "ponder/text/jinja_lexer.h"

namespace ponder::text::jinja {
namespace {

// What has a frame of its own at run time: the template, a macro, a recursive loop, a loop's condition.
struct Function {
  const Function* parent = nullptr;
  std::map<std::pair<int, std::string>, uint32_t> slots;  // by level and name
  uint32_t slot(int level, const std::string& name) {
    return slots.emplace(std::pair(level, name), static_cast<uint32_t>(slots.size())).first->second;
  }
};

struct Ident {
  const Function* function = nullptr;
  uint32_t slot = 0;
};

// The names of one scope: where each lives and how it gets its first value.
struct Symbols {
  enum class From { kParameter, kContext, kAlias, kNothing };
  struct FirstValue {
    From from = From::kNothing;
    std::string name;
    Ident alias;
  };

  Symbols(Function& f, const Symbols* p) : function(&f), parent(p), level(p ? p->level + 1 : 0) {}

  const Ident* find(const std::string& name) const {
    for (const Symbols* s = this; s; s = s->parent)
      if (const auto found = s->refs.find(name); found != s->refs.end()) return &found->second;
    return nullptr;
  }
  void define(const std::string& name, FirstValue value) {
    const Ident ident{function, function->slot(level, name)};
    refs[name] = ident;
    loads[ident.slot] = std::move(value);
  }
  void store(const std::string& name) {
    stores.insert(name);
    if (refs.contains(name)) return;
    const Ident* outer = parent ? parent->find(name) : nullptr;
    define(name, outer ? FirstValue{From::kAlias, "", *outer} : FirstValue{From::kNothing, "", {}});
  }
  void parameter(const std::string& name) {
    stores.insert(name);
    define(name, {From::kParameter, "", {}});
  }
  void load(const std::string& name) {
    if (!find(name)) define(name, {From::kContext, name, {}});
  }
  // Joins what the branches of an if did; a name that only some of them set keeps its outer value in the others.
  void join(const std::vector<Symbols>& branches) {
    std::set<std::string> fresh;
    for (const Symbols& branch : branches)
      for (const std::string& name : branch.stores)
        if (!stores.contains(name)) fresh.insert(name);
    for (const Symbols& branch : branches) {
      for (const auto& [name, ident] : branch.refs) refs[name] = ident;
      for (const auto& [slot, value] : branch.loads) loads[slot] = value;
      stores.insert(branch.stores.begin(), branch.stores.end());
    }
    for (const std::string& name : fresh) {
      const Ident* outer = parent ? parent->find(name) : nullptr;
      loads[find(name)->slot] = outer ? FirstValue{From::kAlias, "", *outer} : FirstValue{From::kContext, name, {}};
    }
  }

  Function* function;
  const Symbols* parent;
  int level;
  std::map<std::string, Ident> refs;
  std::map<uint32_t, FirstValue> loads;
  std::set<std::string> stores;
};

// Collects the names that a scope's own statements load and store; scopes inside are visited on their own.
class Collector {
 public:
  explicit Collector(Symbols& symbols) : symbols_(&symbols) {}

  void expr(const Expr* e) {
    if (!e) return;
    if (e->kind == ExprKind::kName || e->kind == ExprKind::kMember) return symbols_->load(e->name);
    for (const Expr* item : e->items) expr(item);
    for (const auto& [name, value] : e->named) expr(value);
    expr(e->spread_list);
    expr(e->spread_dict);
  }
  void target(const Expr* e, bool as_parameter) {
    if (e->kind == ExprKind::kTuple) {
      for (const Expr* item : e->items) target(item, as_parameter);
    } else if (e->kind == ExprKind::kMember) {
      symbols_->load(e->name);
    } else if (as_parameter) {
      symbols_->parameter(e->name);
    } else {
      symbols_->store(e->name);
    }
  }
  void body(const Body& statements) {
    for (const Stmt* s : statements) statement(*s);
  }

 private:
  void statement(const Stmt& s) {
    switch (s.kind) {
      case StmtKind::kOutput:
      case StmtKind::kWith:
        for (const Expr* e : s.exprs) expr(e);
        break;
      case StmtKind::kFor:
      case StmtKind::kCallBlock:
      case StmtKind::kFilterBlock:
        expr(s.value);
        break;
      case StmtKind::kIf:
        condition(s);
        break;
      case StmtKind::kSet:
        expr(s.value);
        target(s.target, false);
        break;
      case StmtKind::kSetBlock:
      case StmtKind::kMacro:
        target(s.target, false);
        break;
      case StmtKind::kText:
      case StmtKind::kGeneration:
      case StmtKind::kBreak:
      case StmtKind::kContinue:
        break;
    }
  }

  template <class Visit>
  Symbols branch(const Visit& visit) {
    Symbols* original = symbols_;
    Symbols copy = *original;
    symbols_ = &copy;
    visit();
    symbols_ = original;
    return copy;
  }

  void condition(const Stmt& s) {
    expr(s.exprs[0]);
    std::vector<Symbols> branches;
    branches.push_back(branch([&] { body(s.bodies[0]); }));
    branches.push_back(branch([&] {
      for (size_t i = 1; i < s.exprs.size(); ++i) {
        expr(s.exprs[i]);
        symbols_->join({branch([&] { body(s.bodies[i]); })});
      }
    }));
    branches.push_back(branch([&] { body(s.otherwise); }));
    symbols_->join(branches);
  }

  Symbols* symbols_;
};

// Is `name` read in these statements, however deep, before it is assigned?
class FirstUse {
 public:
  explicit FirstUse(std::string_view name) : name_(name) {}
  bool is_read(const Body& statements) {
    body(statements);
    return is_read_;
  }

 private:
  void expr(const Expr* e) {
    if (!e || is_decided()) return;
    if (e->kind == ExprKind::kName) {
      is_read_ = is_read_ || e->name == name_;
      return;
    }
    if (e->kind == ExprKind::kMember) return;
    for (const Expr* item : e->items) expr(item);
    for (const auto& [name, value] : e->named) expr(value);
    expr(e->spread_list);
    expr(e->spread_dict);
  }
  void target(const Expr* e) {
    if (e->kind == ExprKind::kTuple)
      for (const Expr* item : e->items) target(item);
    if (e->kind == ExprKind::kName && e->name == name_ && !is_read_) is_assigned_ = true;
  }
  void macro(const MacroBody& m) {
    for (const Expr* e : m.parameters) target(e);
    for (const Expr* e : m.defaults) expr(e);
    body(m.body);
  }
  void body(const Body& statements) {
    for (const Stmt* s : statements) {
      if (is_decided()) return;
      const bool is_loop = s->kind == StmtKind::kFor;
      const bool is_plain_target = s->kind == StmtKind::kSet || s->kind == StmtKind::kSetBlock || is_loop;
      if (is_plain_target) target(s->target);
      for (const Expr* e : s->targets) target(e);
      const bool filters_last = s->kind == StmtKind::kFilterBlock;
      if (!filters_last) expr(s->value);
      for (size_t i = 0; i < s->exprs.size(); ++i) {
        expr(s->exprs[i]);
        if (s->kind == StmtKind::kIf) body(s->bodies[i]);
      }
      if (s->kind != StmtKind::kIf)
        for (const Body& b : s->bodies) body(b);
      body(s->otherwise);
      expr(s->condition);
      if (filters_last) expr(s->value);
      macro(s->macro);
    }
  }
  bool is_decided() const { return is_read_ || is_assigned_; }

  std::string_view name_;
  bool is_read_ = false, is_assigned_ = false;
};

class ScopePass {
 public:
  explicit ScopePass(Tree& tree) : tree_(tree) {}

  void run() {
    Function root;
    Symbols symbols(root, nullptr);
    Collector(symbols).body(tree_.body);
    body(tree_.body, symbols, {});
    tree_.loads = loads_of(symbols);
    tree_.slots = static_cast<uint32_t>(root.slots.size());
  }

 private:
  struct Where {
    bool in_loop = false;  // break may stand here
    bool is_soft = false;  // inside an if: unknown filters are an error only when reached
  };

  [[noreturn]] static void fail(std::string message, uint32_t offset) { throw SyntaxError{std::move(message), offset}; }

  static Place place_of(const Symbols& symbols, const std::string& name, uint32_t offset) {
    const Ident* ident = symbols.find(name);
    if (!ident) fail(base::cat("the name ", name, " cannot be used in a filter of a set block"), offset);
    return place_of(symbols, *ident);
  }
  static Place place_of(const Symbols& symbols, const Ident& ident) {
    uint32_t depth = 0;
    for (const Function* f = symbols.function; f != ident.function; f = f->parent) ++depth;
    return {depth, ident.slot};
  }

  static std::vector<Load> loads_of(const Symbols& symbols) {
    std::vector<Load> loads;
    for (const auto& [slot, value] : symbols.loads) {
      if (value.from == Symbols::From::kParameter) continue;
      Load load;
      load.slot = slot;
      if (value.from == Symbols::From::kAlias) {
        load.from = Load::From::kPlace;
        load.place = place_of(symbols, value.alias);
      } else if (value.from == Symbols::From::kContext) {
        load.from = Load::From::kContext;
        load.name = value.name;
      }
      loads.push_back(std::move(load));
    }
    return loads;
  }

  void expr(Expr* e, const Symbols& symbols, bool is_soft) const {
    if (!e) return;
    if (e->kind == ExprKind::kName || e->kind == ExprKind::kMember) e->place = place_of(symbols, e->name, e->offset);
    if (e->kind == ExprKind::kFilter || e->kind == ExprKind::kTest) {
      const bool is_filter = e->kind == ExprKind::kFilter;
      e->filter = is_filter ? find_filter(e->name) : find_test(e->name);
      if (!e->filter && !is_soft)
        fail(base::cat("there is no ", is_filter ? "filter" : "test", " named ", e->name), e->offset);
    }
    if (e->kind == ExprKind::kCondition) is_soft = true;
    for (Expr* item : e->items) expr(item, symbols, is_soft);
    for (const auto& [name, value] : e->named) expr(value, symbols, is_soft);
    expr(e->spread_list, symbols, is_soft);
    expr(e->spread_dict, symbols, is_soft);
  }

  void body(const Body& statements, const Symbols& symbols, Where where) {
    for (Stmt* s : statements) statement(*s, symbols, where);
  }

  void statement(Stmt& s, const Symbols& symbols, Where where) {
    switch (s.kind) {
      case StmtKind::kText:
        break;
      case StmtKind::kOutput:
        for (Expr* e : s.exprs) expr(e, symbols, where.is_soft);
        break;
      case StmtKind::kIf:
        for (Expr* e : s.exprs) expr(e, symbols, true);
        for (const Body& b : s.bodies) body(b, symbols, {where.in_loop, true});
        body(s.otherwise, symbols, {where.in_loop, true});
        break;
      case StmtKind::kSet:
        expr(s.target, symbols, where.is_soft);
        expr(s.value, symbols, where.is_soft);
        break;
      case StmtKind::kFor:
        loop(s, symbols, where);
        break;
      case StmtKind::kSetBlock:
      case StmtKind::kFilterBlock:
      case StmtKind::kWith:
        block(s, symbols, where);
        break;
      case StmtKind::kMacro:
        macro(s.macro, symbols);
        s.target->place = place_of(symbols, s.target->name, s.offset);
        break;
      case StmtKind::kCallBlock:
      case StmtKind::kGeneration:
        expr(s.value, symbols, where.is_soft);
        macro(s.macro, symbols);
        break;
      case StmtKind::kBreak:
      case StmtKind::kContinue:
        if (!where.in_loop) fail("break and continue stand inside a for loop", s.offset);
        break;
    }
  }

  // Blocks whose text is captured, and with.
  void block(Stmt& s, const Symbols& symbols, Where where) {
    Symbols inner(*symbols.function, &symbols);
    Collector collector(inner);
    for (const Expr* e : s.targets) collector.target(e, true);
    collector.body(s.bodies[0]);
    if (s.kind == StmtKind::kFilterBlock) collector.expr(s.value);
    if (s.kind == StmtKind::kSetBlock) expr(s.target, symbols, where.is_soft);
    for (Expr* e : s.targets) expr(e, inner, false);
    for (Expr* e : s.exprs) expr(e, symbols, where.is_soft);
    expr(s.value, inner, false);
    body(s.bodies[0], inner, {where.in_loop, false});
    s.loads = loads_of(inner);
  }

  void macro(MacroBody& m, const Symbols& symbols) {
    Function function;
    function.parent = symbols.function;
    Symbols inner(function, &symbols);
    Collector collector(inner);
    for (const Expr* e : m.parameters) {
      collector.target(e, true);
      m.has_caller_parameter = m.has_caller_parameter || e->name == "caller";
    }
    for (const Expr* e : m.defaults) collector.expr(e);
    collector.body(m.body);
    const auto special = [&](const char* name) {
      for (const Expr* e : m.parameters)
        if (e->name == name) return -1;
      if (!FirstUse(name).is_read(m.body)) return -1;
      inner.parameter(name);
      return static_cast<int>(inner.refs.at(name).slot);
    };
    m.caller_slot = special("caller");
    m.kwargs_slot = special("kwargs");
    m.varargs_slot = special("varargs");
    for (Expr* e : m.parameters) expr(e, inner, false);
    for (Expr* e : m.defaults) expr(e, inner, false);
    body(m.body, inner, {});
    m.loads = loads_of(inner);
    m.slots = static_cast<uint32_t>(function.slots.size());
  }

  Expr* copy_target(const Expr* e) {
    Expr* copy = tree_.exprs.emplace_back(std::make_unique<Expr>(*e)).get();
    for (Expr*& item : copy->items) item = copy_target(item);
    return copy;
  }

  static bool assigns_loop(const Body& statements) {
    for (const Stmt* s : statements) {
      if (s->target && (s->kind == StmtKind::kSet || s->kind == StmtKind::kSetBlock || s->kind == StmtKind::kFor) &&
          names_loop(s->target))
        return true;
      for (const Body& b : s->bodies)
        if (assigns_loop(b)) return true;
      if (assigns_loop(s->otherwise) || assigns_loop(s->macro.body)) return true;
    }
    return false;
  }
  static bool names_loop(const Expr* e) {
    if (e->kind == ExprKind::kName) return e->name == "loop";
    for (const Expr* item : e->items)
      if (e->kind == ExprKind::kTuple && names_loop(item)) return true;
    return false;
  }

  void loop(Stmt& s, const Symbols& symbols, Where where) {
    if (names_loop(s.target) || assigns_loop(s.bodies[0]) || assigns_loop(s.otherwise))
      fail("loop is the loop's own variable and cannot be assigned inside of it", s.offset);
    s.is_extended = s.is_recursive || FirstUse("loop").is_read(s.bodies[0]);
    expr(s.value, symbols, where.is_soft);
    if (s.condition) loop_condition(s, symbols);
    Function own;
    own.parent = symbols.function;
    Function& function = s.is_recursive ? own : *symbols.function;
    Symbols inner(function, &symbols), otherwise(function, &symbols);
    if (s.is_extended) {
      inner.parameter("loop");
      s.loop_slot = inner.refs.at("loop").slot;
    }
    Collector collector(inner);
    collector.target(s.target, true);
    collector.body(s.bodies[0]);
    Collector(otherwise).body(s.otherwise);
    expr(s.target, inner, false);
    body(s.bodies[0], inner, {true, false});
    body(s.otherwise, otherwise, {where.in_loop && !s.is_recursive, false});
    s.loads = loads_of(inner);
    s.else_loads = loads_of(otherwise);
    s.slots = static_cast<uint32_t>(own.slots.size());
  }

  // `for x in y if condition`: the condition is a function of its own and does not see this loop's variable.
  void loop_condition(Stmt& s, const Symbols& symbols) {
    Function function;
    function.parent = symbols.function;
    Symbols inner(function, &symbols);
    s.test_target = copy_target(s.target);
    Collector collector(inner);
    collector.target(s.test_target, true);
    collector.expr(s.condition);
    expr(s.test_target, inner, false);
    expr(s.condition, inner, false);
    s.test_loads = loads_of(inner);
    s.test_slots = static_cast<uint32_t>(function.slots.size());
  }

  Tree& tree_;
};

}  // namespace

void resolve_scopes(Tree& tree) { ScopePass(tree).run(); }

}  // namespace ponder::text::jinja
