// The parsed template: expressions and statements with their place in the source, and where each variable lives.
// Made by the parser, completed by the scopes pass, read by the interpreter.
#pragma once
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "ponder/text/jinja_value.h"

namespace ponder::text::jinja {

// A variable: `depth` functions out, there in that slot.
struct Place {
  uint32_t depth = 0, slot = 0;
};

enum class ExprKind : uint8_t {
  kConst,
  kName,
  kMember,  // name . items[0] as the target of a set; the attribute is a string constant
  kTuple,
  kList,
  kDict,     // items: key, value, key, value, …
  kGetAttr,  // items[0] . name
  kGetItem,  // items[0] [ items[1] ]
  kSlice,    // items[0] [ items[1] : items[2] : items[3] ], the last three may be null
  kCall,     // items[0] ( rest, named, spread_list, spread_dict )
  kFilter,   // items[0] | name( rest … ); items[0] is null for the text of a block
  kTest,     // items[0] is name( rest … )
  kCompare,  // items[0] ops[0] items[1] ops[1] items[2] …
  kConcat,   // items joined by ~
  kAnd,
  kOr,
  kNot,
  kNegative,
  kPositive,
  kAdd,
  kSubtract,
  kMultiply,
  kDivide,
  kFloorDivide,
  kModulo,
  kPower,
  kCondition,  // items[1] if items[0] else items[2], which may be null
};

enum class CompareOp : uint8_t { kEqual, kNotEqual, kLess, kLessEqual, kGreater, kGreaterEqual, kIn, kNotIn };

struct Expr {
  ExprKind kind = ExprKind::kConst;
  uint32_t offset = 0;  // byte in the source
  uint32_t depth = 1;   // levels of expressions below, itself included
  std::string name;
  Value constant;
  Text text;  // of a string constant
  std::vector<Expr*> items;
  std::vector<std::pair<std::string, Expr*>> named;
  Expr* spread_list = nullptr;  // *arguments
  Expr* spread_dict = nullptr;  // **arguments
  std::vector<CompareOp> ops;
  Place place;                                  // kName, kMember
  const struct NativeFilter* filter = nullptr;  // kFilter, kTest; null: refused when it is reached
};

enum class StmtKind : uint8_t {
  kText,
  kOutput,
  kFor,
  kIf,
  kSet,
  kSetBlock,
  kFilterBlock,
  kWith,
  kMacro,
  kCallBlock,
  kGeneration,
  kBreak,
  kContinue,
};

struct Stmt;
using Body = std::vector<Stmt*>;

// A variable that is given its first value when a scope is entered.
struct Load {
  enum class From : uint8_t { kContext, kPlace, kNothing };
  From from = From::kNothing;
  uint32_t slot = 0;
  Place place;       // kPlace: copied from there
  std::string name;  // kContext: a variable of the rendering
};

struct MacroBody {
  std::string name;
  std::vector<Expr*> parameters;  // names
  std::vector<Expr*> defaults;    // of the last parameters
  std::vector<Load> loads;
  int caller_slot = -1, kwargs_slot = -1, varargs_slot = -1;
  bool has_caller_parameter = false;
  uint32_t slots = 0;  // of its frame
  Body body;
};

struct Stmt {
  StmtKind kind = StmtKind::kText;
  uint32_t offset = 0;
  std::string text;            // kText
  std::vector<Expr*> exprs;    // kOutput: what is printed; kIf: the conditions; kWith: the values
  std::vector<Expr*> targets;  // kWith
  Expr* target = nullptr;      // kFor, kSet, kSetBlock, kMacro
  Expr* value = nullptr;       // kFor: iterated; kSet; kSetBlock and kFilterBlock: the filter or null; kCallBlock: call
  Expr* condition = nullptr;   // kFor
  bool is_recursive = false;   // kFor
  bool is_extended = false;    // kFor: uses `loop`
  std::vector<Body> bodies;    // kIf: one a condition; else one
  Body otherwise;              // kFor, kIf
  std::vector<Load> loads;     // of the body's scope: kFor (each round), kSetBlock, kFilterBlock, kWith
  std::vector<Load> else_loads, test_loads;  // kFor
  Expr* test_target = nullptr;               // kFor: target in the scope of the condition
  uint32_t loop_slot = 0;                    // kFor: of `loop`
  uint32_t slots = 0;                        // kFor: of a recursive loop's own frame
  uint32_t test_slots = 0;                   // kFor: of the condition's own frame
  MacroBody macro;                           // kMacro, kCallBlock, kGeneration
};

struct Tree {
  std::string source;  // normalized
  std::vector<std::unique_ptr<Expr>> exprs;
  std::vector<std::unique_ptr<Stmt>> stmts;
  Body body;
  std::vector<Load> loads;
  uint32_t slots = 0;
  bool has_generation = false;
};

}  // namespace ponder::text::jinja
