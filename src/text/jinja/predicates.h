// The tests of template expressions: {{ value is name(arguments) }}. Names and behaviour are
// jinja2's.
#pragma once

#include <string_view>

#include "text/jinja/arguments.h"
#include "text/jinja/value.h"

namespace talon::text {

class Interpreter;

using Predicate = bool (*)(Interpreter& interpreter,
                           const Value& input,
                           const Arguments& arguments);

// Null if there is none of this name.
Predicate find_predicate(std::string_view name);

}  // namespace talon::text
