// The state of a `for` loop, which is also the variable `loop` in its body.
//
// Elements are taken one at a time, so that a filter condition sees what the body did before it,
// except where `loop.length`, `loop.last` and their like look ahead: as in jinja2.
#pragma once

#include <memory>
#include <optional>
#include <string_view>

#include "text/jinja/interpreter.h"
#include "text/jinja/object.h"

namespace talon::text {

class ForLoop : public Object {
 public:
  // `depth` is 0 for a loop that no loop called.
  ForLoop(Interpreter& interpreter,
          const Statement& node,
          const Value& iterable,
          const ScopePtr& outer,
          int depth);

  std::string_view type_name() const override { return "LoopContext"; }
  bool is_callable() const override { return true; }
  std::string describe() override;
  std::optional<int64_t> length() override;
  std::optional<Value> attribute(const Value& self, std::string_view name) override;
  Value call(Interpreter& interpreter, const Arguments& arguments) override;

  // Goes to the next element; false at the end.
  bool next();
  const Value& current() const { return current_; }
  const Statement& node() const { return node_; }

  Value cycle(const Arguments& arguments) const;
  Value changed(const Arguments& arguments);

 private:
  std::optional<Value> take();
  const std::optional<Value>& peek();
  bool passes_filter(const Value& item);
  int64_t total();

  Interpreter& interpreter_;
  const Statement& node_;
  ScopePtr outer_;
  int level_;
  std::shared_ptr<const Items> items_;
  size_t position_ = 0;       // in items_, of what has not been taken
  bool is_filtered_ = false;  // the rest of items_ has passed the filter
  int64_t index_ = -1;
  std::optional<int64_t> total_;
  Value current_;
  std::optional<Value> previous_;
  std::optional<Value> after_;  // taken ahead
  std::optional<Value> last_changed_;
};

}  // namespace talon::text
