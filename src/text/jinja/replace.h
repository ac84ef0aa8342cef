// Replacing and stripping parts of a string, for methods and filters alike.
#pragma once

#include <string>
#include <string_view>

#include "text/jinja/budget.h"

namespace talon::text {

struct Replacement {
  std::string_view text;
  std::string_view old_part;  // empty: before every character and at the end
  std::string_view new_part;
  int64_t max_count = -1;  // negative: all
};
std::string replaced(Budget& budget, const Replacement& replacement);

// Without the characters of `set` at the chosen ends.
std::string_view strip_characters(std::string_view text,
                                  std::string_view set,
                                  bool at_start,
                                  bool at_end);

}  // namespace talon::text
