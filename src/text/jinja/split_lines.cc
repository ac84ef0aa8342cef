#include "text/jinja/split_lines.h"

#include "text/characters.h"

namespace talon::text {
namespace {

bool ends_line(char32_t c) {
  return (c >= '\n' && c <= '\r') || (c >= 0x1C && c <= 0x1E) || c == 0x85 || c == 0x2028 ||
         c == 0x2029;
}

}  // namespace

std::vector<std::string_view> split_lines(std::string_view text, bool keep_ends) {
  std::vector<std::string_view> lines;
  size_t at = 0;
  while (at < text.size()) {
    size_t end = at;
    size_t end_bytes = 0;
    while (end < text.size()) {
      const Character c = first_character(text.substr(end));
      if (ends_line(c.code_point)) {
        end_bytes = text.substr(end).starts_with("\r\n") ? 2 : c.num_bytes;
        break;
      }
      end += c.num_bytes;
    }
    lines.push_back(text.substr(at, end - at + (keep_ends ? end_bytes : 0)));
    at = end + end_bytes;
  }
  return lines;
}

}  // namespace talon::text
