// Evaluates a parsed template once.
//
// A tree walker: statements append to the text being made, expressions give values. It serves the
// builtins too, which call back for filters, tests, macros and elements, and pay from its budget.
// One thread; the tree must outlive it. Faults leave it as TemplateFault.
#pragma once

#include <ctime>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "text/jinja/ast.h"
#include "text/jinja/budget.h"
#include "text/jinja/scope.h"
#include "text/jinja/value.h"

namespace talon::text {

class ForLoop;

class Interpreter {
 public:
  // `now` is what strftime_now shows.
  Interpreter(const TemplateTree& tree, const RenderLimits& limits, const std::tm& now);
  // Values may hold each other in circles, through namespaces and macros: they are cut here.
  ~Interpreter();
  Interpreter(const Interpreter&) = delete;
  Interpreter& operator=(const Interpreter&) = delete;

  // The text of the template with these variables.
  std::string run(const Dict& variables);

  // The line being evaluated.
  int line() const { return line_; }
  Budget& budget() { return budget_; }
  const std::tm& now() const { return now_; }

  // The elements of anything that can be iterated; a fault for the rest.
  std::shared_ptr<const Items> items_of(const Value& value);
  Value call(const Value& callee, const Arguments& arguments);
  Value make_namespace(Dict attributes);

  // For macros and recursive loops: renders a body in a scope of its own.
  std::string render(const Statements& body, const ScopePtr& scope);
  Value evaluate(const Expression& node, const ScopePtr& scope);
  std::string loop_text(const Statement& node,
                        const Value& iterable,
                        const ScopePtr& scope,
                        int depth);

  // Keeps a scope that a macro refers to until the end.
  void keep(const ScopePtr& scope);

 private:
  enum class Flow { kNext, kBreak, kContinue };
  class Nested;

  Flow execute(const Statements& body, const ScopePtr& scope);
  Flow execute(const Statement& node, const ScopePtr& scope);
  Flow execute_if(const Statement& node, const ScopePtr& scope);
  void execute_for(const Statement& node, const ScopePtr& scope);
  bool run_loop(const std::shared_ptr<ForLoop>& loop, const ScopePtr& scope);
  Flow execute_set_block(const Statement& node, const ScopePtr& scope);
  Flow execute_filter_block(const Statement& node, const ScopePtr& scope);
  Flow execute_with(const Statement& node, const ScopePtr& scope);
  void execute_call_block(const Statement& node, const ScopePtr& scope);
  void define_macro(const Statement& node, const ScopePtr& scope);
  Flow capture(const Statements& body, const ScopePtr& scope, std::string& text);
  void assign(const Expression& target, const Value& value, const ScopePtr& scope);
  void write(std::string_view text);

  Value evaluate_node(const Expression& node, const ScopePtr& scope);
  Value name_value(const Expression& node, const ScopePtr& scope);
  Items evaluate_all(const std::vector<ExpressionPtr>& nodes, const ScopePtr& scope);
  Value evaluate_dict(const Expression& node, const ScopePtr& scope);
  Value evaluate_concat(const Expression& node, const ScopePtr& scope);
  Value evaluate_compare(const Expression& node, const ScopePtr& scope);
  bool holds(Comparison comparison, const Value& a, const Value& b);
  Value evaluate_condition(const Expression& node, const ScopePtr& scope);
  Value evaluate_slice(const Expression& node, const ScopePtr& scope);
  Value evaluate_call(const Expression& node, const ScopePtr& scope, const Value* caller);
  Value evaluate_filter(const Expression& node, const Value& input, const ScopePtr& scope);
  Value filter_text(const Expression& node, std::string text, const ScopePtr& scope);
  Value evaluate_test(const Expression& node, const ScopePtr& scope);
  Arguments evaluate_arguments(const CallArguments& nodes, const ScopePtr& scope);
  void append_named_rest(const Value& rest, Arguments& arguments);

  const TemplateTree& tree_;
  Budget budget_;
  std::tm now_;
  int line_ = 0;
  int depth_ = 0;
  std::string* out_ = nullptr;  // the text being made: of the template or of a block in it
  std::vector<ScopePtr> kept_scopes_;
  std::vector<Value> namespaces_;

  friend class ForLoop;
};

}  // namespace talon::text
