// A macro, or the body of a call block as its `caller`: a function whose result is text.
#pragma once

#include <string>
#include <string_view>

#include "text/jinja/ast.h"
#include "text/jinja/object.h"
#include "text/jinja/scope.h"

namespace talon::text {

class Macro : public Object {
 public:
  // Sees the variables of `closure`. The node, the closure and the tree's names must live on.
  Macro(std::string_view name,
        const Statement& node,
        const ScopePtr& closure,
        const std::vector<std::string>& names)
      : name_(name), node_(node), closure_(closure), names_(names) {}

  std::string_view type_name() const override { return "Macro"; }
  bool is_callable() const override { return true; }
  std::string describe() override;
  std::optional<Value> attribute(const Value& self, std::string_view name) override;
  Value call(Interpreter& interpreter, const Arguments& arguments) override;

 private:
  void bind_parameters(Interpreter& interpreter,
                       const Arguments& arguments,
                       std::vector<bool>& used,
                       const ScopePtr& scope) const;
  void bind_extras(const Arguments& arguments, std::vector<bool>& used, Scope& scope) const;

  std::string_view name_;
  const Statement& node_;
  ScopePtr closure_;
  const std::vector<std::string>& names_;
};

}  // namespace talon::text
