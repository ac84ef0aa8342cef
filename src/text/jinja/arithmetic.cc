#include "text/jinja/arithmetic.h"

#include <cmath>
#include <limits>

#include "text/jinja/escape.h"
#include "text/jinja/fault.h"
#include "text/jinja/interpreter.h"
#include "text/jinja/printf.h"

namespace talon::text {
namespace {

constexpr const char* kSigns[] = {"+", "-", "*", "/", "//", "%", "**"};

[[noreturn]] void fail_operands(Operator op, const Value& a, const Value& b) {
  for (const Value* value : {&a, &b}) {
    if (value->is_undefined()) {
      fault("{} is undefined", value->hint());
    }
  }
  fault("no {} for {} and {}", kSigns[static_cast<int>(op)], a.type_name(), b.type_name());
}

[[noreturn]] void fail_overflow() { fault("an integer beyond 64 bits"); }

int64_t integer_power(int64_t base, int64_t exponent) {
  int64_t result = 1;
  while (true) {
    if ((exponent & 1) != 0 && __builtin_mul_overflow(result, base, &result)) {
      fail_overflow();
    }
    exponent >>= 1;
    if (exponent == 0) {
      return result;
    }
    if (__builtin_mul_overflow(base, base, &base)) {
      fail_overflow();
    }
  }
}

// Floor division and remainder: the remainder has the sign of the divisor.
Value divide_integers(Operator op, int64_t a, int64_t b) {
  if (b == 0) {
    fault("division by zero");
  }
  if (a == std::numeric_limits<int64_t>::min() && b == -1) {
    if (op == Operator::kModulo) {
      return Value::integer(0);
    }
    fail_overflow();
  }
  int64_t quotient = a / b;
  int64_t remainder = a % b;
  if (remainder != 0 && (remainder < 0) != (b < 0)) {
    --quotient;
    remainder += b;
  }
  return Value::integer(op == Operator::kModulo ? remainder : quotient);
}

Value integers(Operator op, int64_t a, int64_t b) {
  int64_t result = 0;
  bool overflow = false;
  switch (op) {
    case Operator::kAdd:
      overflow = __builtin_add_overflow(a, b, &result);
      break;
    case Operator::kSubtract:
      overflow = __builtin_sub_overflow(a, b, &result);
      break;
    case Operator::kMultiply:
      overflow = __builtin_mul_overflow(a, b, &result);
      break;
    case Operator::kPower:
      return Value::integer(integer_power(a, b));
    default:
      return divide_integers(op, a, b);
  }
  if (overflow) {
    fail_overflow();
  }
  return Value::integer(result);
}

double floor_quotient(double a, double b) {
  const double quotient = (a - std::fmod(a, b)) / b;
  const double remainder = std::fmod(a, b);
  const bool below = remainder != 0.0 && (remainder < 0.0) != (b < 0.0);
  const double exact = below ? quotient - 1.0 : quotient;
  if (exact == 0.0) {
    return std::copysign(0.0, a / b);
  }
  const double floored = std::floor(exact);
  return exact - floored > 0.5 ? floored + 1.0 : floored;
}

double real_remainder(double a, double b) {
  const double remainder = std::fmod(a, b);
  if (remainder == 0.0) {
    return std::copysign(0.0, b);
  }
  return (remainder < 0.0) != (b < 0.0) ? remainder + b : remainder;
}

double power(double a, double b) {
  if (a == 0.0 && b < 0.0) {
    fault("0.0 cannot be raised to a negative power");
  }
  if (a < 0.0 && std::isfinite(b) && b != std::floor(b)) {
    fault("a negative number to a fractional power is complex");
  }
  const double result = std::pow(a, b);
  if (std::isinf(result) && std::isfinite(a) && std::isfinite(b)) {
    fault("a number out of range");
  }
  return result;
}

Value reals(Operator op, double a, double b) {
  const bool divides =
      op == Operator::kDivide || op == Operator::kFloorDivide || op == Operator::kModulo;
  if (divides && b == 0.0) {
    fault("division by zero");
  }
  switch (op) {
    case Operator::kAdd:
      return Value::real(a + b);
    case Operator::kSubtract:
      return Value::real(a - b);
    case Operator::kMultiply:
      return Value::real(a * b);
    case Operator::kDivide:
      return Value::real(a / b);
    case Operator::kFloorDivide:
      return Value::real(floor_quotient(a, b));
    case Operator::kModulo:
      return Value::real(real_remainder(a, b));
    case Operator::kPower:
      return Value::real(power(a, b));
  }
  return {};
}

Value numbers(Operator op, const Value& a, const Value& b) {
  const bool whole = a.is_int() && b.is_int() && op != Operator::kDivide &&
                     (op != Operator::kPower || b.as_int() >= 0);
  return whole ? integers(op, a.as_int(), b.as_int()) : reals(op, a.as_double(), b.as_double());
}

Value concatenate(Budget& budget, const Value& a, const Value& b) {
  if (a.is_string()) {
    budget.build(a.bytes().size() + b.bytes().size());
    if (a.text().is_markup || b.text().is_markup) {
      return Value::string(escaped(a) + escaped(b), true);
    }
    return Value::string(a.bytes() + b.bytes());
  }
  budget.build((a.items().size() + b.items().size()) * sizeof(Value));
  Items items = a.items();
  items.insert(items.end(), b.items().begin(), b.items().end());
  return a.is_list() ? Value::list(std::move(items)) : Value::tuple(std::move(items));
}

Value repeat(Budget& budget, const Value& value, int64_t count) {
  count = std::max<int64_t>(count, 0);
  const size_t unit =
      value.is_string() ? value.bytes().size() : value.items().size() * sizeof(Value);
  int64_t bytes = 0;
  if (__builtin_mul_overflow(static_cast<int64_t>(unit), count, &bytes)) {
    fault("a repetition of {} times is too long", count);
  }
  budget.build(bytes);
  if (unit == 0) {
    return value;
  }
  if (value.is_string()) {
    std::string out;
    out.reserve(static_cast<size_t>(bytes));
    for (int64_t i = 0; i < count; ++i) {
      out += value.bytes();
    }
    return Value::string(std::move(out), value.text().is_markup);
  }
  Items items;
  for (int64_t i = 0; i < count; ++i) {
    items.insert(items.end(), value.items().begin(), value.items().end());
  }
  return value.is_list() ? Value::list(std::move(items)) : Value::tuple(std::move(items));
}

bool is_repeatable(const Value& value) { return value.is_string() || value.is_sequence(); }

}  // namespace

Value apply(Interpreter& interpreter, Operator op, const Value& a, const Value& b) {
  Budget& budget = interpreter.budget();
  if (a.is_number() && b.is_number()) {
    return numbers(op, a, b);
  }
  const bool concatenable = a.kind() == b.kind() && is_repeatable(a);
  if (op == Operator::kAdd && concatenable) {
    return concatenate(budget, a, b);
  }
  if (op == Operator::kMultiply && is_repeatable(a) && b.is_int()) {
    return repeat(budget, a, b.as_int());
  }
  if (op == Operator::kMultiply && is_repeatable(b) && a.is_int()) {
    return repeat(budget, b, a.as_int());
  }
  if (op == Operator::kModulo && a.is_string()) {
    return Value::string(format_printf(interpreter, a.bytes(), b));
  }
  fail_operands(op, a, b);
}

Value negate(const Value& value) {
  if (value.is_float()) {
    return Value::real(-value.as_double());
  }
  if (!value.is_int()) {
    fault("no sign for {}", value.is_undefined() ? value.hint() : value.type_name());
  }
  if (value.as_int() == std::numeric_limits<int64_t>::min()) {
    fail_overflow();
  }
  return Value::integer(-value.as_int());
}

Value plus(const Value& value) {
  if (value.is_float()) {
    return value;
  }
  if (!value.is_int()) {
    fault("no sign for {}", value.is_undefined() ? value.hint() : value.type_name());
  }
  return Value::integer(value.as_int());
}

}  // namespace talon::text
