// Filters whose result is a number, and `default`.
#include <charconv>
#include <cmath>
#include <cstdlib>
#include <limits>
#include <optional>
#include <string>

#include "text/characters.h"
#include "text/jinja/arithmetic.h"
#include "text/jinja/fault.h"
#include "text/jinja/filters.h"
#include "text/jinja/interpreter.h"
#include "text/jinja/number_format.h"
#include "text/jinja/print.h"
#include "text/jinja/truth.h"

namespace talon::text {
namespace {

// Digits with single underscores between them become digits; nothing for other underscores.
std::optional<std::string> without_underscores(std::string_view text) {
  std::string out;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '_') {
      out += text[i];
      continue;
    }
    const auto is_alphanumeric = [](char c) {
      return (c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z');
    };
    const bool between = i > 0 && i + 1 < text.size() && is_alphanumeric(text[i - 1]) &&
                         is_alphanumeric(text[i + 1]);
    if (!between) {
      return std::nullopt;
    }
  }
  return out;
}

// Python's float(text).
std::optional<double> read_real(std::string_view text) {
  const std::optional<std::string> digits = without_underscores(strip(text));
  if (!digits || digits->empty()) {
    return std::nullopt;
  }
  std::string lower = to_lower(*digits);
  const bool has_sign = lower[0] == '+' || lower[0] == '-';
  const std::string_view word = std::string_view(lower).substr(has_sign ? 1 : 0);
  const double sign = lower[0] == '-' ? -1.0 : 1.0;
  if (word == "inf" || word == "infinity") {
    return sign * std::numeric_limits<double>::infinity();
  }
  if (word == "nan") {
    return std::numeric_limits<double>::quiet_NaN();
  }
  if (word.empty() || word.find_first_not_of("0123456789.e+-") != std::string_view::npos ||
      word[0] == '+' || word[0] == '-') {
    return std::nullopt;
  }
  double value = 0.0;
  const auto [end, error] = std::from_chars(word.data(), word.data() + word.size(), value);
  if (end != word.data() + word.size()) {
    return std::nullopt;
  }
  // Out of range: too small becomes 0, too large infinity.
  return sign * (error == std::errc() ? value : std::strtod(std::string(word).c_str(), nullptr));
}

std::string_view without_prefix(std::string_view digits, int64_t& base) {
  const char kind =
      digits.size() > 2 && digits[0] == '0' ? static_cast<char>(digits[1] | 0x20) : ' ';
  const int64_t named = kind == 'x' ? 16 : (kind == 'o' ? 8 : (kind == 'b' ? 2 : 0));
  if (named != 0 && (base == 0 || base == named)) {
    base = named;
    return digits.substr(2);
  }
  base = base == 0 ? 10 : base;
  return digits;
}

// Python's int(text, base).
std::optional<int64_t> read_integer(std::string_view text, int64_t base) {
  text = strip(text);
  const bool negative = !text.empty() && text[0] == '-';
  const bool has_sign = !text.empty() && (text[0] == '-' || text[0] == '+');
  const std::string_view unsigned_text = text.substr(has_sign ? 1 : 0);
  const std::optional<std::string> clean = without_underscores(unsigned_text);
  if (!clean || clean->empty()) {
    return std::nullopt;
  }
  const bool is_base_open = base == 0;
  const std::string_view digits = without_prefix(*clean, base);
  if (is_base_open && base == 10 && digits.size() > 1 && digits[0] == '0' &&
      digits.find_first_not_of('0') != std::string_view::npos) {
    return std::nullopt;
  }
  const std::string signed_digits = (negative ? "-" : "") + std::string(digits);
  int64_t value = 0;
  const char* const last = signed_digits.data() + signed_digits.size();
  if (digits.empty() || digits[0] == '-') {
    return std::nullopt;
  }
  const auto [end, error] =
      std::from_chars(signed_digits.data(), last, value, static_cast<int>(base));
  if (end == last && error == std::errc::result_out_of_range) {
    fault("int: an integer beyond 64 bits");
  }
  return end == last && error == std::errc() ? std::optional<int64_t>(value) : std::nullopt;
}

int64_t truncated(double value) {
  if (!(std::fabs(value) < 9.2233720368547758e18)) {
    fault("an integer beyond 64 bits");
  }
  return static_cast<int64_t>(value);
}

Value to_int(Interpreter&, const Value& input, const Arguments& arguments) {
  const Parameters parameters("int", arguments, {"default", "base"});
  Value fallback = parameters.value_or(0, Value::integer(0));
  const int64_t base = parameters.integer_or(1, 10);
  if (input.is_undefined()) {
    fault("{} is undefined", input.hint());
  }
  if (input.is_int()) {
    return Value::integer(input.as_int());
  }
  if (input.is_float()) {
    if (std::isinf(input.as_double())) {
      fault("an integer beyond 64 bits");
    }
    return std::isnan(input.as_double()) ? fallback : Value::integer(truncated(input.as_double()));
  }
  if (!input.is_string()) {
    return fallback;
  }
  const bool valid_base = base == 0 || (base >= 2 && base <= 36);
  if (const auto value = valid_base ? read_integer(input.bytes(), base) : std::nullopt) {
    return Value::integer(*value);
  }
  const std::optional<double> real = read_real(input.bytes());
  return real && std::isfinite(*real) ? Value::integer(truncated(*real)) : fallback;
}

Value to_float(Interpreter&, const Value& input, const Arguments& arguments) {
  const Parameters parameters("float", arguments, {"default"});
  if (input.is_undefined()) {
    fault("{} is undefined", input.hint());
  }
  if (input.is_number()) {
    return Value::real(input.as_double());
  }
  const std::optional<double> value = input.is_string() ? read_real(input.bytes()) : std::nullopt;
  return value ? Value::real(*value) : parameters.value_or(0, Value::real(0.0));
}

Value absolute(Interpreter&, const Value& input, const Arguments& arguments) {
  expect_no_arguments("abs", arguments);
  if (input.is_float()) {
    return Value::real(std::fabs(input.as_double()));
  }
  if (!input.is_int()) {
    fault("abs needs a number, not {}", input.type_name());
  }
  return input.as_int() < 0 ? negate(input) : Value::integer(input.as_int());
}

// To the nearest, of two equally near ones the even: as printf rounds, exactly.
double rounded_real(double value, int64_t precision) {
  if (!std::isfinite(value) || precision > 323) {
    return value;
  }
  if (precision < -308) {
    return std::copysign(0.0, value);
  }
  if (precision >= 0) {
    return std::strtod(fmt::format("{:.{}f}", value, precision).c_str(), nullptr);
  }
  const double unit = std::pow(10.0, static_cast<double>(-precision));
  return std::nearbyint(value / unit) * unit;
}

int64_t rounded_integer(int64_t value, int64_t precision) {
  if (precision >= 0) {
    return value;
  }
  if (precision < -18) {
    return 0;
  }
  int64_t unit = 1;
  for (int64_t i = precision; i < 0; ++i) {
    unit *= 10;
  }
  const int64_t rest = ((value % unit) + unit) % unit;
  const int64_t down = value - rest;
  const bool up = rest * 2 > unit || (rest * 2 == unit && (down / unit) % 2 != 0);
  return up ? down + unit : down;
}

Value round(Interpreter& interpreter, const Value& input, const Arguments& arguments) {
  const Parameters parameters("round", arguments, {"precision", "method"});
  const int64_t precision = parameters.integer_or(0, 0);
  const std::string method = parameters.string_or(1, "common");
  if (!input.is_number()) {
    fault("round needs a number, not {}", input.is_undefined() ? input.hint() : input.type_name());
  }
  if (method == "common") {
    return input.is_int() ? Value::integer(rounded_integer(input.as_int(), precision))
                          : Value::real(rounded_real(input.as_double(), precision));
  }
  if (method != "ceil" && method != "floor") {
    fault("round: the method is common, ceil or floor");
  }
  const Value unit =
      apply(interpreter, Operator::kPower, Value::integer(10), Value::integer(precision));
  const double scaled = apply(interpreter, Operator::kMultiply, input, unit).as_double();
  const double whole = method == "ceil" ? std::ceil(scaled) : std::floor(scaled);
  if (!std::isfinite(whole)) {
    fault("round: a number out of range");
  }
  return apply(interpreter, Operator::kDivide, Value::integer(truncated(whole)), unit);
}

Value default_value(Interpreter&, const Value& input, const Arguments& arguments) {
  const Parameters parameters("default", arguments, {"default_value", "boolean"});
  const bool by_truth = parameters.flag_or(1, false);
  const bool replaced = input.is_undefined() || (by_truth && !is_true(input));
  return replaced ? parameters.value_or(0, Value::string("")) : input;
}

Value wordcount(Interpreter& interpreter, const Value& input, const Arguments& arguments) {
  expect_no_arguments("wordcount", arguments);
  const std::string text = to_text(input, interpreter.budget());
  int64_t count = 0;
  bool in_word = false;
  for (const std::string_view part : split_characters(text)) {
    const bool word = is_word(first_character(part).code_point);
    count += word && !in_word ? 1 : 0;
    in_word = word;
  }
  return Value::integer(count);
}

Value filesizeformat(Interpreter&, const Value& input, const Arguments& arguments) {
  const Parameters parameters("filesizeformat", arguments, {"binary"});
  const std::optional<double> read = input.is_number()   ? std::optional(input.as_double())
                                     : input.is_string() ? read_real(input.bytes())
                                                         : std::nullopt;
  if (!read || std::isnan(*read)) {
    fault("filesizeformat needs a number");
  }
  const bool binary = parameters.flag_or(0, false);
  const double base = binary ? 1024 : 1000;
  if (*read == 1) {
    return Value::string("1 Byte");
  }
  if (*read < base) {
    return Value::string(fmt::format("{} Bytes", truncated(*read)));
  }
  static constexpr std::string_view kPrefixes = "kMGTPEZY";
  double unit = base;
  size_t index = 0;
  while (index + 1 < kPrefixes.size() && *read >= unit * base) {
    unit *= base;
    ++index;
  }
  const char prefix = binary && index == 0 ? 'K' : kPrefixes[index];
  return Value::string(fmt::format("{:.1f} {}{}", *read / unit, prefix, binary ? "iB" : "B"));
}

constexpr NamedFilter kFilters[] = {
    {"int", to_int},
    {"float", to_float},
    {"abs", absolute},
    {"round", round},
    {"default", default_value},
    {"d", default_value},
    {"wordcount", wordcount},
    {"filesizeformat", filesizeformat},
};

}  // namespace

std::span<const NamedFilter> number_filters() { return kFilters; }

}  // namespace talon::text
