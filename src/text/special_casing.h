// Characters whose upper case is more than one character, which utf8proc's simple mapping leaves
// alone: "\u00DF" (sharp s) becomes "SS". Pure function.
#pragma once

#include <string_view>

namespace talon::text {

// Empty where the simple mapping holds. The view lives as long as the program.
std::u32string_view special_upper(char32_t code_point);

}  // namespace talon::text
