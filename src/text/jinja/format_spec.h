// Formatting with braces, as str.format has it: "{}: {0:>8.2f} {name[key]!r}".
#pragma once

#include <string>
#include <string_view>

#include "text/jinja/arguments.h"

namespace talon::text {

class Interpreter;

// A fault for a malformed format, and for a field that is missing.
std::string format_braces(Interpreter& interpreter,
                          std::string_view format,
                          const Arguments& arguments);

}  // namespace talon::text
