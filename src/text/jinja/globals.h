// The functions that every template can call: range, dict, namespace, cycler, joiner, and those
// that Hugging Face adds, raise_exception and strftime_now.
#pragma once

#include <string_view>

#include "text/jinja/object.h"

namespace talon::text {

// Null if there is none of this name.
Builtin find_global(std::string_view name);

}  // namespace talon::text
