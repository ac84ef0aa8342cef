// Formatting with percent signs: "%s: %5.1f" % (a, b), and the filter `format`.
#pragma once

#include <string>
#include <string_view>

#include "text/jinja/value.h"

namespace talon::text {

class Interpreter;

// `values` is a tuple of values, a mapping for %(name)s, or one value. A fault if they do not fit.
std::string format_printf(Interpreter& interpreter, std::string_view format, const Value& values);

}  // namespace talon::text
