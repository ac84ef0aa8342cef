// Methods of strings that change case, width or characters.
#include <algorithm>
#include <string>

#include "text/characters.h"
#include "text/jinja/fault.h"
#include "text/jinja/format_spec.h"
#include "text/jinja/interpreter.h"
#include "text/jinja/methods.h"
#include "text/jinja/print.h"

namespace talon::text {
namespace {

Value upper(Interpreter&, const Value& self, const Arguments& arguments) {
  expect_no_arguments("upper", arguments);
  return Value::string(to_upper(self.bytes()));
}

Value lower(Interpreter&, const Value& self, const Arguments& arguments) {
  expect_no_arguments("lower", arguments);
  return Value::string(to_lower(self.bytes()));
}

Value capitalize(Interpreter&, const Value& self, const Arguments& arguments) {
  expect_no_arguments("capitalize", arguments);
  return Value::string(capitalized(self.bytes()));
}

Value swapcase(Interpreter&, const Value& self, const Arguments& arguments) {
  expect_no_arguments("swapcase", arguments);
  std::string out;
  for (const std::string_view c : split_characters(self.bytes())) {
    out += is_upper(first_character(c).code_point) ? to_lower(c) : to_upper(c);
  }
  return Value::string(std::move(out));
}

// A letter after something without case begins a word.
Value title(Interpreter&, const Value& self, const Arguments& arguments) {
  expect_no_arguments("title", arguments);
  std::string out;
  bool in_word = false;
  for (const std::string_view c : split_characters(self.bytes())) {
    const char32_t code = first_character(c).code_point;
    out += in_word ? to_lower(c) : to_title(code);
    in_word = is_upper(code) || is_lower(code) || is_title(code);
  }
  return Value::string(std::move(out));
}

enum class Side { kLeft, kRight, kBoth };

Value justify(Interpreter& interpreter, const Value& self, const Arguments& arguments, Side side) {
  const Parameters parameters("justify", arguments, {"width", "fillchar"}, 1);
  const std::string fill = parameters.string_or(1, " ");
  if (num_characters(fill) != 1) {
    fault("the fill of a justified string is one character");
  }
  const int64_t width = parameters.integer(0);
  const int64_t size = num_characters(self.bytes());
  const int64_t margin = std::max<int64_t>(width - size, 0);
  interpreter.budget().build(std::min<int64_t>(margin, int64_t{1} << 60));
  // Python's centre: an odd margin goes to the left if the width is odd.
  const int64_t left = side == Side::kRight  ? margin
                       : side == Side::kLeft ? 0
                                             : margin / 2 + (margin & width & 1);
  std::string out;
  for (int64_t i = 0; i < left; ++i) {
    out += fill;
  }
  out += self.bytes();
  for (int64_t i = left; i < margin; ++i) {
    out += fill;
  }
  return Value::string(std::move(out));
}

Value ljust(Interpreter& interpreter, const Value& self, const Arguments& arguments) {
  return justify(interpreter, self, arguments, Side::kLeft);
}
Value rjust(Interpreter& interpreter, const Value& self, const Arguments& arguments) {
  return justify(interpreter, self, arguments, Side::kRight);
}
Value center(Interpreter& interpreter, const Value& self, const Arguments& arguments) {
  return justify(interpreter, self, arguments, Side::kBoth);
}

Value zfill(Interpreter& interpreter, const Value& self, const Arguments& arguments) {
  const Parameters parameters("zfill", arguments, {"width"}, 1);
  std::string out = self.bytes();
  const int64_t margin = parameters.integer(0) - num_characters(out);
  if (margin <= 0) {
    return self;
  }
  interpreter.budget().build(margin);
  const bool has_sign = !out.empty() && (out[0] == '+' || out[0] == '-');
  out.insert(has_sign ? 1 : 0, static_cast<size_t>(margin), '0');
  return Value::string(std::move(out));
}

Value expandtabs(Interpreter& interpreter, const Value& self, const Arguments& arguments) {
  const Parameters parameters("expandtabs", arguments, {"tabsize"});
  const int64_t tab = parameters.integer_or(0, 8);
  std::string out;
  int64_t column = 0;
  for (const std::string_view c : split_characters(self.bytes())) {
    if (c == "\t") {
      const int64_t width = tab > 0 ? tab - column % tab : 0;
      interpreter.budget().build(width);
      out.append(static_cast<size_t>(width), ' ');
      column += width;
      continue;
    }
    out += c;
    column = c == "\n" || c == "\r" ? 0 : column + 1;
  }
  return Value::string(std::move(out));
}

Value format(Interpreter& interpreter, const Value& self, const Arguments& arguments) {
  return Value::string(format_braces(interpreter, self.bytes(), arguments));
}

Value format_map(Interpreter& interpreter, const Value& self, const Arguments& arguments) {
  const Parameters parameters("format_map", arguments, {"mapping"}, 1);
  if (!parameters.value(0).is_dict()) {
    fault("format_map needs a mapping");
  }
  Arguments fields;
  for (const auto& [key, value] : parameters.value(0).as_dict().entries()) {
    if (key.is_string()) {
      fields.named.emplace_back(key.bytes(), value);
    }
  }
  return Value::string(format_braces(interpreter, self.bytes(), fields));
}

constexpr Method kMethods[] = {
    {"upper", upper},
    {"lower", lower},
    {"casefold", lower},
    {"capitalize", capitalize},
    {"title", title},
    {"swapcase", swapcase},
    {"ljust", ljust},
    {"rjust", rjust},
    {"center", center},
    {"zfill", zfill},
    {"format", format, false, true},
    {"format_map", format_map},
    {"expandtabs", expandtabs, false, true},
};

}  // namespace

std::span<const Method> string_case_methods() { return kMethods; }

}  // namespace talon::text
