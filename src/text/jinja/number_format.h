// The layout of numbers and text in a field, shared by the two formatting languages.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "text/jinja/budget.h"
#include "text/jinja/value.h"

namespace talon::text {

inline constexpr int64_t kMaxFieldWidth = 100'000;  // of a field and of a precision

struct FieldSpec {
  std::string fill = " ";
  char align = '\0';  // one of < > ^ =, or none
  char sign = '-';    // one of + - and space
  bool alternate = false;
  char group = '\0';  // a comma or an underscore between thousands
  int64_t width = 0;
  int64_t precision = -1;  // negative: not given
  char type = '\0';
};

// A number by the type of the field: b c d e E f F g G n o x X %, or none.
std::string format_number(Budget& budget, const FieldSpec& spec, const Value& number);

// Text that is cut to the precision and padded.
std::string format_text(Budget& budget, const FieldSpec& spec, std::string_view text);

}  // namespace talon::text
