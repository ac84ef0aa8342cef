// Methods of strings that cut them into parts, and `join`.
#include <algorithm>
#include <string>

#include "base/utf8.h"
#include "text/characters.h"
#include "text/jinja/fault.h"
#include "text/jinja/interpreter.h"
#include "text/jinja/methods.h"
#include "text/jinja/split_lines.h"

namespace talon::text {
namespace {

Value string_of(std::string_view text) { return Value::string(std::string(text)); }

// At runs of space, from the left. The rest after `max_splits` keeps its space at the end.
Items split_space(Budget& budget, std::string_view text, int64_t max_splits) {
  Items parts;
  text = strip_left(text);
  while (!text.empty()) {
    budget.build(2 * sizeof(Value));
    if (max_splits >= 0 && static_cast<int64_t>(parts.size()) == max_splits) {
      parts.push_back(string_of(text));
      return parts;
    }
    size_t end = 0;
    while (end < text.size()) {
      const Character c = first_character(text.substr(end));
      if (is_python_space(c.code_point)) {
        break;
      }
      end += c.num_bytes;
    }
    parts.push_back(string_of(text.substr(0, end)));
    text = strip_left(text.substr(end));
  }
  return parts;
}

// The same from the right; the parts come last first.
Items split_space_back(Budget& budget, std::string_view text, int64_t max_splits) {
  Items parts;
  text = strip_right(text);
  while (!text.empty()) {
    budget.build(2 * sizeof(Value));
    if (max_splits >= 0 && static_cast<int64_t>(parts.size()) == max_splits) {
      parts.push_back(string_of(text));
      return parts;
    }
    size_t begin = text.size();
    while (begin > 0) {
      const size_t at = last_character(text.substr(0, begin));
      if (is_python_space(first_character(text.substr(at)).code_point)) {
        break;
      }
      begin = at;
    }
    parts.push_back(string_of(text.substr(begin)));
    text = strip_right(text.substr(0, begin));
  }
  return parts;
}

Items split_at(Budget& budget,
               std::string_view text,
               std::string_view separator,
               int64_t max_splits) {
  Items parts;
  while (max_splits < 0 || static_cast<int64_t>(parts.size()) < max_splits) {
    const size_t at = text.find(separator);
    if (at == std::string_view::npos) {
      break;
    }
    budget.build(2 * sizeof(Value));
    parts.push_back(string_of(text.substr(0, at)));
    text.remove_prefix(at + separator.size());
  }
  parts.push_back(string_of(text));
  return parts;
}

Items split_at_back(Budget& budget,
                    std::string_view text,
                    std::string_view separator,
                    int64_t max_splits) {
  Items parts;
  while (max_splits < 0 || static_cast<int64_t>(parts.size()) < max_splits) {
    const size_t at = text.rfind(separator);
    if (at == std::string_view::npos) {
      break;
    }
    budget.build(2 * sizeof(Value));
    parts.push_back(string_of(text.substr(at + separator.size())));
    text = text.substr(0, at);
  }
  parts.push_back(string_of(text));
  return parts;
}

std::string checked_separator(const Parameters& parameters) {
  std::string separator = parameters.string(0);
  if (separator.empty()) {
    fault("split: the separator is empty");
  }
  return separator;
}

Value split(Interpreter& interpreter, const Value& self, const Arguments& arguments) {
  const Parameters parameters("split", arguments, {"sep", "maxsplit"});
  Budget& budget = interpreter.budget();
  budget.build(self.bytes().size());
  const int64_t max_splits = parameters.integer_or(1, -1);
  if (!parameters.given(0)) {
    return Value::list(split_space(budget, self.bytes(), max_splits));
  }
  return Value::list(split_at(budget, self.bytes(), checked_separator(parameters), max_splits));
}

Value rsplit(Interpreter& interpreter, const Value& self, const Arguments& arguments) {
  const Parameters parameters("rsplit", arguments, {"sep", "maxsplit"});
  Budget& budget = interpreter.budget();
  budget.build(self.bytes().size());
  const int64_t max_splits = parameters.integer_or(1, -1);
  Items parts = parameters.given(0)
                    ? split_at_back(budget, self.bytes(), checked_separator(parameters), max_splits)
                    : split_space_back(budget, self.bytes(), max_splits);
  std::reverse(parts.begin(), parts.end());
  return Value::list(std::move(parts));
}

Value parted(const Value& self, const Arguments& arguments, bool last) {
  const Parameters parameters("partition", arguments, {"sep"}, 1);
  const std::string separator = checked_separator(parameters);
  const std::string_view text = self.bytes();
  const size_t at = last ? text.rfind(separator) : text.find(separator);
  if (at == std::string_view::npos) {
    return last ? Value::tuple({string_of(""), string_of(""), self})
                : Value::tuple({self, string_of(""), string_of("")});
  }
  return Value::tuple({string_of(text.substr(0, at)), string_of(separator),
                       string_of(text.substr(at + separator.size()))});
}

Value partition(Interpreter&, const Value& self, const Arguments& arguments) {
  return parted(self, arguments, false);
}

Value rpartition(Interpreter&, const Value& self, const Arguments& arguments) {
  return parted(self, arguments, true);
}

Value splitlines(Interpreter& interpreter, const Value& self, const Arguments& arguments) {
  const Parameters parameters("splitlines", arguments, {"keepends"});
  interpreter.budget().build(self.bytes().size());
  Items lines;
  for (const std::string_view line : split_lines(self.bytes(), parameters.flag_or(0, false))) {
    interpreter.budget().build(2 * sizeof(Value));
    lines.push_back(string_of(line));
  }
  return Value::list(std::move(lines));
}

Value join(Interpreter& interpreter, const Value& self, const Arguments& arguments) {
  const Parameters parameters("join", arguments, {"iterable"}, 1);
  std::string out;
  bool first = true;
  const auto all_items = interpreter.items_of(parameters.value(0));
  for (const Value& item : *all_items) {
    if (!item.is_string()) {
      fault("join: an element is {}, not a string", item.type_name());
    }
    interpreter.budget().build(self.bytes().size() + item.bytes().size());
    out += first ? "" : self.bytes();
    out += item.bytes();
    first = false;
  }
  return Value::string(std::move(out));
}

constexpr Method kMethods[] = {
    {"split", split, false, true},
    {"rsplit", rsplit, false, true},
    {"partition", partition},
    {"rpartition", rpartition},
    {"splitlines", splitlines, false, true},
    {"join", join},
};

}  // namespace

std::span<const Method> string_split_methods() { return kMethods; }

}  // namespace talon::text
