#include "text/quote.h"

#include <fmt/format.h>

#include <cstdint>

#include "text/utf8.h"

namespace talon::text {
namespace {

void append_unit(std::string_view unit_bytes, const Utf8Unit& unit, std::string& quoted) {
  const bool printable =
      unit.kind == Utf8Kind::kValid && unit.code_point >= 0x20 && unit.code_point != 0x7F;
  if (!printable) {
    for (const char c : unit_bytes) {
      quoted += fmt::format("\\x{:02x}", static_cast<uint8_t>(c));
    }
    return;
  }
  if (unit.code_point == '"' || unit.code_point == '\\') {
    quoted += '\\';
  }
  quoted += unit_bytes;
}

}  // namespace

std::string quote(std::string_view text) {
  std::string quoted = "\"";
  size_t i = 0;
  while (i < text.size()) {
    const Utf8Unit unit = next_utf8(text.substr(i));
    if (i + unit.num_bytes > kMaxQuotedBytes) {
      quoted += "...";
      break;
    }
    append_unit(text.substr(i, unit.num_bytes), unit, quoted);
    i += unit.num_bytes;
  }
  return quoted + '"';
}

}  // namespace talon::text
