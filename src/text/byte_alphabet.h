// The GPT-2 byte alphabet: tokenizer.json spells each byte of a token as one printable character.
//
// The printable bytes of Latin-1 stand for themselves; the other 68 bytes are U+0100 and onwards,
// in order. Pure functions.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace talon::text {

// The character that stands for a byte.
char32_t character_of_byte(uint8_t byte);

// The bytes that `spelling` stands for; nothing if it is not valid UTF-8 or one of its characters
// is not in the alphabet.
std::optional<std::string> bytes_of_spelling(std::string_view spelling);

// The UTF-8 spelling of any bytes.
std::string spelling_of_bytes(std::string_view bytes);

}  // namespace talon::text
