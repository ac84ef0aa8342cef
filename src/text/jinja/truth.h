// Truth, equality, order and membership, as Python has them.
#pragma once

#include <string_view>

#include "text/jinja/budget.h"
#include "text/jinja/value.h"

namespace talon::text {

class Interpreter;

bool is_true(const Value& value);

// `==`. Numbers of different kinds compare by value, and false is equal to 0.
bool is_equal(const Value& a, const Value& b, Budget& budget);

// Less than 0, 0 or more for two numbers, strings or sequences of such; a fault for what Python
// cannot order. A comparison with NaN gives 2, which is neither.
int compare(const Value& a, const Value& b, Budget& budget);

// `needle in haystack`.
bool contains(Interpreter& interpreter, const Value& haystack, const Value& needle);

}  // namespace talon::text
