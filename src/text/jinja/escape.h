// HTML escapes, for the filters `escape` and `safe`. Templates of chat formats do without
// autoescape, so only text that passed one of them is markup.
#pragma once

#include <string>
#include <string_view>

#include "text/jinja/value.h"

namespace talon::text {

std::string escape_html(std::string_view text);

// A string as part of markup: as it is if it is markup already.
std::string escaped(const Value& string);

}  // namespace talon::text
