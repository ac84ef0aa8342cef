#include "text/jinja/macro.h"

#include <fmt/format.h>

#include "text/jinja/fault.h"
#include "text/jinja/interpreter.h"
#include "text/jinja/print.h"

namespace talon::text {
namespace {

// The argument of this name, which is then used.
const Value* take_named(const Arguments& arguments,
                        std::string_view name,
                        std::vector<bool>& used) {
  for (size_t i = 0; i < arguments.named.size(); ++i) {
    if (arguments.named[i].first == name && !used[i]) {
      used[i] = true;
      return &arguments.named[i].second;
    }
  }
  return nullptr;
}

}  // namespace

std::string Macro::describe() {
  return name_.empty() ? "<Macro anonymous>" : fmt::format("<Macro {}>", quoted_text(name_));
}

std::optional<Value> Macro::attribute(const Value&, std::string_view name) {
  if (name == "name") {
    return Value::string(std::string(name_));
  }
  if (name == "arguments") {
    Items arguments;
    for (const Symbol symbol : node_.signature.parameters) {
      arguments.push_back(Value::string(names_[static_cast<size_t>(symbol)]));
    }
    return Value::tuple(std::move(arguments));
  }
  return std::nullopt;
}

void Macro::bind_parameters(Interpreter& interpreter,
                            const Arguments& arguments,
                            std::vector<bool>& used,
                            const ScopePtr& scope) const {
  const Signature& signature = node_.signature;
  const size_t num_parameters = signature.parameters.size();
  const size_t first_default = num_parameters - signature.defaults.size();
  std::vector<const Value*> given(num_parameters, nullptr);
  for (size_t i = 0; i < num_parameters; ++i) {
    const std::string& name = names_[static_cast<size_t>(signature.parameters[i])];
    given[i] = i < arguments.positional.size() ? &arguments.positional[i]
                                               : take_named(arguments, name, used);
    if (given[i] != nullptr) {
      scope->set(signature.parameters[i], *given[i]);
    }
  }
  // Defaults may mention the parameters before them.
  for (size_t i = 0; i < num_parameters; ++i) {
    if (given[i] != nullptr) {
      continue;
    }
    const Symbol parameter = signature.parameters[i];
    const std::string& name = names_[static_cast<size_t>(parameter)];
    scope->set(parameter, i >= first_default
                              ? interpreter.evaluate(*signature.defaults[i - first_default], scope)
                              : Value::undefined(fmt::format("the parameter '{}'", name)));
  }
}

void Macro::bind_extras(const Arguments& arguments, std::vector<bool>& used, Scope& scope) const {
  const Signature& signature = node_.signature;
  if (signature.uses_caller) {
    const Value* caller = take_named(arguments, "caller", used);
    scope.set(kCallerSymbol, caller != nullptr ? *caller : Value::undefined("caller"));
  }
  Dict extra_named;
  for (size_t i = 0; i < used.size(); ++i) {
    if (used[i]) {
      continue;
    }
    const auto& [name, value] = arguments.named[i];
    if (!signature.uses_kwargs) {
      fault("the macro {} takes no argument '{}'", quoted_text(name_), name);
    }
    extra_named.set(name, value);
  }
  if (signature.uses_kwargs) {
    scope.set(kKwargsSymbol, Value::dict(std::move(extra_named)));
  }
  const size_t num_parameters = signature.parameters.size();
  Items extra;
  for (size_t i = num_parameters; i < arguments.positional.size(); ++i) {
    extra.push_back(arguments.positional[i]);
  }
  if (signature.uses_varargs) {
    scope.set(kVarargsSymbol, Value::tuple(std::move(extra)));
  } else if (!extra.empty()) {
    fault("the macro {} takes not more than {} arguments", quoted_text(name_), num_parameters);
  }
}

Value Macro::call(Interpreter& interpreter, const Arguments& arguments) {
  const auto scope = std::make_shared<Scope>(closure_);
  std::vector<bool> used(arguments.named.size(), false);
  // Extras first: it is they that tell a wrong call, and defaults cost time.
  const Signature& signature = node_.signature;
  for (size_t i = arguments.positional.size(); i < signature.parameters.size(); ++i) {
    const std::string& name = names_[static_cast<size_t>(signature.parameters[i])];
    for (size_t k = 0; k < arguments.named.size(); ++k) {
      used[k] = used[k] || arguments.named[k].first == name;
    }
  }
  bind_extras(arguments, used, *scope);
  std::fill(used.begin(), used.end(), false);
  bind_parameters(interpreter, arguments, used, scope);
  return Value::string(interpreter.render(node_.body, scope));
}

}  // namespace talon::text
