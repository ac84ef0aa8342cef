// Methods of strings that ask what characters they are made of.
#include <algorithm>

#include "text/characters.h"
#include "text/jinja/methods.h"

namespace talon::text {
namespace {

using CharacterClass = bool (*)(char32_t);

bool is_alphanumeric(char32_t c) { return is_letter(c) || is_numeric(c); }
bool is_cased(char32_t c) { return is_upper(c) || is_lower(c) || is_title(c); }
bool is_below_128(char32_t c) { return c < 0x80; }

// Whether every character is of the class.
template <CharacterClass kClass, bool kIfEmpty>
Value all_are(Interpreter&, const Value& self, const Arguments& arguments) {
  expect_no_arguments("a string's is... method", arguments);
  std::string_view text = self.bytes();
  if (text.empty()) {
    return Value::boolean(kIfEmpty);
  }
  while (!text.empty()) {
    const Character c = first_character(text);
    if (!kClass(c.code_point)) {
      return Value::boolean(false);
    }
    text.remove_prefix(c.num_bytes);
  }
  return Value::boolean(true);
}

Value is_identifier(Interpreter& interpreter, const Value& self, const Arguments& arguments) {
  const bool starts_well =
      !self.bytes().empty() && !is_numeric(first_character(self.bytes()).code_point);
  return starts_well ? all_are<is_word, false>(interpreter, self, arguments)
                     : Value::boolean(false);
}

Value is_lower_text(Interpreter&, const Value& self, const Arguments& arguments) {
  expect_no_arguments("islower", arguments);
  return Value::boolean(is_lower_case(self.bytes()));
}

Value is_upper_text(Interpreter&, const Value& self, const Arguments& arguments) {
  expect_no_arguments("isupper", arguments);
  return Value::boolean(is_upper_case(self.bytes()));
}

// Upper case begins each word, and lower case follows.
Value is_title_text(Interpreter&, const Value& self, const Arguments& arguments) {
  expect_no_arguments("istitle", arguments);
  bool in_word = false;
  bool found = false;
  for (const std::string_view part : split_characters(self.bytes())) {
    const char32_t c = first_character(part).code_point;
    const bool begins = is_upper(c) || is_title(c);
    if ((begins && in_word) || (is_lower(c) && !in_word)) {
      return Value::boolean(false);
    }
    in_word = is_cased(c);
    found = found || in_word;
  }
  return Value::boolean(found);
}

constexpr Method kMethods[] = {
    {"isalpha", all_are<is_letter, false>},
    {"isalnum", all_are<is_alphanumeric, false>},
    {"isdigit", all_are<is_digit, false>},
    {"isdecimal", all_are<is_decimal_digit, false>},
    {"isnumeric", all_are<is_numeric, false>},
    {"isspace", all_are<is_python_space, false>},
    {"isascii", all_are<is_below_128, true>},
    {"isprintable", all_are<is_printable, true>},
    {"isidentifier", is_identifier},
    {"islower", is_lower_text},
    {"isupper", is_upper_text},
    {"istitle", is_title_text},
};

}  // namespace

std::span<const Method> string_class_methods() { return kMethods; }

}  // namespace talon::text
