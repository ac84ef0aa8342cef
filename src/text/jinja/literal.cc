#include "text/jinja/literal.h"

#include <algorithm>
#include <charconv>
#include <optional>

#include "text/characters.h"
#include "text/jinja/fault.h"

namespace talon::text {
namespace {

int digit_value(char c) {
  if (c >= '0' && c <= '9') {
    return c - '0';
  }
  const char lower = static_cast<char>(c | 0x20);
  return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : 99;
}

// The end of a run of digits that may have single underscores between them.
size_t digits_end(std::string_view text, size_t at, int base) {
  size_t end = at;
  while (end < text.size()) {
    const size_t next = text[end] == '_' && end > at ? end + 1 : end;
    if (next >= text.size() || digit_value(text[next]) >= base) {
      break;
    }
    end = next + 1;
  }
  return end;
}

std::string without_underscores(std::string_view text) {
  std::string out(text);
  std::erase(out, '_');
  return out;
}

int64_t parse_integer(std::string_view digits, int base) {
  const std::string text = without_underscores(digits);
  int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value, base);
  if (error != std::errc()) {
    fault("an integer beyond 64 bits");
  }
  return value;
}

// The end of the fraction and the exponent that make the digits up to `at` a real, or `at`.
size_t real_end(std::string_view text, size_t at) {
  size_t end = at;
  if (end < text.size() && text[end] == '.') {
    const size_t fraction = digits_end(text, end + 1, 10);
    if (fraction == end + 1) {
      return at;
    }
    end = fraction;
  }
  if (end < text.size() && (text[end] | 0x20) == 'e') {
    size_t digits = end + 1;
    if (digits < text.size() && (text[digits] == '+' || text[digits] == '-')) {
      ++digits;
    }
    const size_t exponent = digits_end(text, digits, 10);
    end = exponent > digits ? exponent : end;
  }
  return end;
}

NumberLiteral prefixed_integer(std::string_view text) {
  if (text.size() < 3 || text[0] != '0') {
    return {};
  }
  const char kind = static_cast<char>(text[1] | 0x20);
  const int base = kind == 'b' ? 2 : (kind == 'o' ? 8 : (kind == 'x' ? 16 : 0));
  if (base == 0) {
    return {};
  }
  const size_t start = text[2] == '_' ? 3 : 2;
  const size_t end = digits_end(text, start, base);
  if (end == start) {
    return {};
  }
  return {end, false, parse_integer(text.substr(start, end - start), base), 0.0};
}

class Unescaper {
 public:
  explicit Unescaper(std::string_view text) : text_(text) {}

  std::string run() {
    while (at_ < text_.size()) {
      if (text_[at_] == '\\' && at_ + 1 < text_.size()) {
        ++at_;
        escape();
      } else {
        out_ += text_[at_++];
      }
    }
    return std::move(out_);
  }

 private:
  void escape() {
    static constexpr std::string_view kFrom = "\\'\"abfnrtv";
    static constexpr std::string_view kTo = "\\'\"\a\b\f\n\r\t\v";
    const char c = text_[at_];
    const size_t simple = kFrom.find(c);
    if (simple != std::string_view::npos) {
      out_ += kTo[simple];
      ++at_;
    } else if (c == '\n') {
      ++at_;
    } else if (c >= '0' && c <= '7') {
      octal();
    } else if (c == 'x' || c == 'u' || c == 'U') {
      hexadecimal(c == 'x' ? 2 : (c == 'u' ? 4 : 8));
    } else if (c == 'N') {
      fault("\\N{{...}} in a string is not supported");
    } else {
      out_ += '\\';
      unknown();
    }
  }

  void octal() {
    char32_t value = 0;
    for (int i = 0; i < 3 && at_ < text_.size() && digit_value(text_[at_]) < 8; ++i) {
      value = value * 8 + static_cast<char32_t>(digit_value(text_[at_++]));
    }
    append_utf8(value, out_);
  }

  void hexadecimal(size_t num_digits) {
    ++at_;
    char32_t value = 0;
    for (size_t i = 0; i < num_digits; ++i) {
      if (at_ >= text_.size() || digit_value(text_[at_]) >= 16) {
        fault("a truncated \\x, \\u or \\U escape in a string");
      }
      value = value * 16 + static_cast<char32_t>(digit_value(text_[at_++]));
    }
    if (value > 0x10FFFF || (value >= 0xD800 && value <= 0xDFFF)) {
      fault("an escape that is no character in a string");
    }
    append_utf8(value, out_);
  }

  // jinja2 turns other characters than ASCII into escapes before it resolves them, so that a
  // backslash before one shows its code.
  void unknown() {
    const Character c = first_character(text_.substr(at_));
    const auto code = static_cast<uint32_t>(c.code_point);
    if (code < 0x80) {
      out_ += text_[at_];
    } else if (code < 0x100) {
      out_ += fmt::format("x{:02x}", code);
    } else if (code < 0x10000) {
      out_ += fmt::format("u{:04x}", code);
    } else {
      out_ += fmt::format("U{:08x}", code);
    }
    at_ += c.num_bytes;
  }

  std::string_view text_;
  size_t at_ = 0;
  std::string out_;
};

}  // namespace

NumberLiteral read_number(std::string_view text, bool after_dot) {
  const size_t end = digits_end(text, 0, 10);
  if (end == 0) {
    return {};
  }
  const size_t real = after_dot ? end : real_end(text, end);
  if (real > end) {
    const std::string digits = without_underscores(text.substr(0, real));
    double value = 0.0;
    const auto result = std::from_chars(digits.data(), digits.data() + digits.size(), value);
    if (result.ec == std::errc::result_out_of_range) {
      value = std::strtod(digits.c_str(), nullptr);
    }
    return {real, true, 0, value};
  }
  const NumberLiteral prefixed = prefixed_integer(text);
  if (prefixed.num_bytes > 0) {
    return prefixed;
  }
  if (text[0] == '0') {
    // No leading zeros: only zeros may follow.
    size_t zeros = 1;
    while (zeros < end && (text[zeros] == '0' || text[zeros] == '_')) {
      ++zeros;
    }
    return {text[zeros - 1] == '_' ? zeros - 1 : zeros, false, 0, 0.0};
  }
  return {end, false, parse_integer(text.substr(0, end), 10), 0.0};
}

std::string unescape(std::string_view text) { return Unescaper(text).run(); }

}  // namespace talon::text
