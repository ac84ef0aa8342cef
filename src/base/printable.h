// Text from a file made fit for a one-line message: control characters become '?', and what is
// longer than `max_bytes` is cut and marked with "...".
#pragma once

#include <algorithm>
#include <string>
#include <string_view>

namespace talon {

inline std::string printable(std::string_view text, size_t max_bytes = 160) {
  // The cut is made before a character, not inside it: UTF-8 stays UTF-8.
  size_t end = std::min(max_bytes, text.size());
  while (end > 0 && end < text.size() && (static_cast<unsigned char>(text[end]) & 0xC0) == 0x80) {
    --end;
  }
  std::string out(text.substr(0, end));
  for (char& c : out) {
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7F) {
      c = '?';
    }
  }
  return end < text.size() ? out + "..." : out;
}

}  // namespace talon
