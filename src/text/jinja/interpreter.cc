#include "text/jinja/interpreter.h"

#include "text/characters.h"
#include "text/jinja/fault.h"
#include "text/jinja/globals.h"
#include "text/jinja/loop.h"
#include "text/jinja/macro.h"
#include "text/jinja/object.h"
#include "text/jinja/print.h"
#include "text/jinja/truth.h"

namespace talon::text {

// One level of evaluation, for as long as it lives.
class Interpreter::Nested {
 public:
  explicit Nested(Interpreter& interpreter) : interpreter_(interpreter) {
    if (interpreter_.depth_ >= interpreter_.budget_.limits().max_depth) {
      fault("nested deeper than {} levels", interpreter_.budget_.limits().max_depth);
    }
    ++interpreter_.depth_;
  }
  ~Nested() { --interpreter_.depth_; }
  Nested(const Nested&) = delete;
  Nested& operator=(const Nested&) = delete;

 private:
  Interpreter& interpreter_;
};

Interpreter::Interpreter(const TemplateTree& tree, const RenderLimits& limits, const std::tm& now)
    : tree_(tree), budget_(limits), now_(now) {}

Interpreter::~Interpreter() {
  for (const ScopePtr& scope : kept_scopes_) {
    scope->clear();
  }
  for (const Value& space : namespaces_) {
    static_cast<Namespace&>(*space.as_object()).clear();
  }
}

std::string Interpreter::run(const Dict& variables) {
  // Two scopes: what the template sets hides what it was given, and never changes it.
  const auto given = std::make_shared<Scope>();
  for (size_t i = 0; i < tree_.names.size(); ++i) {
    const std::string& name = tree_.names[i];
    const Value* value = variables.find(std::string_view(name));
    if (value != nullptr) {
      given->set(static_cast<Symbol>(i), *value);
    } else if (const Builtin builtin = find_global(name)) {
      given->set(static_cast<Symbol>(i), make_function(name, builtin));
    }
  }
  const auto scope = std::make_shared<Scope>(given);
  keep(scope);
  return render(tree_.body, scope);
}

void Interpreter::write(std::string_view text) {
  const auto size = static_cast<int64_t>(out_->size() + text.size());
  if (size > budget_.limits().max_output_bytes) {
    fault("more than {} bytes of output", budget_.limits().max_output_bytes);
  }
  budget_.build(text.size());
  *out_ += text;
}

void Interpreter::keep(const ScopePtr& scope) {
  if (kept_scopes_.empty() || kept_scopes_.back() != scope) {
    budget_.build(sizeof(Scope));
    kept_scopes_.push_back(scope);
  }
}

std::shared_ptr<const Items> Interpreter::items_of(const Value& value) {
  budget_.step();
  switch (value.kind()) {
    case Value::Kind::kUndefined:
      return std::make_shared<const Items>();
    case Value::Kind::kList:
    case Value::Kind::kTuple:
      return value.shared_items();
    case Value::Kind::kDict:
      return DictView(value, DictView::Part::kKeys).items(budget_);
    case Value::Kind::kString: {
      budget_.build(value.bytes().size() * 2 * sizeof(Value));
      Items items;
      for (const std::string_view character : split_characters(value.bytes())) {
        items.push_back(Value::string(std::string(character)));
      }
      return std::make_shared<const Items>(std::move(items));
    }
    case Value::Kind::kObject:
      return value.as_object()->take_items(*this);
    default:
      fault("a {} cannot be iterated", value.type_name());
  }
}

Value Interpreter::call(const Value& callee, const Arguments& arguments) {
  budget_.step();
  if (callee.is_undefined()) {
    fault("{} is undefined and cannot be called", callee.hint());
  }
  if (!callee.is_object() || !callee.as_object()->is_callable()) {
    fault("a {} cannot be called", callee.type_name());
  }
  const Nested nested(*this);
  return callee.as_object()->call(*this, arguments);
}

Value Interpreter::make_namespace(Dict attributes) {
  budget_.build(sizeof(Namespace) + attributes.size() * 4 * sizeof(Value));
  namespaces_.push_back(Value::object(std::make_shared<Namespace>(std::move(attributes))));
  return namespaces_.back();
}

std::string Interpreter::render(const Statements& body, const ScopePtr& scope) {
  std::string text;
  capture(body, scope, text);
  return text;
}

Interpreter::Flow Interpreter::capture(const Statements& body,
                                       const ScopePtr& scope,
                                       std::string& text) {
  std::string* const outer = std::exchange(out_, &text);
  const Flow flow = execute(body, scope);
  out_ = outer;
  return flow;
}

Interpreter::Flow Interpreter::execute(const Statements& body, const ScopePtr& scope) {
  const Nested nested(*this);
  for (const Statement& node : body) {
    const Flow flow = execute(node, scope);
    if (flow != Flow::kNext) {
      return flow;
    }
  }
  return Flow::kNext;
}

Interpreter::Flow Interpreter::execute(const Statement& node, const ScopePtr& scope) {
  line_ = node.line;
  budget_.step();
  switch (node.kind) {
    case StatementKind::kData:
      write(node.text);
      return Flow::kNext;
    case StatementKind::kPrint:
      write(to_text(evaluate(*node.value, scope), budget_));
      return Flow::kNext;
    case StatementKind::kIf:
      return execute_if(node, scope);
    case StatementKind::kFor:
      execute_for(node, scope);
      return Flow::kNext;
    case StatementKind::kSet:
      assign(*node.target, evaluate(*node.value, scope), scope);
      return Flow::kNext;
    case StatementKind::kSetBlock:
      return execute_set_block(node, scope);
    case StatementKind::kMacro:
      define_macro(node, scope);
      return Flow::kNext;
    case StatementKind::kCallBlock:
      execute_call_block(node, scope);
      return Flow::kNext;
    case StatementKind::kFilterBlock:
      return execute_filter_block(node, scope);
    case StatementKind::kWith:
      return execute_with(node, scope);
    case StatementKind::kScope:
      return execute(node.body, std::make_shared<Scope>(scope));
    case StatementKind::kBreak:
      return Flow::kBreak;
    case StatementKind::kContinue:
      return Flow::kContinue;
  }
  return Flow::kNext;
}

Interpreter::Flow Interpreter::execute_if(const Statement& node, const ScopePtr& scope) {
  for (const Statement& branch : node.branches) {
    if (!branch.value || is_true(evaluate(*branch.value, scope))) {
      return execute(branch.body, scope);
    }
  }
  return Flow::kNext;
}

void Interpreter::execute_for(const Statement& node, const ScopePtr& scope) {
  const Value iterable = evaluate(*node.value, scope);
  if (node.recursive) {
    write(loop_text(node, iterable, scope, 0));
    return;
  }
  const auto loop = std::make_shared<ForLoop>(*this, node, iterable, scope, 0);
  if (!run_loop(loop, scope)) {
    execute(node.other, std::make_shared<Scope>(scope));
  }
}

std::string Interpreter::loop_text(const Statement& node,
                                   const Value& iterable,
                                   const ScopePtr& scope,
                                   int depth) {
  std::string text;
  std::string* const outer = std::exchange(out_, &text);
  const auto loop = std::make_shared<ForLoop>(*this, node, iterable, scope, depth);
  if (!run_loop(loop, scope)) {
    execute(node.other, std::make_shared<Scope>(scope));
  }
  out_ = outer;
  return text;
}

// Whether some round came to its end, without which the `else` is rendered.
bool Interpreter::run_loop(const std::shared_ptr<ForLoop>& loop, const ScopePtr& scope) {
  bool completed = false;
  const Value loop_value = Value::object(loop);
  auto inner = std::make_shared<Scope>(scope);
  while (loop->next()) {
    // A macro made in the last round keeps that round's variables.
    if (inner.use_count() > 1) {
      inner = std::make_shared<Scope>(scope);
    }
    inner->clear();
    inner->set(kLoopSymbol, loop_value);
    assign(*loop->node().target, loop->current(), inner);
    const Flow flow = execute(loop->node().body, inner);
    if (flow == Flow::kBreak) {
      break;
    }
    completed = completed || flow == Flow::kNext;
  }
  return completed;
}

Interpreter::Flow Interpreter::execute_set_block(const Statement& node, const ScopePtr& scope) {
  std::string text;
  const Flow flow = capture(node.body, std::make_shared<Scope>(scope), text);
  if (flow == Flow::kNext) {
    Value value = node.value ? filter_text(*node.value, std::move(text), scope)
                             : Value::string(std::move(text));
    assign(*node.target, value, scope);
  }
  return flow;
}

Interpreter::Flow Interpreter::execute_filter_block(const Statement& node, const ScopePtr& scope) {
  const auto inner = std::make_shared<Scope>(scope);
  std::string text;
  const Flow flow = capture(node.body, inner, text);
  if (flow == Flow::kNext) {
    write(to_text(filter_text(*node.value, std::move(text), inner), budget_));
  }
  return flow;
}

Interpreter::Flow Interpreter::execute_with(const Statement& node, const ScopePtr& scope) {
  const auto inner = std::make_shared<Scope>(scope);
  for (const auto& [target, value] : node.bindings) {
    assign(*target, evaluate(*value, scope), inner);
  }
  return execute(node.body, inner);
}

void Interpreter::define_macro(const Statement& node, const ScopePtr& scope) {
  keep(scope);
  const std::string& name = tree_.names[static_cast<size_t>(node.symbol)];
  scope->set(node.symbol, Value::object(std::make_shared<Macro>(name, node, scope, tree_.names)));
}

void Interpreter::execute_call_block(const Statement& node, const ScopePtr& scope) {
  keep(scope);
  const Value caller =
      Value::object(std::make_shared<Macro>(std::string_view(), node, scope, tree_.names));
  write(to_text(evaluate_call(*node.value, scope, &caller), budget_));
}

void Interpreter::assign(const Expression& target, const Value& value, const ScopePtr& scope) {
  if (target.kind == ExpressionKind::kName) {
    scope->set(target.symbol, value);
    return;
  }
  if (target.kind == ExpressionKind::kNamespaceField) {
    const Value* space = scope->find(target.symbol);
    Namespace* object = space != nullptr && space->is_object()
                            ? dynamic_cast<Namespace*>(space->as_object().get())
                            : nullptr;
    if (object == nullptr) {
      fault("only a namespace has attributes that can be set");
    }
    object->set(target.text, value);
    return;
  }
  const auto items = items_of(value);
  if (items->size() != target.parts.size()) {
    fault("{} values for {} names", items->size(), target.parts.size());
  }
  for (size_t i = 0; i < target.parts.size(); ++i) {
    assign(*target.parts[i], (*items)[i], scope);
  }
}

}  // namespace talon::text
