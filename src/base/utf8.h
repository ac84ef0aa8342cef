// UTF-8 rules shared by the tokenizer, the detokenizer and the parsers of this folder.
//
// Invalid bytes are replaced by the maximal-subpart rule, which is what Unicode recommends and what
// lossy decoding in Rust and Python does: the longest run of bytes that begins a well-formed
// sequence, or else one byte, becomes one U+FFFD. All functions are pure; Utf8Assembler belongs to
// one thread.
#pragma once

#include <string>
#include <string_view>

namespace talon {

inline constexpr std::string_view kReplacement = "\xEF\xBF\xBD";  // U+FFFD

enum class Utf8Kind {
  kValid,       // one character
  kInvalid,     // bytes that become one U+FFFD, whatever follows
  kIncomplete,  // all bytes given begin a character whose end is not there yet
};

struct Utf8Unit {
  Utf8Kind kind = Utf8Kind::kInvalid;
  size_t num_bytes = 0;
  char32_t code_point = 0;  // kValid only
};

// The unit at the start of `bytes`, which must not be empty.
Utf8Unit next_utf8(std::string_view bytes);

// Length of the longest prefix of whole, valid characters.
size_t valid_utf8_prefix(std::string_view bytes);

// The bytes with every invalid or incomplete run replaced.
std::string to_valid_utf8(std::string_view bytes);

// The Unicode property White_Space, which is what \s means in tokenizer files.
bool is_white_space(char32_t code_point);

// The start of the last character of non-empty, valid UTF-8.
size_t last_character(std::string_view text);

// Puts a stream of bytes together to whole characters. However the bytes are cut, the pieces
// returned add up to to_valid_utf8 of all of them.
class Utf8Assembler {
 public:
  // The text that is settled with these bytes. At most three bytes are held back.
  std::string push(std::string_view bytes);

  // The replacement of what is held back. The assembler is as new afterwards.
  std::string finish();

 private:
  std::string pending_;
};

}  // namespace talon
