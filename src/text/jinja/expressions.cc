// The half of Interpreter that evaluates expressions.
#include <algorithm>

#include "base/printable.h"
#include "text/jinja/attribute.h"
#include "text/jinja/fault.h"
#include "text/jinja/interpreter.h"
#include "text/jinja/object.h"
#include "text/jinja/print.h"
#include "text/jinja/truth.h"

namespace talon::text {

Value Interpreter::evaluate(const Expression& node, const ScopePtr& scope) {
  budget_.step();
  if (depth_ >= budget_.limits().max_depth) {
    fault("nested deeper than {} levels", budget_.limits().max_depth);
  }
  ++depth_;
  Value value = evaluate_node(node, scope);
  --depth_;
  return value;
}

Value Interpreter::evaluate_node(const Expression& node, const ScopePtr& scope) {
  const auto part = [&](size_t index) { return evaluate(*node.parts[index], scope); };
  switch (node.kind) {
    case ExpressionKind::kConstant:
      return node.constant;
    case ExpressionKind::kName:
      return name_value(node, scope);
    case ExpressionKind::kList:
      return Value::list(evaluate_all(node.parts, scope));
    case ExpressionKind::kTuple:
      return Value::tuple(evaluate_all(node.parts, scope));
    case ExpressionKind::kDict:
      return evaluate_dict(node, scope);
    case ExpressionKind::kAnd: {
      const Value left = part(0);
      return is_true(left) ? part(1) : left;
    }
    case ExpressionKind::kOr: {
      const Value left = part(0);
      return is_true(left) ? left : part(1);
    }
    case ExpressionKind::kNot:
      return Value::boolean(!is_true(part(0)));
    case ExpressionKind::kNegate:
      return negate(part(0));
    case ExpressionKind::kPlus:
      return plus(part(0));
    case ExpressionKind::kArithmetic: {
      const Value left = part(0);
      return apply(*this, node.op, left, part(1));
    }
    case ExpressionKind::kConcat:
      return evaluate_concat(node, scope);
    case ExpressionKind::kCompare:
      return evaluate_compare(node, scope);
    case ExpressionKind::kCondition:
      return evaluate_condition(node, scope);
    case ExpressionKind::kAttribute:
      return attribute_of(part(0), node.text);
    case ExpressionKind::kItem: {
      const Value object = part(0);
      return item_of(object, part(1));
    }
    case ExpressionKind::kSlice:
      return evaluate_slice(node, scope);
    case ExpressionKind::kCall:
      return evaluate_call(node, scope, nullptr);
    case ExpressionKind::kFilter:
      return evaluate_filter(node, part(0), scope);
    case ExpressionKind::kTest:
      return evaluate_test(node, scope);
    case ExpressionKind::kNamespaceField:
      break;
  }
  fault("this expression has no value");
}

Value Interpreter::name_value(const Expression& node, const ScopePtr& scope) {
  const Value* value = scope->find(node.symbol);
  if (value != nullptr) {
    return *value;
  }
  return Value::undefined(fmt::format("'{}'", tree_.names[static_cast<size_t>(node.symbol)]));
}

Items Interpreter::evaluate_all(const std::vector<ExpressionPtr>& nodes, const ScopePtr& scope) {
  budget_.build(nodes.size() * sizeof(Value));
  Items items;
  items.reserve(nodes.size());
  for (const ExpressionPtr& node : nodes) {
    items.push_back(evaluate(*node, scope));
  }
  return items;
}

Value Interpreter::evaluate_dict(const Expression& node, const ScopePtr& scope) {
  const Items parts = evaluate_all(node.parts, scope);
  Dict dict;
  for (size_t i = 0; i + 1 < parts.size(); i += 2) {
    dict.set(parts[i], parts[i + 1]);
  }
  return Value::dict(std::move(dict));
}

Value Interpreter::evaluate_concat(const Expression& node, const ScopePtr& scope) {
  std::string text;
  for (const ExpressionPtr& part : node.parts) {
    text += to_text(evaluate(*part, scope), budget_);
  }
  budget_.build(text.size());
  return Value::string(std::move(text));
}

bool Interpreter::holds(Comparison comparison, const Value& a, const Value& b) {
  switch (comparison) {
    case Comparison::kEqual:
      return is_equal(a, b, budget_);
    case Comparison::kNotEqual:
      return !is_equal(a, b, budget_);
    case Comparison::kIn:
      return contains(*this, b, a);
    case Comparison::kNotIn:
      return !contains(*this, b, a);
    default:
      break;
  }
  const int order = compare(a, b, budget_);
  switch (comparison) {
    case Comparison::kLess:
      return order < 0;
    case Comparison::kLessEqual:
      return order <= 0;
    case Comparison::kGreater:
      return order == 1;
    default:
      return order == 0 || order == 1;
  }
}

// a < b < c holds if both parts do, and b is evaluated once.
Value Interpreter::evaluate_compare(const Expression& node, const ScopePtr& scope) {
  Value left = evaluate(*node.parts[0], scope);
  for (size_t i = 0; i < node.comparisons.size(); ++i) {
    Value right = evaluate(*node.parts[i + 1], scope);
    if (!holds(node.comparisons[i], left, right)) {
      return Value::boolean(false);
    }
    left = std::move(right);
  }
  return Value::boolean(true);
}

Value Interpreter::evaluate_condition(const Expression& node, const ScopePtr& scope) {
  if (is_true(evaluate(*node.parts[0], scope))) {
    return evaluate(*node.parts[1], scope);
  }
  if (node.parts[2]) {
    return evaluate(*node.parts[2], scope);
  }
  return Value::undefined("an 'if' expression without 'else' whose condition is false");
}

Value Interpreter::evaluate_slice(const Expression& node, const ScopePtr& scope) {
  const Value object = evaluate(*node.parts[0], scope);
  Value bounds[3] = {Value::none(), Value::none(), Value::none()};
  for (size_t i = 0; i < 3; ++i) {
    if (node.parts[i + 1]) {
      bounds[i] = evaluate(*node.parts[i + 1], scope);
    }
  }
  return slice_of(*this, object, {bounds[0], bounds[1], bounds[2]});
}

Value Interpreter::evaluate_call(const Expression& node,
                                 const ScopePtr& scope,
                                 const Value* caller) {
  const Value callee = evaluate(*node.parts[0], scope);
  Arguments arguments = evaluate_arguments(node.arguments, scope);
  if (caller != nullptr) {
    if (arguments.find("caller") != nullptr) {
      fault("the argument 'caller' is given twice");
    }
    arguments.named.emplace_back("caller", *caller);
  }
  return call(callee, arguments);
}

void Interpreter::append_named_rest(const Value& rest, Arguments& arguments) {
  if (!rest.is_dict()) {
    fault("the arguments after ** are a {}, not a mapping", rest.type_name());
  }
  for (const auto& [key, value] : rest.as_dict().entries()) {
    if (!key.is_string()) {
      fault("a name of an argument after ** is a {}", key.type_name());
    }
    if (arguments.find(key.bytes()) != nullptr) {
      fault("the argument {} is given twice", quote(key.bytes()));
    }
    arguments.named.emplace_back(key.bytes(), value);
  }
}

Arguments Interpreter::evaluate_arguments(const CallArguments& nodes, const ScopePtr& scope) {
  Arguments arguments;
  arguments.positional = evaluate_all(nodes.positional, scope);
  for (const auto& [name, node] : nodes.named) {
    arguments.named.emplace_back(name, evaluate(*node, scope));
  }
  if (nodes.rest) {
    const auto rest = items_of(evaluate(*nodes.rest, scope));
    budget_.build(rest->size() * sizeof(Value));
    arguments.positional.insert(arguments.positional.end(), rest->begin(), rest->end());
  }
  if (nodes.named_rest) {
    append_named_rest(evaluate(*nodes.named_rest, scope), arguments);
  }
  return arguments;
}

Value Interpreter::evaluate_filter(const Expression& node,
                                   const Value& input,
                                   const ScopePtr& scope) {
  if (node.filter == nullptr) {
    fault("no filter is named {}", quote(node.text));
  }
  const Arguments arguments = evaluate_arguments(node.arguments, scope);
  line_ = node.line;
  return node.filter(*this, input, arguments);
}

// The filters of a block: the innermost has no input but the text.
Value Interpreter::filter_text(const Expression& node, std::string text, const ScopePtr& scope) {
  const Value input = node.parts[0] ? filter_text(*node.parts[0], std::move(text), scope)
                                    : Value::string(std::move(text));
  return evaluate_filter(node, input, scope);
}

Value Interpreter::evaluate_test(const Expression& node, const ScopePtr& scope) {
  if (node.predicate == nullptr) {
    fault("no test is named {}", quote(node.text));
  }
  const Value input = evaluate(*node.parts[0], scope);
  const Arguments arguments = evaluate_arguments(node.arguments, scope);
  return Value::boolean(node.predicate(*this, input, arguments));
}

}  // namespace talon::text
