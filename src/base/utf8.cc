#include "base/utf8.h"

#include <cstdint>
#include <cstring>

#include "base/check.h"

namespace talon {
namespace {

// What the first byte of a sequence says: its length, and the range of the second byte. The range
// is what excludes overlong forms, surrogates and code points above U+10FFFF (Unicode, table 3-7).
struct Lead {
  size_t num_bytes;
  uint8_t second_low;
  uint8_t second_high;
};

Lead lead_of(uint8_t byte) {
  if (byte >= 0xC2 && byte <= 0xDF) {
    return {2, 0x80, 0xBF};
  }
  if (byte >= 0xE0 && byte <= 0xEF) {
    const uint8_t low = byte == 0xE0 ? 0xA0 : 0x80;
    const uint8_t high = byte == 0xED ? 0x9F : 0xBF;
    return {3, low, high};
  }
  if (byte >= 0xF0 && byte <= 0xF4) {
    const uint8_t low = byte == 0xF0 ? 0x90 : 0x80;
    const uint8_t high = byte == 0xF4 ? 0x8F : 0xBF;
    return {4, low, high};
  }
  return {0, 0, 0};
}

// The number of bytes at the start that are below 0x80.
size_t ascii_prefix(std::string_view bytes) {
  constexpr uint64_t kHighBits = 0x8080808080808080;
  size_t i = 0;
  for (; i + sizeof(uint64_t) <= bytes.size(); i += sizeof(uint64_t)) {
    uint64_t word = 0;
    std::memcpy(&word, bytes.data() + i, sizeof(word));
    if ((word & kHighBits) != 0) {
      break;
    }
  }
  while (i < bytes.size() && static_cast<uint8_t>(bytes[i]) < 0x80) {
    ++i;
  }
  return i;
}

}  // namespace

Utf8Unit next_utf8(std::string_view bytes) {
  TALON_CHECK(!bytes.empty(), "no byte to read");
  const auto first = static_cast<uint8_t>(bytes[0]);
  if (first < 0x80) {
    return {Utf8Kind::kValid, 1, first};
  }
  const Lead lead = lead_of(first);
  if (lead.num_bytes == 0) {
    return {Utf8Kind::kInvalid, 1, 0};
  }
  // The lead byte keeps 7 - n bits of an n-byte sequence.
  auto code_point = static_cast<char32_t>(first & (0x7F >> lead.num_bytes));
  for (size_t i = 1; i < lead.num_bytes; ++i) {
    if (i == bytes.size()) {
      return {Utf8Kind::kIncomplete, i, 0};
    }
    const auto byte = static_cast<uint8_t>(bytes[i]);
    const uint8_t low = i == 1 ? lead.second_low : 0x80;
    const uint8_t high = i == 1 ? lead.second_high : 0xBF;
    if (byte < low || byte > high) {
      return {Utf8Kind::kInvalid, i, 0};
    }
    code_point = (code_point << 6) | (byte & 0x3F);
  }
  return {Utf8Kind::kValid, lead.num_bytes, code_point};
}

size_t valid_utf8_prefix(std::string_view bytes) {
  size_t i = 0;
  while (true) {
    i += ascii_prefix(bytes.substr(i));
    if (i == bytes.size()) {
      return i;
    }
    const Utf8Unit unit = next_utf8(bytes.substr(i));
    if (unit.kind != Utf8Kind::kValid) {
      return i;
    }
    i += unit.num_bytes;
  }
}

std::string to_valid_utf8(std::string_view bytes) {
  Utf8Assembler assembler;
  std::string text = assembler.push(bytes);
  text += assembler.finish();
  return text;
}

bool is_white_space(char32_t code_point) {
  if (code_point < 0x80) {
    return code_point == ' ' || (code_point >= '\t' && code_point <= '\r');
  }
  switch (code_point) {
    case 0x85:
    case 0xA0:
    case 0x1680:
    case 0x2028:
    case 0x2029:
    case 0x202F:
    case 0x205F:
    case 0x3000:
      return true;
    default:
      return code_point >= 0x2000 && code_point <= 0x200A;
  }
}

size_t last_character(std::string_view text) {
  TALON_CHECK(!text.empty(), "no character to find");
  size_t i = text.size() - 1;
  while (i > 0 && (static_cast<uint8_t>(text[i]) & 0xC0) == 0x80) {
    --i;
  }
  return i;
}

std::string Utf8Assembler::push(std::string_view bytes) {
  std::string joined;
  if (!pending_.empty()) {
    joined = pending_;
    joined += bytes;
    bytes = joined;
    pending_.clear();
  }
  std::string text;
  text.reserve(bytes.size());
  while (!bytes.empty()) {
    const size_t valid = valid_utf8_prefix(bytes);
    text += bytes.substr(0, valid);
    bytes.remove_prefix(valid);
    if (bytes.empty()) {
      break;
    }
    const Utf8Unit unit = next_utf8(bytes);
    if (unit.kind == Utf8Kind::kIncomplete) {
      pending_ = bytes;
      break;
    }
    text += kReplacement;
    bytes.remove_prefix(unit.num_bytes);
  }
  return text;
}

std::string Utf8Assembler::finish() {
  // A truncated sequence is one maximal subpart.
  std::string text(pending_.empty() ? std::string_view() : kReplacement);
  pending_.clear();
  return text;
}

}  // namespace talon
