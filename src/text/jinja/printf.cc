#include "text/jinja/printf.h"

#include <algorithm>
#include <cmath>
#include <optional>

#include "base/printable.h"
#include "text/characters.h"
#include "text/jinja/fault.h"
#include "text/jinja/interpreter.h"
#include "text/jinja/number_format.h"
#include "text/jinja/print.h"

namespace talon::text {
namespace {

class PrintfFormatter {
 public:
  PrintfFormatter(Interpreter& interpreter, std::string_view format, const Value& values)
      : budget_(interpreter.budget()), format_(format), values_(values) {}

  std::string run() {
    std::string out;
    while (at_ < format_.size()) {
      const size_t percent = std::min(format_.find('%', at_), format_.size());
      out += format_.substr(at_, percent - at_);
      at_ = percent + 1;
      if (percent < format_.size()) {
        out += field();
      }
      budget_.build(out.size());
    }
    const bool single_left = !values_.is_tuple() && !values_.is_dict() && num_used_ == 0;
    const bool some_left = values_.is_tuple() && num_used_ < values_.items().size();
    // Python lets a list or mapping stand for no value at all.
    if (some_left || (single_left && !values_.is_list())) {
      fault("not all values of a format are used");
    }
    return out;
  }

 private:
  char peek() const { return at_ < format_.size() ? format_[at_] : '\0'; }

  Value next_value() {
    if (key_) {
      if (!values_.is_dict()) {
        fault("a format with names needs a mapping");
      }
      const Value* found = values_.as_dict().find(std::string_view(*key_));
      if (found == nullptr) {
        fault("a format needs {}", quote(*key_));
      }
      return *found;
    }
    const size_t num_values = values_.is_tuple() ? values_.items().size() : 1;
    if (num_used_ >= num_values) {
      fault("a format needs more values");
    }
    const size_t index = num_used_++;
    return values_.is_tuple() ? values_.items()[index] : values_;
  }

  void read_key() {
    key_.reset();
    if (peek() != '(') {
      return;
    }
    size_t end = at_;
    int depth = 0;
    do {
      if (end >= format_.size()) {
        fault("a name without end in a format");
      }
      depth += format_[end] == '(' ? 1 : (format_[end] == ')' ? -1 : 0);
      ++end;
    } while (depth > 0);
    key_ = std::string(format_.substr(at_ + 1, end - at_ - 2));
    at_ = end;
  }

  int64_t read_number() {
    if (peek() == '*') {
      ++at_;
      const Value value = next_value();
      if (!value.is_int()) {
        fault("the width of a field is {}", value.type_name());
      }
      return std::clamp(value.as_int(), -kMaxFieldWidth - 1, kMaxFieldWidth + 1);
    }
    int64_t number = 0;
    while (peek() >= '0' && peek() <= '9') {
      number = std::min<int64_t>(number * 10 + (format_[at_++] - '0'), kMaxFieldWidth + 1);
    }
    return number;
  }

  std::string field() {
    read_key();
    FieldSpec spec;
    spec.align = '>';
    bool zero = false;
    for (; peek() != '\0' && std::string_view("#0- +").find(peek()) != std::string_view::npos;
         ++at_) {
      const char flag = peek();
      spec.alternate = spec.alternate || flag == '#';
      zero = zero || flag == '0';
      spec.align = flag == '-' ? '<' : spec.align;
      spec.sign = flag == '+' || (flag == ' ' && spec.sign != '+') ? flag : spec.sign;
    }
    spec.width = read_number();
    if (spec.width < 0) {
      spec.align = '<';
      spec.width = -spec.width;
    }
    if (peek() == '.') {
      ++at_;
      spec.precision = std::max<int64_t>(read_number(), 0);
    }
    while (peek() == 'h' || peek() == 'l' || peek() == 'L') {
      ++at_;
    }
    if (at_ >= format_.size()) {
      fault("a format ends in a field");
    }
    const char type = format_[at_++];
    if (type == '%') {
      return "%";
    }
    return conversion(spec, type, zero && spec.align != '<');
  }

  std::string conversion(FieldSpec& spec, char type, bool zero) {
    const Value value = next_value();
    switch (type) {
      case 's':
        return format_text(budget_, spec, to_text(value, budget_));
      case 'r':
      case 'a':
        return format_text(budget_, spec, to_repr(value, budget_));
      case 'c':
        return character(spec, value);
      default:
        break;
    }
    if (zero) {
      spec.align = '=';
      spec.fill = "0";
    }
    if (std::string_view("diuoxX").find(type) != std::string_view::npos) {
      return integer(spec, type, value);
    }
    if (std::string_view("eEfFgG").find(type) == std::string_view::npos) {
      fault("the conversion '%{}' is unknown", printable_type(type));
    }
    if (!value.is_number()) {
      fault("'%{}' needs a number, not {}", type, value.type_name());
    }
    spec.type = type;
    return format_number(budget_, spec, Value::real(value.as_double()));
  }

  static char printable_type(char type) { return type >= 0x20 && type < 0x7F ? type : '?'; }

  std::string character(const FieldSpec& spec, const Value& value) {
    if (value.is_string() && num_characters(value.bytes()) == 1) {
      return format_text(budget_, spec, value.bytes());
    }
    if (!value.is_int()) {
      fault("'%c' needs a character");
    }
    FieldSpec number = spec;
    number.type = 'c';
    number.precision = -1;
    return format_number(budget_, number, value);
  }

  // The precision of an integer is the least number of digits.
  std::string integer(FieldSpec& spec, char type, const Value& value) {
    const bool from_real = value.is_float() && type != 'o' && type != 'x' && type != 'X';
    if (!value.is_int() && !from_real) {
      fault("'%{}' needs an integer, not {}", type, value.type_name());
    }
    int64_t number = 0;
    if (from_real) {
      const double real = value.as_double();
      if (!(std::fabs(real) < 9.2e18)) {
        fault("an integer beyond 64 bits");
      }
      number = static_cast<int64_t>(real);
    } else {
      number = value.as_int();
    }
    spec.type = type == 'i' || type == 'u' ? 'd' : type;
    const int64_t num_digits = std::exchange(spec.precision, -1);
    if (num_digits <= 0) {
      return format_number(budget_, spec, Value::integer(number));
    }
    FieldSpec digits = spec;
    digits.align = '=';
    digits.fill = "0";
    const bool has_head = number < 0 || spec.sign != '-';
    const bool has_prefix = spec.alternate && spec.type != 'd';
    digits.width = num_digits + (has_head ? 1 : 0) + (has_prefix ? 2 : 0);
    const std::string text = format_number(budget_, digits, Value::integer(number));
    FieldSpec field;
    field.align = spec.align == '=' ? '>' : spec.align;
    field.width = spec.width;
    return format_text(budget_, field, text);
  }

  Budget& budget_;
  std::string_view format_;
  const Value& values_;
  size_t at_ = 0;
  size_t num_used_ = 0;
  std::optional<std::string> key_;
};

}  // namespace

std::string format_printf(Interpreter& interpreter, std::string_view format, const Value& values) {
  return PrintfFormatter(interpreter, format, values).run();
}

}  // namespace talon::text
