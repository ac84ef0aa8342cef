#include "text/jinja/object.h"

#include <fmt/format.h>

#include <algorithm>

#include "text/jinja/fault.h"
#include "text/jinja/interpreter.h"

namespace talon::text {
namespace {

std::shared_ptr<Cycler> cycler_of(const Value& self) {
  return std::static_pointer_cast<Cycler>(self.as_object());
}

Value cycler_next(Interpreter&, const Value& self, const Arguments& arguments) {
  expect_no_arguments("next", arguments);
  return cycler_of(self)->next();
}

Value cycler_reset(Interpreter&, const Value& self, const Arguments& arguments) {
  expect_no_arguments("reset", arguments);
  cycler_of(self)->reset();
  return Value::none();
}

// The number of elements of a range, or one more than is allowed.
int64_t range_size(int64_t start, int64_t stop, int64_t step) {
  const bool up = step > 0;
  if (up ? start >= stop : start <= stop) {
    return 0;
  }
  // The difference of two int64 fits uint64.
  const uint64_t span = up ? static_cast<uint64_t>(stop) - static_cast<uint64_t>(start)
                           : static_cast<uint64_t>(start) - static_cast<uint64_t>(stop);
  const uint64_t stride =
      up ? static_cast<uint64_t>(step) : uint64_t{0} - static_cast<uint64_t>(step);
  const uint64_t size = (span - 1) / stride + 1;
  constexpr uint64_t kTooMany = Range::kMaxRangeItems + 1;
  return static_cast<int64_t>(std::min(size, kTooMany));
}

}  // namespace

std::string Object::describe() { return fmt::format("<{}>", type_name()); }

std::optional<Value> Object::attribute(const Value&, std::string_view) { return std::nullopt; }

std::optional<Value> Object::element(const Value&) { return std::nullopt; }

std::shared_ptr<const Items> Object::take_items(Interpreter&) {
  fault("a {} cannot be iterated", type_name());
}

Value Object::call(Interpreter&, const Arguments&) { fault("a {} cannot be called", type_name()); }

std::string Function::describe() { return fmt::format("<function {}>", name_); }

Value Function::call(Interpreter& interpreter, const Arguments& arguments) {
  if (!takes_names_ && !arguments.named.empty()) {
    fault("{} takes no named arguments", name_);
  }
  return builtin_(interpreter, self_, arguments);
}

Value make_function(std::string_view name, Builtin builtin, const Value& self) {
  return Value::object(std::make_shared<Function>(Function::Form{name, builtin}, self));
}

std::optional<Value> Namespace::attribute(const Value&, std::string_view name) {
  const Value* found = attributes_.find(name);
  return found == nullptr ? std::nullopt : std::optional<Value>(*found);
}

Range::Range(int64_t start, int64_t stop, int64_t step)
    : start_(start), stop_(stop), step_(step), size_(0) {
  if (step == 0) {
    fault("range: the step is 0");
  }
  size_ = range_size(start, stop, step);
  if (size_ > kMaxRangeItems) {
    fault("range: more than {} elements", kMaxRangeItems);
  }
}

int64_t Range::at(int64_t index) const {
  int64_t offset = 0;
  int64_t value = 0;
  if (__builtin_mul_overflow(index, step_, &offset) ||
      __builtin_add_overflow(start_, offset, &value)) {
    fault("range: an element beyond 64 bits");
  }
  return value;
}

std::string Range::describe() {
  return step_ == 1 ? fmt::format("range({}, {})", start_, stop_)
                    : fmt::format("range({}, {}, {})", start_, stop_, step_);
}

std::optional<Value> Range::element(const Value& key) {
  if (!key.is_int()) {
    return std::nullopt;
  }
  const int64_t index = key.as_int() < 0 ? key.as_int() + size_ : key.as_int();
  if (index < 0 || index >= size_) {
    return std::nullopt;
  }
  return Value::integer(at(index));
}

std::shared_ptr<const Items> Range::take_items(Interpreter& interpreter) {
  interpreter.budget().build(static_cast<size_t>(size_) * sizeof(Value));
  auto items = std::make_shared<Items>();
  items->reserve(static_cast<size_t>(size_));
  for (int64_t i = 0; i < size_; ++i) {
    items->push_back(Value::integer(at(i)));
  }
  return items;
}

Generator::Generator(Items items) : Generator(Value::list(std::move(items))) {}

Generator::Generator(const Value& list) : Object(list.depth() + 1), list_(list) {}

std::shared_ptr<const Items> Generator::take_items(Interpreter& interpreter) {
  const Items& items = list_.items();
  const size_t first = position_;
  position_ = items.size();
  if (first == 0) {
    return list_.shared_items();
  }
  interpreter.budget().build((items.size() - first) * sizeof(Value));
  return std::make_shared<const Items>(items.begin() + static_cast<std::ptrdiff_t>(first),
                                       items.end());
}

std::optional<Value> Generator::take_one() {
  if (position_ == list_.items().size()) {
    return std::nullopt;
  }
  return list_.items()[position_++];
}

std::string_view DictView::type_name() const {
  switch (part_) {
    case Part::kKeys:
      return "dict_keys";
    case Part::kValues:
      return "dict_values";
    default:
      return "dict_items";
  }
}

std::optional<int64_t> DictView::length() { return static_cast<int64_t>(dict_.as_dict().size()); }

std::shared_ptr<const Items> DictView::take_items(Interpreter& interpreter) {
  return items(interpreter.budget());
}

std::shared_ptr<const Items> DictView::items(Budget& budget) const {
  const Dict& dict = dict_.as_dict();
  budget.build(dict.size() * sizeof(Value) * (part_ == Part::kItems ? 4 : 1));
  auto items = std::make_shared<Items>();
  items->reserve(dict.size());
  for (const auto& [key, value] : dict.entries()) {
    if (part_ == Part::kItems) {
      items->push_back(Value::tuple({key, value}));
    } else {
      items->push_back(part_ == Part::kKeys ? key : value);
    }
  }
  return items;
}

std::optional<Value> Cycler::attribute(const Value& self, std::string_view name) {
  if (name == "current") {
    return items_.items()[position_];
  }
  if (name == "next") {
    return make_function(name, cycler_next, self);
  }
  if (name == "reset") {
    return make_function(name, cycler_reset, self);
  }
  return std::nullopt;
}

Value Cycler::next() {
  const Items& items = items_.items();
  const Value& current = items[position_];
  position_ = (position_ + 1) % items.size();
  return current;
}

Value Joiner::call(Interpreter&, const Arguments& arguments) {
  expect_no_arguments("joiner", arguments);
  if (!used_) {
    used_ = true;
    return Value::string("");
  }
  return separator_;
}

}  // namespace talon::text
