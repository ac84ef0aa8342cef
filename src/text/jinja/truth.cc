#include "text/jinja/truth.h"

#include <algorithm>
#include <cmath>

#include "text/jinja/fault.h"
#include "text/jinja/interpreter.h"
#include "text/jinja/object.h"

namespace talon::text {
namespace {

constexpr int kUnordered = 2;

// Exact also where an int64 has no double of its own.
int compare_int_with_float(int64_t a, double b) {
  constexpr double kLimit = 9223372036854775808.0;  // 2^63
  if (std::isnan(b)) {
    return kUnordered;
  }
  if (b >= kLimit) {
    return -1;
  }
  if (b < -kLimit) {
    return 1;
  }
  const auto whole = static_cast<int64_t>(std::floor(b));
  if (a != whole) {
    return a < whole ? -1 : 1;
  }
  return std::floor(b) < b ? -1 : 0;
}

int reversed(int order) { return order == kUnordered ? order : -order; }

int compare_numbers(const Value& a, const Value& b) {
  if (a.is_int() && b.is_int()) {
    return a.as_int() < b.as_int() ? -1 : (a.as_int() > b.as_int() ? 1 : 0);
  }
  if (a.is_int()) {
    return compare_int_with_float(a.as_int(), b.as_double());
  }
  if (b.is_int()) {
    return reversed(compare_int_with_float(b.as_int(), a.as_double()));
  }
  const double x = a.as_double();
  const double y = b.as_double();
  if (std::isnan(x) || std::isnan(y)) {
    return kUnordered;
  }
  return x < y ? -1 : (x > y ? 1 : 0);
}

bool equal_items(const Items& a, const Items& b, Budget& budget) {
  if (a.size() != b.size()) {
    return false;
  }
  for (size_t i = 0; i < a.size(); ++i) {
    if (!is_equal(a[i], b[i], budget)) {
      return false;
    }
  }
  return true;
}

bool equal_dicts(const Dict& a, const Dict& b, Budget& budget) {
  if (a.size() != b.size()) {
    return false;
  }
  for (const auto& [key, value] : a.entries()) {
    budget.step();
    const Value* other = b.find(key);
    if (other == nullptr || !is_equal(value, *other, budget)) {
      return false;
    }
  }
  return true;
}

bool equal_objects(const Value& a, const Value& b) {
  auto* const x = dynamic_cast<Range*>(a.as_object().get());
  auto* const y = dynamic_cast<Range*>(b.as_object().get());
  if (x == nullptr || y == nullptr) {
    return a.is_same(b);
  }
  const int64_t size = *x->length();
  if (size != *y->length()) {
    return false;
  }
  return size == 0 || (x->at(0) == y->at(0) && (size == 1 || x->step() == y->step()));
}

int compare_items(const Items& a, const Items& b, Budget& budget) {
  const size_t common = std::min(a.size(), b.size());
  for (size_t i = 0; i < common; ++i) {
    if (!is_equal(a[i], b[i], budget)) {
      return compare(a[i], b[i], budget);
    }
  }
  return a.size() < b.size() ? -1 : (a.size() > b.size() ? 1 : 0);
}

}  // namespace

bool is_true(const Value& value) {
  switch (value.kind()) {
    case Value::Kind::kUndefined:
    case Value::Kind::kNone:
      return false;
    case Value::Kind::kBool:
      return value.as_bool();
    case Value::Kind::kInt:
      return value.as_int() != 0;
    case Value::Kind::kFloat:
      return value.as_double() != 0.0;
    case Value::Kind::kString:
      return !value.bytes().empty();
    case Value::Kind::kList:
    case Value::Kind::kTuple:
      return !value.items().empty();
    case Value::Kind::kDict:
      return value.as_dict().size() > 0;
    case Value::Kind::kObject:
      return value.as_object()->is_true();
  }
  return false;
}

bool is_equal(const Value& a, const Value& b, Budget& budget) {
  budget.step();
  if (a.is_number() && b.is_number()) {
    return compare_numbers(a, b) == 0;
  }
  if (a.kind() != b.kind()) {
    return false;
  }
  switch (a.kind()) {
    case Value::Kind::kUndefined:
    case Value::Kind::kNone:
      return true;
    case Value::Kind::kString:
      return a.bytes() == b.bytes();
    case Value::Kind::kList:
    case Value::Kind::kTuple:
      return a.is_same(b) || equal_items(a.items(), b.items(), budget);
    case Value::Kind::kDict:
      return a.is_same(b) || equal_dicts(a.as_dict(), b.as_dict(), budget);
    case Value::Kind::kObject:
      return equal_objects(a, b);
    default:
      return false;
  }
}

int compare(const Value& a, const Value& b, Budget& budget) {
  budget.step();
  if (a.is_number() && b.is_number()) {
    return compare_numbers(a, b);
  }
  if (a.is_string() && b.is_string()) {
    // The order of UTF-8 bytes is the order of code points.
    const int order = a.bytes().compare(b.bytes());
    return order < 0 ? -1 : (order > 0 ? 1 : 0);
  }
  if (a.is_sequence() && a.kind() == b.kind()) {
    return compare_items(a.items(), b.items(), budget);
  }
  for (const Value* value : {&a, &b}) {
    if (value->is_undefined()) {
      fault("{} is undefined", value->hint());
    }
  }
  fault("{} and {} have no order", a.type_name(), b.type_name());
}

bool contains(Interpreter& interpreter, const Value& haystack, const Value& needle) {
  Budget& budget = interpreter.budget();
  if (haystack.is_string()) {
    if (!needle.is_string()) {
      fault("'in' a string needs a string, not {}", needle.type_name());
    }
    budget.step(1 + static_cast<int64_t>(haystack.bytes().size() / 256));
    return haystack.bytes().find(needle.bytes()) != std::string::npos;
  }
  if (haystack.is_dict()) {
    return haystack.as_dict().find(needle) != nullptr;
  }
  const auto items = interpreter.items_of(haystack);
  return std::any_of(items->begin(), items->end(),
                     [&](const Value& item) { return is_equal(item, needle, budget); });
}

}  // namespace talon::text
