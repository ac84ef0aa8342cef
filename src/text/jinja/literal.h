// Literals of template expressions: numbers and quoted strings, as Python reads them.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace talon::text {

struct NumberLiteral {
  size_t num_bytes = 0;  // 0: there is no number here
  bool is_real = false;
  int64_t integer = 0;
  double real = 0.0;
};

// The number at the start of `text`. With `after_dot` only an integer is read: x.0.1 is two
// indices. A fault for an integer beyond 64 bits.
NumberLiteral read_number(std::string_view text, bool after_dot);

// The text of a string literal without its quotes. A fault for a malformed escape.
std::string unescape(std::string_view text);

}  // namespace talon::text
