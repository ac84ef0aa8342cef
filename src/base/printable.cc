#include "base/printable.h"

#include <fmt/format.h>

#include <cstdint>

#include "base/utf8.h"

namespace talon {
namespace {

bool is_fit(const Utf8Unit& unit) {
  return unit.kind == Utf8Kind::kValid && unit.code_point >= 0x20 && unit.code_point != 0x7F;
}

// `escaped` lists characters that get a backslash.
std::string clean(std::string_view text, size_t max_bytes, std::string_view escaped) {
  std::string out;
  size_t i = 0;
  while (i < text.size()) {
    const Utf8Unit unit = next_utf8(text.substr(i));
    if (i + unit.num_bytes > max_bytes) {
      return out + "...";
    }
    const std::string_view bytes = text.substr(i, unit.num_bytes);
    i += unit.num_bytes;
    if (is_fit(unit)) {
      if (bytes.size() == 1 && escaped.find(bytes.front()) != std::string_view::npos) {
        out += '\\';
      }
      out += bytes;
      continue;
    }
    for (const char c : bytes) {
      out += fmt::format("\\x{:02x}", static_cast<uint8_t>(c));
    }
  }
  return out;
}

}  // namespace

std::string printable(std::string_view text, size_t max_bytes) {
  return clean(text, max_bytes, {});
}

std::string quote(std::string_view text) {
  return '"' + clean(text, kMaxQuotedBytes, "\"\\") + '"';
}

}  // namespace talon
