// The grammar of template expressions, as jinja2 has it: precedence from `if` over `or`, `and`,
// `not`, comparisons, `+ -`, `~`, `* / // %`, `**` to signs, then filters and tests.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "text/jinja/ast.h"
#include "text/jinja/fault.h"
#include "text/jinja/token_stream.h"

namespace talon::text {

class ExpressionParser {
 public:
  explicit ExpressionParser(TokenStream& stream) : stream_(stream) {}

  struct TupleForm {
    bool simplified = false;         // names and literals only: a target
    bool with_condition = true;      // a `... if ...` may follow
    bool in_parentheses = false;     // so it may be empty
    bool with_namespace = false;     // a.b is a target
    std::string_view end_name = {};  // a name that ends it
  };

  ExpressionPtr expression();
  // Expressions with commas between them make a tuple, a single one is itself.
  ExpressionPtr tuple(const TupleForm& form);
  // Something that can be assigned to.
  ExpressionPtr target(bool with_namespace, std::string_view end_name = {});
  // One filter after the other. `first_without_bar`: the first stands without its bar.
  ExpressionPtr filters(ExpressionPtr input, bool first_without_bar);
  Symbol target_name();

  // While true, an unknown filter or test is a fault only when it is evaluated: jinja2 lets
  // templates guard against it with an `if`.
  bool is_conditional = false;
  // The first unknown filter or test that no condition guards.
  std::optional<TemplateFault> unknown = {};
  // How many loops the place is in: `loop` cannot be assigned to there.
  int num_loops = 0;
  // What the macro being parsed mentions of the names that only a mention binds. Outer macros see
  // the mentions of inner ones.
  bool uses_caller = false;
  bool uses_varargs = false;
  bool uses_kwargs = false;

 private:
  ExpressionPtr make(ExpressionKind kind, int line);
  template <class... Parts>
  ExpressionPtr make(ExpressionKind kind, int line, Parts... parts) {
    ExpressionPtr node = make(kind, line);
    (node->parts.push_back(std::move(parts)), ...);
    settle_depth(*node);
    return node;
  }
  void settle_depth(Expression& expression) const;

  ExpressionPtr condition();
  ExpressionPtr either();
  ExpressionPtr both();
  ExpressionPtr negation();
  ExpressionPtr comparison();
  ExpressionPtr sum();
  ExpressionPtr concatenation();
  ExpressionPtr product();
  ExpressionPtr power();
  ExpressionPtr sign(bool with_filters);
  ExpressionPtr primary(bool with_namespace);
  ExpressionPtr name(bool with_namespace);
  ExpressionPtr list();
  ExpressionPtr dict();
  ExpressionPtr postfix(ExpressionPtr node);
  ExpressionPtr filter_chain(ExpressionPtr node);
  ExpressionPtr subscript(ExpressionPtr node);
  ExpressionPtr subscripted(ExpressionPtr node, int line);
  ExpressionPtr slice(ExpressionPtr node, ExpressionPtr start, int line);
  ExpressionPtr call(ExpressionPtr node);
  ExpressionPtr test(ExpressionPtr node);
  CallArguments arguments();
  void argument(CallArguments& out);
  std::string dotted_name();
  bool is_tuple_end(std::string_view end_name) const;
  bool next_comparison(Comparison& comparison);
  void note_unknown(int line, std::string message);
  void check_target(const Expression& node) const;

  TokenStream& stream_;
};

}  // namespace talon::text
