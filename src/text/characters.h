// Text as a sequence of characters (code points), with the classes and case mappings that Python's
// `str` has: what chat templates were written against.
//
// Strings are UTF-8. A byte that is part of no character counts as one character of its own and is
// in no class. Classes go by Unicode's general categories, so that some hundred letter-like symbols
// and numerals of other scripts are in fewer of them than in Python. All functions are pure.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace talon::text {

// The character at the start of non-empty `bytes`; num_bytes is at least 1.
struct Character {
  char32_t code_point = 0;
  size_t num_bytes = 0;
};
Character first_character(std::string_view bytes);

void append_utf8(char32_t code_point, std::string& out);

bool is_ascii(std::string_view text);
int64_t num_characters(std::string_view text);

// The byte where character `index` begins, or the size if there are fewer.
size_t byte_of_character(std::string_view text, int64_t index);

// One view for each character.
std::vector<std::string_view> split_characters(std::string_view text);

// str.isspace: more than Unicode's White_Space, since the separators 0x1C to 0x1F are in it.
bool is_python_space(char32_t code_point);
bool is_letter(char32_t code_point);
bool is_decimal_digit(char32_t code_point);
bool is_digit(char32_t code_point);    // with superscripts and the like
bool is_numeric(char32_t code_point);  // with fractions and numerals
bool is_upper(char32_t code_point);
bool is_lower(char32_t code_point);
bool is_title(char32_t code_point);
bool is_printable(char32_t code_point);
bool is_word(char32_t code_point);  // \w: letters, numerals and the underscore

std::string to_upper(std::string_view text);
std::string to_lower(std::string_view text);
std::string to_title(char32_t code_point);
// The first character as a title begins, the rest in lower case.
std::string capitalized(std::string_view text);

// str.islower and str.isupper: something has case, and all that has has this one.
bool is_lower_case(std::string_view text);
bool is_upper_case(std::string_view text);

std::string_view strip_left(std::string_view text);
std::string_view strip_right(std::string_view text);
std::string_view strip(std::string_view text);

}  // namespace talon::text
