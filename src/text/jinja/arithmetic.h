// The operators + - * / // % ** and the signs, as Python has them for the kinds of values here.
// Integers are int64: a result beyond that is a fault, where Python would go on.
#pragma once

#include "text/jinja/value.h"

namespace talon::text {

class Interpreter;

enum class Operator { kAdd, kSubtract, kMultiply, kDivide, kFloorDivide, kModulo, kPower };

Value apply(Interpreter& interpreter, Operator op, const Value& a, const Value& b);
Value negate(const Value& value);
Value plus(const Value& value);

}  // namespace talon::text
