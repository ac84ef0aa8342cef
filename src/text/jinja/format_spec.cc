#include "text/jinja/format_spec.h"

#include <optional>

#include "base/printable.h"
#include "text/characters.h"
#include "text/jinja/attribute.h"
#include "text/jinja/fault.h"
#include "text/jinja/interpreter.h"
#include "text/jinja/number_format.h"
#include "text/jinja/print.h"

namespace talon::text {
namespace {

std::optional<int64_t> whole_number(std::string_view digits) {
  if (digits.empty() || digits.size() > 9) {
    return std::nullopt;
  }
  int64_t value = 0;
  for (const char c : digits) {
    if (c < '0' || c > '9') {
      return std::nullopt;
    }
    value = value * 10 + (c - '0');
  }
  return value;
}

// [[fill]align][sign][#][0][width][group][.precision][type]
class SpecReader {
 public:
  explicit SpecReader(std::string_view text) : text_(text) {}

  FieldSpec run() {
    alignment();
    if (one_of("+- ")) {
      spec_.sign = last_;
    }
    spec_.alternate = one_of("#");
    if (one_of("0") && spec_.align == '\0') {
      spec_.fill = "0";
      spec_.align = '=';
    }
    spec_.width = number();
    if (one_of(",_")) {
      spec_.group = last_;
    }
    if (one_of(".")) {
      if (at_ == text_.size() || text_[at_] < '0' || text_[at_] > '9') {
        fault("a format without precision after the point");
      }
      spec_.precision = number();
    }
    if (at_ < text_.size()) {
      spec_.type = text_[at_++];
    }
    static constexpr std::string_view kTypes("bcdeEfFgGnosxX%\0", 16);
    if (at_ != text_.size() || kTypes.find(spec_.type) == std::string_view::npos) {
      fault("the format {} is malformed", quote(text_));
    }
    return spec_;
  }

 private:
  static bool is_align(char c) { return c == '<' || c == '>' || c == '^' || c == '='; }

  void alignment() {
    if (text_.empty()) {
      return;
    }
    const size_t size = first_character(text_).num_bytes;
    if (size < text_.size() && is_align(text_[size])) {
      spec_.fill = text_.substr(0, size);
      spec_.align = text_[size];
      at_ = size + 1;
    } else if (is_align(text_[0])) {
      spec_.align = text_[0];
      at_ = 1;
    }
  }

  bool one_of(std::string_view set) {
    if (at_ == text_.size() || set.find(text_[at_]) == std::string_view::npos) {
      return false;
    }
    last_ = text_[at_++];
    return true;
  }

  int64_t number() {
    int64_t value = 0;
    while (at_ < text_.size() && text_[at_] >= '0' && text_[at_] <= '9') {
      value = std::min<int64_t>(value * 10 + (text_[at_++] - '0'), kMaxFieldWidth + 1);
    }
    return value;
  }

  std::string_view text_;
  size_t at_ = 0;
  char last_ = '\0';
  FieldSpec spec_;
};

std::string format_value(Budget& budget, const Value& value, const std::string& text) {
  if (text.empty()) {
    return to_text(value, budget);
  }
  const FieldSpec spec = SpecReader(text).run();
  const bool is_number = value.is_number() && !(value.is_bool() && spec.type == '\0');
  if (is_number) {
    if (spec.type == 's') {
      fault("the format 's' is for text");
    }
    return format_number(budget, spec, value);
  }
  if (value.is_bool()) {
    // Without a type a bool is laid out as a number but for its text.
    return format_number(budget, spec, Value::integer(value.as_int()));
  }
  const bool fits = spec.type == '\0' || spec.type == 's';
  if (!value.is_string() || !fits || spec.align == '=' || spec.sign != '-' || spec.alternate ||
      spec.group != '\0') {
    fault("the format {} does not fit a {}", quote(text), value.type_name());
  }
  return format_text(budget, spec, value.bytes());
}

class BraceFormatter {
 public:
  BraceFormatter(Interpreter& interpreter, const Arguments& arguments)
      : interpreter_(interpreter), arguments_(arguments) {}

  std::string run(std::string_view format, int depth) {
    if (depth > 2) {
      fault("fields of a format nested too deeply");
    }
    std::string out;
    while (!format.empty()) {
      const size_t brace = format.find_first_of("{}");
      if (brace == std::string_view::npos) {
        return out += format;
      }
      out += format.substr(0, brace);
      format.remove_prefix(brace);
      if (format.size() > 1 && format[1] == format[0]) {
        out += format[0];
        format.remove_prefix(2);
        continue;
      }
      if (format[0] == '}') {
        fault("a single '}}' in a format");
      }
      const size_t end = field_end(format);
      out += field(format.substr(1, end - 1), depth);
      interpreter_.budget().build(out.size());
      format.remove_prefix(end + 1);
    }
    return out;
  }

 private:
  // The closing brace of the field that begins the text.
  static size_t field_end(std::string_view format) {
    int depth = 0;
    bool in_brackets = false;
    for (size_t i = 0; i < format.size(); ++i) {
      const char c = format[i];
      in_brackets = (in_brackets && c != ']') || (c == '[' && depth == 1);
      if (in_brackets) {
        continue;
      }
      depth += c == '{' ? 1 : (c == '}' ? -1 : 0);
      if (depth == 0) {
        return i;
      }
    }
    fault("a '{{' without end in a format");
  }

  std::string field(std::string_view text, int depth) {
    const size_t name_end = std::min(text.find_first_of("!:", skip_brackets(text)), text.size());
    Value value = named(text.substr(0, name_end));
    text.remove_prefix(name_end);
    if (!text.empty() && text[0] == '!') {
      if (text.size() < 2 || (text.size() > 2 && text[2] != ':')) {
        fault("a conversion in a format is malformed");
      }
      value = converted(value, text[1]);
      text.remove_prefix(2);
    }
    text.remove_prefix(text.empty() ? 0 : 1);
    return format_value(interpreter_.budget(), value, run(text, depth + 1));
  }

  // Where a `:` or `!` can end the name: after the last bracket.
  static size_t skip_brackets(std::string_view text) {
    size_t at = 0;
    while (at < text.size() && text[at] != ':' && text[at] != '!') {
      at = text[at] == '[' ? std::min(text.find(']', at), text.size() - 1) + 1 : at + 1;
    }
    return at;
  }

  Value converted(const Value& value, char conversion) {
    if (conversion == 's') {
      return Value::string(to_text(value, interpreter_.budget()));
    }
    if (conversion == 'r') {
      return Value::string(to_repr(value, interpreter_.budget()));
    }
    fault("the conversion '!{}' is unknown", conversion);
  }

  Value positional(int64_t index) {
    if (index >= static_cast<int64_t>(arguments_.positional.size())) {
      fault("a format needs the argument {}", index);
    }
    return arguments_.positional[static_cast<size_t>(index)];
  }

  Value first_part(std::string_view name) {
    if (name.empty()) {
      if (next_ < 0) {
        fault("a format cannot number some fields and not others");
      }
      return positional(next_++);
    }
    if (const auto index = whole_number(name)) {
      if (next_ > 0) {
        fault("a format cannot number some fields and not others");
      }
      next_ = -1;
      return positional(*index);
    }
    const Value* found = arguments_.find(name);
    if (found == nullptr) {
      fault("a format needs the argument {}", quote(name));
    }
    return *found;
  }

  Value named(std::string_view name) {
    size_t at = std::min(name.find_first_of(".["), name.size());
    Value value = first_part(name.substr(0, at));
    while (at < name.size()) {
      const bool dot = name[at] == '.';
      const size_t end =
          dot ? std::min(name.find_first_of(".[", at + 1), name.size()) : name.find(']', at);
      if (end == std::string_view::npos || end == at + 1) {
        fault("a field of a format is malformed");
      }
      const std::string_view part = name.substr(at + 1, end - at - 1);
      value = dot ? attribute_of(value, part) : element(value, part);
      at = dot ? end : end + 1;
    }
    return value;
  }

  static Value element(const Value& value, std::string_view part) {
    const auto index = whole_number(part);
    const Value found =
        item_of(value, index ? Value::integer(*index) : Value::string(std::string(part)));
    if (found.is_undefined()) {
      fault("{} is undefined", found.hint());
    }
    return found;
  }

  Interpreter& interpreter_;
  const Arguments& arguments_;
  int64_t next_ = 0;  // of the fields without name; negative once one had a number
};

}  // namespace

std::string format_braces(Interpreter& interpreter,
                          std::string_view format,
                          const Arguments& arguments) {
  interpreter.budget().build(format.size());
  return BraceFormatter(interpreter, arguments).run(format, 0);
}

}  // namespace talon::text
