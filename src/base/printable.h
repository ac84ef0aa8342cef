// Text from a file made fit for a one-line message: control characters become '?', and what is
// longer than `max_bytes` is cut and marked with "...".
#pragma once

#include <string>
#include <string_view>

namespace talon {

inline std::string printable(std::string_view text, size_t max_bytes = 160) {
  std::string out(text.substr(0, max_bytes));
  for (char& c : out) {
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7F) {
      c = '?';
    }
  }
  return text.size() > max_bytes ? out + "..." : out;
}

}  // namespace talon
