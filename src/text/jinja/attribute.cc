#include "text/jinja/attribute.h"

#include <algorithm>
#include <optional>

#include "base/printable.h"
#include "text/characters.h"
#include "text/jinja/fault.h"
#include "text/jinja/interpreter.h"
#include "text/jinja/methods.h"
#include "text/jinja/object.h"

namespace talon::text {
namespace {

Value unsafe(const Value& object, std::string_view name) {
  return Value::undefined(
      fmt::format("access to {} of a {} is unsafe: it", quote(name), object.type_name()));
}

Value missing(const Value& object, std::string_view what) {
  return Value::undefined(fmt::format("{} of a {}", what, object.type_name()));
}

// What Python's getattr finds: methods, and fields of objects.
std::optional<Value> own_attribute(const Value& object, std::string_view name) {
  if (name.starts_with("__") && name.ends_with("__")) {
    return unsafe(object, name);
  }
  if (object.is_object()) {
    return object.as_object()->attribute(object, name);
  }
  if (object.is_tuple() && object.sequence().is_group) {
    if (name == "grouper") {
      return object.items()[0];
    }
    if (name == "list") {
      return object.items()[1];
    }
  }
  const Method method = find_method(object.kind(), name);
  if (method.changes) {
    return unsafe(object, name);
  }
  if (method.function == nullptr) {
    return std::nullopt;
  }
  const Function::Form form = {name, method.function, method.takes_names};
  return Value::object(std::make_shared<Function>(form, object));
}

std::optional<int64_t> index_within(const Value& key, int64_t size) {
  if (!key.is_int()) {
    return std::nullopt;
  }
  int64_t index = key.as_int();
  index += index < 0 ? size : 0;
  return index >= 0 && index < size ? std::optional<int64_t>(index) : std::nullopt;
}

std::optional<Value> character(const Value& object, const Value& key) {
  const std::string& bytes = object.bytes();
  if (object.text().is_ascii) {
    const auto index = index_within(key, static_cast<int64_t>(bytes.size()));
    if (!index) {
      return std::nullopt;
    }
    return Value::string(bytes.substr(static_cast<size_t>(*index), 1));
  }
  const auto index = index_within(key, num_characters(bytes));
  if (!index) {
    return std::nullopt;
  }
  const std::string_view rest = std::string_view(bytes).substr(byte_of_character(bytes, *index));
  return Value::string(std::string(rest.substr(0, first_character(rest).num_bytes)));
}

// What Python's object[key] finds.
std::optional<Value> own_element(const Value& object, const Value& key) {
  switch (object.kind()) {
    case Value::Kind::kDict: {
      if (key.is_sequence() && !key.is_tuple()) {
        return std::nullopt;
      }
      if (key.is_dict()) {
        return std::nullopt;
      }
      const Value* found = object.as_dict().find(key);
      return found == nullptr ? std::nullopt : std::optional<Value>(*found);
    }
    case Value::Kind::kList:
    case Value::Kind::kTuple: {
      const auto index = index_within(key, static_cast<int64_t>(object.items().size()));
      return index ? std::optional<Value>(object.items()[static_cast<size_t>(*index)])
                   : std::nullopt;
    }
    case Value::Kind::kString:
      return character(object, key);
    case Value::Kind::kObject:
      return object.as_object()->element(key);
    default:
      return std::nullopt;
  }
}

void check_defined(const Value& object) {
  if (object.is_undefined()) {
    fault("{} is undefined", object.hint());
  }
}

std::string describe_key(const Value& key) {
  if (key.is_string()) {
    return quote(key.bytes());
  }
  return key.is_int() ? fmt::format("element {}", key.as_int()) : "an element";
}

struct SliceRange {
  int64_t start = 0;
  int64_t step = 1;
  int64_t count = 0;
};

// Python's slice.indices.
SliceRange slice_range(const SliceBounds& bounds, int64_t size) {
  for (const Value* bound : {&bounds.start, &bounds.stop, &bounds.step}) {
    if (!bound->is_none() && !bound->is_int()) {
      fault("a bound of a slice is {}, not an integer", bound->type_name());
    }
  }
  // Beyond the size every step is the same, and the arithmetic below cannot overflow.
  int64_t step = bounds.step.is_none() ? 1 : bounds.step.as_int();
  step = std::clamp(step, -size - 1, size + 1);
  if (!bounds.step.is_none() && bounds.step.as_int() == 0) {
    fault("the step of a slice is 0");
  }
  const bool back = step < 0;
  const int64_t low = back ? -1 : 0;
  const int64_t high = back ? size - 1 : size;
  const auto settle = [&](const Value& bound, int64_t fallback) {
    if (bound.is_none()) {
      return fallback;
    }
    const int64_t value = bound.as_int();
    return std::clamp(value < 0 ? value + size : value, low, high);
  };
  const int64_t start = settle(bounds.start, back ? high : low);
  const int64_t stop = settle(bounds.stop, back ? low : high);
  const int64_t distance = back ? start - stop : stop - start;
  const int64_t stride = back ? -step : step;
  const int64_t count = distance > 0 ? (distance - 1) / stride + 1 : 0;
  return SliceRange{start, step, count};
}

Value slice_of_string(const Value& object, const SliceBounds& bounds) {
  const std::string& bytes = object.bytes();
  const bool ascii = object.text().is_ascii;
  const auto size = ascii ? static_cast<int64_t>(bytes.size()) : num_characters(bytes);
  const SliceRange range = slice_range(bounds, size);
  if (range.count == 0) {
    return Value::string("");
  }
  if (range.step == 1) {
    const auto first =
        ascii ? static_cast<size_t>(range.start) : byte_of_character(bytes, range.start);
    const std::string_view rest = std::string_view(bytes).substr(first);
    const auto count =
        ascii ? static_cast<size_t>(range.count) : byte_of_character(rest, range.count);
    return Value::string(std::string(rest.substr(0, count)));
  }
  const std::vector<std::string_view> characters = split_characters(bytes);
  std::string out;
  for (int64_t i = 0; i < range.count; ++i) {
    out += characters[static_cast<size_t>(range.start + i * range.step)];
  }
  return Value::string(std::move(out));
}

Value slice_of_items(const Value& object, const Items& items, const SliceBounds& bounds) {
  const SliceRange range = slice_range(bounds, static_cast<int64_t>(items.size()));
  Items out;
  out.reserve(static_cast<size_t>(range.count));
  for (int64_t i = 0; i < range.count; ++i) {
    out.push_back(items[static_cast<size_t>(range.start + i * range.step)]);
  }
  return object.is_tuple() ? Value::tuple(std::move(out)) : Value::list(std::move(out));
}

}  // namespace

Value attribute_of(const Value& object, std::string_view name) {
  check_defined(object);
  if (std::optional<Value> found = own_attribute(object, name)) {
    return *found;
  }
  if (object.is_dict()) {
    if (const Value* found = object.as_dict().find(name)) {
      return *found;
    }
  }
  return missing(object, quote(name));
}

Value item_of(const Value& object, const Value& key) {
  check_defined(object);
  if (std::optional<Value> found = own_element(object, key)) {
    return *found;
  }
  if (key.is_string()) {
    if (std::optional<Value> found = own_attribute(object, key.bytes())) {
      return *found;
    }
  }
  return missing(object, describe_key(key));
}

Value slice_of(Interpreter& interpreter, const Value& object, const SliceBounds& bounds) {
  check_defined(object);
  if (object.is_string()) {
    interpreter.budget().build(object.bytes().size());
    return slice_of_string(object, bounds);
  }
  if (object.is_sequence()) {
    interpreter.budget().build(object.items().size() * sizeof(Value));
    return slice_of_items(object, object.items(), bounds);
  }
  const bool is_range =
      object.is_object() && dynamic_cast<Range*>(object.as_object().get()) != nullptr;
  if (!is_range) {
    fault("a {} cannot be sliced", object.type_name());
  }
  auto& range = static_cast<Range&>(*object.as_object());
  const SliceRange part = slice_range(bounds, *range.length());
  int64_t step = 0;
  if (__builtin_mul_overflow(range.step(), part.step, &step)) {
    fault("range: a step beyond 64 bits");
  }
  return Value::object(std::make_shared<Range>(
      range.at(part.start), range.at(part.start + part.count * part.step), step));
}

}  // namespace talon::text
