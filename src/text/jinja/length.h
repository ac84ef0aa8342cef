// How many elements or characters a value has: Python's len().
#pragma once

#include <cstdint>
#include <optional>

#include "text/jinja/value.h"

namespace talon::text {

// Nothing for a value without length.
std::optional<int64_t> length_of(const Value& value);

}  // namespace talon::text
