// How values look as text: Python's str() and repr().
#pragma once

#include <string>
#include <string_view>

#include "text/jinja/budget.h"
#include "text/jinja/value.h"

namespace talon::text {

// str(value). Nothing for an undefined value.
std::string to_text(const Value& value, Budget& budget);

// repr(value): strings are quoted.
std::string to_repr(const Value& value, Budget& budget);

// The shortest digits that read back as the same double, in Python's layout: 0.1, 1e+16, inf.
std::string real_text(double value);

// A string in single quotes, or in double ones if it has single ones only, with escapes.
std::string quoted_text(std::string_view text);

}  // namespace talon::text
