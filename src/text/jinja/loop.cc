#include "text/jinja/loop.h"

#include <fmt/format.h>

#include "text/jinja/fault.h"
#include "text/jinja/truth.h"

namespace talon::text {
namespace {

ForLoop& loop_of(const Value& self) { return static_cast<ForLoop&>(*self.as_object()); }

Value call_cycle(Interpreter&, const Value& self, const Arguments& arguments) {
  return loop_of(self).cycle(arguments);
}

Value call_changed(Interpreter&, const Value& self, const Arguments& arguments) {
  return loop_of(self).changed(arguments);
}

}  // namespace

ForLoop::ForLoop(Interpreter& interpreter,
                 const Statement& node,
                 const Value& iterable,
                 const ScopePtr& outer,
                 int depth)
    : Object(iterable.depth() + 1),
      interpreter_(interpreter),
      node_(node),
      outer_(outer),
      level_(depth),
      items_(interpreter.items_of(iterable)),
      is_filtered_(node.filter == nullptr) {}

bool ForLoop::passes_filter(const Value& item) {
  const auto scope = std::make_shared<Scope>(outer_);
  interpreter_.assign(*node_.target, item, scope);
  return text::is_true(interpreter_.evaluate(*node_.filter, scope));
}

std::optional<Value> ForLoop::take() {
  while (position_ < items_->size()) {
    const Value& item = (*items_)[position_++];
    interpreter_.budget().step();
    if (is_filtered_ || passes_filter(item)) {
      return item;
    }
  }
  return std::nullopt;
}

const std::optional<Value>& ForLoop::peek() {
  if (!after_) {
    after_ = take();
  }
  return after_;
}

bool ForLoop::next() {
  std::optional<Value> item = after_ ? std::move(after_) : take();
  after_.reset();
  if (!item) {
    return false;
  }
  if (index_ >= 0) {
    previous_ = std::move(current_);
  }
  current_ = std::move(*item);
  ++index_;
  return true;
}

int64_t ForLoop::total() {
  if (total_) {
    return *total_;
  }
  if (!is_filtered_) {
    auto rest = std::make_shared<Items>();
    while (std::optional<Value> item = take()) {
      rest->push_back(std::move(*item));
    }
    items_ = std::move(rest);
    position_ = 0;
    is_filtered_ = true;
  }
  const auto num_left = static_cast<int64_t>(items_->size() - position_);
  total_ = index_ + 1 + num_left + (after_ ? 1 : 0);
  return *total_;
}

std::string ForLoop::describe() {
  return fmt::format("<LoopContext {}/{}>", index_ + 1, length().value_or(0));
}

std::optional<int64_t> ForLoop::length() { return total(); }

std::optional<Value> ForLoop::attribute(const Value& self, std::string_view name) {
  if (name == "index" || name == "index0") {
    return Value::integer(index_ + (name == "index" ? 1 : 0));
  }
  if (name == "revindex" || name == "revindex0") {
    return Value::integer(total() - index_ - (name == "revindex" ? 0 : 1));
  }
  if (name == "depth" || name == "depth0") {
    return Value::integer(level_ + (name == "depth" ? 1 : 0));
  }
  if (name == "length") {
    return Value::integer(total());
  }
  if (name == "first") {
    return Value::boolean(index_ == 0);
  }
  if (name == "last") {
    return Value::boolean(!peek());
  }
  if (name == "previtem") {
    return previous_ ? *previous_ : Value::undefined("loop.previtem of the first element");
  }
  if (name == "nextitem") {
    return peek() ? *after_ : Value::undefined("loop.nextitem of the last element");
  }
  if (name == "cycle") {
    return make_function(name, call_cycle, self);
  }
  if (name == "changed") {
    return make_function(name, call_changed, self);
  }
  return std::nullopt;
}

Value ForLoop::call(Interpreter& interpreter, const Arguments& arguments) {
  const Parameters parameters("loop", arguments, {"iterable"}, 1);
  if (!node_.recursive) {
    fault("only a loop marked 'recursive' can be called");
  }
  return Value::string(interpreter.loop_text(node_, parameters.value(0), outer_, level_ + 1));
}

Value ForLoop::cycle(const Arguments& arguments) const {
  if (arguments.positional.empty() || !arguments.named.empty()) {
    fault("loop.cycle needs values to cycle through");
  }
  const auto num_values = static_cast<int64_t>(arguments.positional.size());
  return arguments.positional[static_cast<size_t>(index_ % num_values)];
}

Value ForLoop::changed(const Arguments& arguments) {
  if (!arguments.named.empty()) {
    fault("loop.changed takes no named arguments");
  }
  const Value values = Value::tuple(arguments.positional);
  const bool same = last_changed_ && is_equal(*last_changed_, values, interpreter_.budget());
  last_changed_ = values;
  return Value::boolean(!same);
}

}  // namespace talon::text
