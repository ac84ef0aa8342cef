#include "text/byte_alphabet.h"

#include <array>

#include "base/utf8.h"

namespace talon::text {
namespace {

constexpr int kNumBytes = 256;
constexpr char32_t kFirstShifted = 0x100;
constexpr int kNumShifted = 68;
constexpr int16_t kNoByte = -1;

constexpr bool stands_for_itself(int byte) {
  return (byte >= 0x21 && byte <= 0x7E) || (byte >= 0xA1 && byte <= 0xAC) || byte >= 0xAE;
}

struct Tables {
  std::array<char32_t, kNumBytes> character{};
  std::array<int16_t, kFirstShifted + kNumShifted> byte{};
};

constexpr Tables make_tables() {
  Tables tables;
  tables.byte.fill(kNoByte);
  char32_t shifted = kFirstShifted;
  for (int byte = 0; byte < kNumBytes; ++byte) {
    const char32_t character = stands_for_itself(byte) ? static_cast<char32_t>(byte) : shifted++;
    tables.character[static_cast<size_t>(byte)] = character;
    tables.byte[character] = static_cast<int16_t>(byte);
  }
  return tables;
}

constexpr Tables kTables = make_tables();

}  // namespace

char32_t character_of_byte(uint8_t byte) { return kTables.character[byte]; }

std::optional<std::string> bytes_of_spelling(std::string_view spelling) {
  std::string bytes;
  bytes.reserve(spelling.size());
  while (!spelling.empty()) {
    const Utf8Unit unit = next_utf8(spelling);
    if (unit.kind != Utf8Kind::kValid || unit.code_point >= kTables.byte.size() ||
        kTables.byte[unit.code_point] == kNoByte) {
      return std::nullopt;
    }
    bytes.push_back(static_cast<char>(kTables.byte[unit.code_point]));
    spelling.remove_prefix(unit.num_bytes);
  }
  return bytes;
}

std::string spelling_of_bytes(std::string_view bytes) {
  std::string spelling;
  for (const char c : bytes) {
    // No character of the alphabet needs more than two bytes of UTF-8.
    const char32_t character = character_of_byte(static_cast<uint8_t>(c));
    if (character < 0x80) {
      spelling.push_back(static_cast<char>(character));
    } else {
      spelling.push_back(static_cast<char>(0xC0 | (character >> 6)));
      spelling.push_back(static_cast<char>(0x80 | (character & 0x3F)));
    }
  }
  return spelling;
}

}  // namespace talon::text
