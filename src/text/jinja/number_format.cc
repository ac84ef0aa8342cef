#include "text/jinja/number_format.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstdio>

#include "text/characters.h"
#include "text/jinja/fault.h"
#include "text/jinja/print.h"

namespace talon::text {
namespace {

std::string printed_real(double value, char type, int64_t precision, bool alternate) {
  char format[] = "%#.*?";
  char plain[] = "%.*?";
  format[4] = type;
  plain[3] = type;
  const char* const chosen = alternate ? format : plain;
  // The format is one of a few that are made here.
  const int size = std::snprintf(nullptr, 0, chosen, static_cast<int>(precision), value);
  std::string out(static_cast<size_t>(size) + 1, '\0');
  std::snprintf(out.data(), out.size(), chosen, static_cast<int>(precision), value);
  out.resize(static_cast<size_t>(size));
  return out;
}

// The digits of a non-negative real, without a sign.
std::string real_digits(double value, const FieldSpec& spec) {
  const bool upper = spec.type == 'F' || spec.type == 'E' || spec.type == 'G';
  if (!std::isfinite(value)) {
    std::string text = std::isnan(value) ? "nan" : "inf";
    if (upper) {
      std::transform(text.begin(), text.end(), text.begin(),
                     [](char c) { return static_cast<char>(c - 32); });
    }
    return spec.type == '%' ? text + "%" : text;
  }
  if (spec.type == '\0' && spec.precision < 0) {
    return real_text(value);
  }
  int64_t precision = spec.precision < 0 ? 6 : spec.precision;
  switch (spec.type) {
    case '%':
      return printed_real(value * 100, 'f', precision, spec.alternate) + "%";
    case 'n':
      return printed_real(value, 'g', std::max<int64_t>(precision, 1), spec.alternate);
    case 'g':
    case 'G':
      return printed_real(value, spec.type, std::max<int64_t>(precision, 1), spec.alternate);
    case '\0': {
      // Like g, but with a digit after the point.
      precision = std::max<int64_t>(precision, 1);
      const std::string text = printed_real(value, 'e', precision - 1, false);
      const int exponent = std::atoi(text.c_str() + text.find('e') + 1);
      const std::string out = printed_real(value, 'g', precision, spec.alternate);
      const bool plain = out.find_first_of(".e") == std::string::npos;
      if (plain && exponent >= precision - 1) {
        return exponent == precision - 1 ? printed_real(value, 'e', precision - 1, false) : out;
      }
      return plain ? out + ".0" : out;
    }
    default:
      return printed_real(value, spec.type, precision, spec.alternate);
  }
}

std::string integer_digits(uint64_t value, const FieldSpec& spec) {
  switch (spec.type) {
    case 'b':
      return fmt::format("{:b}", value);
    case 'o':
      return fmt::format("{:o}", value);
    case 'x':
      return fmt::format("{:x}", value);
    case 'X':
      return fmt::format("{:X}", value);
    default:
      return std::to_string(value);
  }
}

std::string prefix_of(const FieldSpec& spec) {
  if (!spec.alternate || spec.type == '\0') {
    return "";
  }
  switch (spec.type) {
    case 'b':
    case 'o':
    case 'x':
    case 'X':
      return std::string("0") + spec.type;
    default:
      return "";
  }
}

std::string grouped(const std::string& digits, const FieldSpec& spec) {
  if (spec.group == '\0') {
    return digits;
  }
  const bool by_four = spec.type == 'b' || spec.type == 'o' || spec.type == 'x' || spec.type == 'X';
  const size_t size = by_four ? 4 : 3;
  const size_t whole = std::min(digits.find_first_not_of("0123456789abcdefABCDEF"), digits.size());
  std::string out;
  for (size_t i = 0; i < whole; ++i) {
    if (i > 0 && (whole - i) % size == 0) {
      out += spec.group;
    }
    out += digits[i];
  }
  return out + digits.substr(whole);
}

std::string padding(const FieldSpec& spec, int64_t count) {
  std::string out;
  for (int64_t i = 0; i < count; ++i) {
    out += spec.fill;
  }
  return out;
}

struct Pieces {
  std::string head;  // sign and prefix
  std::string body;
};

// With zeros between sign and digits, the separators of thousands count in.
std::string zero_filled(const Pieces& pieces, const FieldSpec& spec) {
  const int64_t needed = spec.width - static_cast<int64_t>(pieces.head.size());
  std::string digits = pieces.body;
  while (static_cast<int64_t>(grouped(digits, spec).size()) < needed) {
    digits.insert(0, 1, '0');
  }
  return pieces.head + grouped(digits, spec);
}

std::string padded(const Pieces& pieces, const FieldSpec& spec, char default_align) {
  const char align = spec.align == '\0' ? default_align : spec.align;
  if (align == '=' && spec.fill == "0" && spec.group != '\0') {
    return zero_filled(pieces, spec);
  }
  const std::string body = grouped(pieces.body, spec);
  const int64_t size = num_characters(pieces.head) + num_characters(body);
  const int64_t margin = std::max<int64_t>(spec.width - size, 0);
  switch (align) {
    case '<':
      return pieces.head + body + padding(spec, margin);
    case '^':
      return padding(spec, margin / 2) + pieces.head + body + padding(spec, margin - margin / 2);
    case '=':
      return pieces.head + padding(spec, margin) + body;
    default:
      return padding(spec, margin) + pieces.head + body;
  }
}

std::string sign_of(bool negative, const FieldSpec& spec) {
  if (negative) {
    return "-";
  }
  return spec.sign == '-' ? "" : std::string(1, spec.sign);
}

void charge(Budget& budget, const FieldSpec& spec) {
  if (spec.width > kMaxFieldWidth || spec.precision > kMaxFieldWidth) {
    fault("a field wider than {}", kMaxFieldWidth);
  }
  budget.build((spec.width + std::max<int64_t>(spec.precision, 0) + 400) * 2);
}

}  // namespace

std::string format_number(Budget& budget, const FieldSpec& spec, const Value& number) {
  charge(budget, spec);
  static constexpr std::string_view kRealTypes = "eEfFgG%";
  const bool is_real = number.is_float() || kRealTypes.find(spec.type) != std::string_view::npos;
  if (is_real && spec.type != '\0') {
    static constexpr std::string_view kIntegerTypes = "bcdoxX";
    if (kIntegerTypes.find(spec.type) != std::string_view::npos) {
      fault("the format '{}' needs an integer", spec.type);
    }
  }
  if (is_real) {
    const double value = number.as_double();
    const bool negative = std::signbit(value) && !std::isnan(value);
    return padded({sign_of(negative, spec), real_digits(std::fabs(value), spec)}, spec, '>');
  }
  if (spec.precision >= 0) {
    fault("an integer has no precision");
  }
  const int64_t value = number.as_int();
  if (spec.type == 'c') {
    if (value < 0 || value > 0x10FFFF || (value >= 0xD800 && value < 0xE000)) {
      fault("{} is no character", value);
    }
    std::string character;
    append_utf8(static_cast<char32_t>(value), character);
    return padded({"", character}, spec, '<');
  }
  const uint64_t magnitude =
      value < 0 ? uint64_t{0} - static_cast<uint64_t>(value) : static_cast<uint64_t>(value);
  return padded({sign_of(value < 0, spec) + prefix_of(spec), integer_digits(magnitude, spec)}, spec,
                '>');
}

std::string format_text(Budget& budget, const FieldSpec& spec, std::string_view text) {
  charge(budget, spec);
  budget.build(text.size());
  if (spec.precision >= 0) {
    text = text.substr(0, byte_of_character(text, spec.precision));
  }
  FieldSpec plain = spec;
  plain.group = '\0';
  return padded({"", std::string(text)}, plain, '<');
}

}  // namespace talon::text
