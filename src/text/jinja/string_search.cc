// Methods of strings that look for, replace or remove parts.
#include <algorithm>
#include <string>

#include "text/characters.h"
#include "text/jinja/fault.h"
#include "text/jinja/interpreter.h"
#include "text/jinja/methods.h"
#include "text/jinja/replace.h"

namespace talon::text {
namespace {

struct Window {
  std::string_view text;
  int64_t start = 0;  // in characters
  bool is_valid = true;
};

// The part of a string between two optional bounds, as Python clips them.
Window window_of(const Value& self, const Parameters& parameters, size_t first) {
  const std::string& bytes = self.bytes();
  const int64_t size = num_characters(bytes);
  const auto settle = [&](size_t index, int64_t fallback) {
    if (!parameters.given(index)) {
      return fallback;
    }
    const int64_t bound = parameters.integer(index);
    return std::max<int64_t>(bound < 0 ? bound + size : bound, 0);
  };
  const int64_t start = settle(first, 0);
  const int64_t stop = std::min(settle(first + 1, size), size);
  if (start > size || start > stop) {
    return {{}, start, false};
  }
  const size_t begin = byte_of_character(bytes, start);
  const size_t end = byte_of_character(bytes, stop);
  return {std::string_view(bytes).substr(begin, end - begin), start, true};
}

// The character where `needle` stands, or -1.
int64_t position(const Value& self, const Arguments& arguments, bool last) {
  const Parameters parameters("find", arguments, {"sub", "start", "end"}, 1);
  const std::string& needle = parameters.string(0);
  const Window window = window_of(self, parameters, 1);
  const size_t at = !window.is_valid ? std::string_view::npos
                    : last           ? window.text.rfind(needle)
                                     : window.text.find(needle);
  if (at == std::string_view::npos) {
    return -1;
  }
  return window.start + num_characters(window.text.substr(0, at));
}

Value find(Interpreter&, const Value& self, const Arguments& arguments) {
  return Value::integer(position(self, arguments, false));
}

Value rfind(Interpreter&, const Value& self, const Arguments& arguments) {
  return Value::integer(position(self, arguments, true));
}

Value found_index(int64_t at) {
  if (at < 0) {
    fault("index: the substring is not there");
  }
  return Value::integer(at);
}

Value index(Interpreter&, const Value& self, const Arguments& arguments) {
  return found_index(position(self, arguments, false));
}

Value rindex(Interpreter&, const Value& self, const Arguments& arguments) {
  return found_index(position(self, arguments, true));
}

Value count(Interpreter&, const Value& self, const Arguments& arguments) {
  const Parameters parameters("count", arguments, {"sub", "start", "end"}, 1);
  const std::string& needle = parameters.string(0);
  const Window window = window_of(self, parameters, 1);
  if (!window.is_valid) {
    return Value::integer(0);
  }
  if (needle.empty()) {
    return Value::integer(num_characters(window.text) + 1);
  }
  int64_t count = 0;
  for (size_t at = window.text.find(needle); at != std::string_view::npos;
       at = window.text.find(needle, at + needle.size())) {
    ++count;
  }
  return Value::integer(count);
}

bool touches(const Window& window, const Value& part, bool at_start) {
  if (!part.is_string()) {
    fault("startswith and endswith need a string or a tuple of strings");
  }
  return window.is_valid &&
         (at_start ? window.text.starts_with(part.bytes()) : window.text.ends_with(part.bytes()));
}

Value affixed(const Value& self, const Arguments& arguments, bool at_start) {
  const Parameters parameters("startswith", arguments, {"prefix", "start", "end"}, 1);
  const Window window = window_of(self, parameters, 1);
  const Value& part = parameters.value(0);
  if (!part.is_tuple()) {
    return Value::boolean(touches(window, part, at_start));
  }
  const Items& parts = part.items();
  return Value::boolean(std::any_of(parts.begin(), parts.end(), [&](const Value& one) {
    return touches(window, one, at_start);
  }));
}

Value startswith(Interpreter&, const Value& self, const Arguments& arguments) {
  return affixed(self, arguments, true);
}

Value endswith(Interpreter&, const Value& self, const Arguments& arguments) {
  return affixed(self, arguments, false);
}

Value removeprefix(Interpreter&, const Value& self, const Arguments& arguments) {
  const Parameters parameters("removeprefix", arguments, {"prefix"}, 1);
  const std::string& prefix = parameters.string(0);
  return self.bytes().starts_with(prefix) ? Value::string(self.bytes().substr(prefix.size()))
                                          : self;
}

Value removesuffix(Interpreter&, const Value& self, const Arguments& arguments) {
  const Parameters parameters("removesuffix", arguments, {"suffix"}, 1);
  const std::string& suffix = parameters.string(0);
  return self.bytes().ends_with(suffix)
             ? Value::string(self.bytes().substr(0, self.bytes().size() - suffix.size()))
             : self;
}

Value replace(Interpreter& interpreter, const Value& self, const Arguments& arguments) {
  const Parameters parameters("replace", arguments, {"old", "new", "count"}, 2);
  return Value::string(replaced(interpreter.budget(), {.text = self.bytes(),
                                                       .old_part = parameters.string(0),
                                                       .new_part = parameters.string(1),
                                                       .max_count = parameters.integer_or(2, -1)}));
}

enum class Side { kLeft, kRight, kBoth };

Value strip_side(const Value& self, const Arguments& arguments, Side side) {
  const Parameters parameters("strip", arguments, {"chars"});
  std::string_view text = self.bytes();
  if (!parameters.given(0)) {
    text = side == Side::kRight ? text : strip_left(text);
    text = side == Side::kLeft ? text : strip_right(text);
    return Value::string(std::string(text));
  }
  return Value::string(std::string(
      strip_characters(text, parameters.string(0), side != Side::kRight, side != Side::kLeft)));
}

Value strip_both(Interpreter&, const Value& self, const Arguments& arguments) {
  return strip_side(self, arguments, Side::kBoth);
}
Value lstrip(Interpreter&, const Value& self, const Arguments& arguments) {
  return strip_side(self, arguments, Side::kLeft);
}
Value rstrip(Interpreter&, const Value& self, const Arguments& arguments) {
  return strip_side(self, arguments, Side::kRight);
}

constexpr Method kMethods[] = {
    {"find", find},
    {"rfind", rfind},
    {"index", index},
    {"rindex", rindex},
    {"count", count},
    {"startswith", startswith},
    {"endswith", endswith},
    {"removeprefix", removeprefix},
    {"removesuffix", removesuffix},
    {"replace", replace},
    {"strip", strip_both},
    {"lstrip", lstrip},
    {"rstrip", rstrip},
};

}  // namespace

std::span<const Method> string_search_methods() { return kMethods; }

}  // namespace talon::text
