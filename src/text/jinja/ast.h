// The parsed form of a template. Built by the parser, never changed afterwards, so that any number
// of threads may evaluate one tree. Nesting is bounded by the parser.
//
// Variables are numbers: an index into TemplateTree::names.
#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "text/jinja/arithmetic.h"
#include "text/jinja/filters.h"
#include "text/jinja/predicates.h"
#include "text/jinja/value.h"

namespace talon::text {

using Symbol = int32_t;

struct Expression;
using ExpressionPtr = std::unique_ptr<Expression>;

enum class ExpressionKind {
  kConstant,        // constant
  kName,            // symbol
  kList,            // parts
  kTuple,           // parts
  kDict,            // parts: key, value, key, value, ...
  kAnd,             // 2 parts
  kOr,              // 2 parts
  kNot,             // 1 part
  kNegate,          // 1 part
  kPlus,            // 1 part
  kArithmetic,      // 2 parts, op
  kConcat,          // parts
  kCompare,         // parts, comparisons: one less
  kCondition,       // test, value if true, value if false (null: undefined)
  kAttribute,       // object; text is the name
  kItem,            // object, key
  kSlice,           // object, start, stop, step; the last three may be null
  kCall,            // callee; arguments
  kFilter,          // input (null: the text of a block); filter, text is the name, arguments
  kTest,            // input; test, text is the name, arguments
  kNamespaceField,  // target of `set`: symbol, text is the attribute
};

enum class Comparison {
  kEqual,
  kNotEqual,
  kLess,
  kLessEqual,
  kGreater,
  kGreaterEqual,
  kIn,
  kNotIn
};

struct CallArguments {
  std::vector<ExpressionPtr> positional = {};
  std::vector<std::pair<std::string, ExpressionPtr>> named = {};
  ExpressionPtr rest = {};        // *arguments
  ExpressionPtr named_rest = {};  // **arguments
};

struct Expression {
  ExpressionKind kind = ExpressionKind::kConstant;
  int line = 0;
  int depth = 1;
  std::vector<ExpressionPtr> parts = {};
  Value constant = {};
  Symbol symbol = -1;
  std::string text = {};
  Operator op = Operator::kAdd;
  std::vector<Comparison> comparisons = {};
  CallArguments arguments = {};
  Filter filter = nullptr;        // null: unknown, a fault when it is evaluated
  Predicate predicate = nullptr;  // likewise
};

struct Statement;
using Statements = std::vector<Statement>;

struct Signature {
  std::vector<Symbol> parameters = {};
  std::vector<ExpressionPtr> defaults = {};  // of the last parameters
  bool uses_caller = false;
  bool uses_varargs = false;
  bool uses_kwargs = false;
};

enum class StatementKind {
  kData,         // text
  kPrint,        // value
  kIf,           // branches
  kFor,          // target, value (the iterable), filter, body, other; recursive
  kSet,          // target, value
  kSetBlock,     // target, value (filters or null), body
  kMacro,        // symbol, signature, body
  kCallBlock,    // value (the call), signature of the caller, body
  kFilterBlock,  // value (filters), body
  kWith,         // targets, values, body
  kScope,        // body: a generation block
  kBreak,
  kContinue,
};

struct Statement {
  StatementKind kind = StatementKind::kData;
  int line = 0;
  std::string text = {};
  Symbol symbol = -1;
  bool recursive = false;
  ExpressionPtr target = {};
  ExpressionPtr value = {};
  ExpressionPtr filter = {};
  std::vector<std::pair<ExpressionPtr, ExpressionPtr>> bindings = {};  // of `with`
  Signature signature = {};
  Statements branches = {};  // of `if`: value is the test, null for `else`
  Statements body = {};
  Statements other = {};  // `else` of a loop
};

// Names that the evaluator itself binds. They are the first of every tree.
enum WellKnownSymbol : Symbol { kLoopSymbol, kCallerSymbol, kVarargsSymbol, kKwargsSymbol };

struct TemplateTree {
  std::string name = {};
  std::vector<std::string> names = {};
  Statements body = {};
};

}  // namespace talon::text
