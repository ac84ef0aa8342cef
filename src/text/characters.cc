#include "text/characters.h"

#include <utf8proc.h>

#include <algorithm>

#include "base/utf8.h"
#include "text/special_casing.h"

namespace talon::text {
namespace {

constexpr char32_t kCapitalSigma = 0x3A3;
constexpr char32_t kSmallSigma = 0x3C3;
constexpr char32_t kFinalSigma = 0x3C2;
constexpr char32_t kSharpS = 0xDF;
constexpr char32_t kApostropheN = 0x149;
constexpr std::string_view kApostropheNBytes = "\xC5\x89";
constexpr char32_t kCapitalDottedI = 0x130;

utf8proc_category_t category(char32_t code_point) {
  return utf8proc_category(static_cast<utf8proc_int32_t>(code_point));
}

bool is_cased(char32_t code_point) {
  return is_upper(code_point) || is_lower(code_point) || is_title(code_point);
}

// Whether a capital sigma here ends a word: a cased character before it and none after it.
bool ends_word(std::string_view before, std::string_view after) {
  bool cased_before = false;
  while (!before.empty() && !cased_before) {
    const size_t at = last_character(before);
    const char32_t c = first_character(before.substr(at)).code_point;
    if (c != '\'' && c != 0xAD) {
      cased_before = is_cased(c);
      break;
    }
    before = before.substr(0, at);
  }
  return cased_before && (after.empty() || !is_cased(first_character(after).code_point));
}

}  // namespace

Character first_character(std::string_view bytes) {
  const Utf8Unit unit = next_utf8(bytes);
  if (unit.kind != Utf8Kind::kValid) {
    return {0xFFFD, 1};
  }
  return {unit.code_point, unit.num_bytes};
}

void append_utf8(char32_t code_point, std::string& out) {
  utf8proc_uint8_t bytes[4];
  const auto size = utf8proc_encode_char(static_cast<utf8proc_int32_t>(code_point), bytes);
  out.append(bytes, bytes + size);
}

bool is_ascii(std::string_view text) {
  return std::all_of(text.begin(), text.end(),
                     [](char c) { return static_cast<unsigned char>(c) < 0x80; });
}

int64_t num_characters(std::string_view text) {
  int64_t count = 0;
  while (!text.empty()) {
    text.remove_prefix(first_character(text).num_bytes);
    ++count;
  }
  return count;
}

size_t byte_of_character(std::string_view text, int64_t index) {
  size_t at = 0;
  while (index > 0 && at < text.size()) {
    at += first_character(text.substr(at)).num_bytes;
    --index;
  }
  return at;
}

std::vector<std::string_view> split_characters(std::string_view text) {
  std::vector<std::string_view> characters;
  while (!text.empty()) {
    const size_t size = first_character(text).num_bytes;
    characters.push_back(text.substr(0, size));
    text.remove_prefix(size);
  }
  return characters;
}

bool is_python_space(char32_t code_point) {
  return (code_point >= 0x1C && code_point <= 0x1F) || is_white_space(code_point);
}

bool is_letter(char32_t code_point) {
  switch (category(code_point)) {
    case UTF8PROC_CATEGORY_LU:
    case UTF8PROC_CATEGORY_LL:
    case UTF8PROC_CATEGORY_LT:
    case UTF8PROC_CATEGORY_LM:
    case UTF8PROC_CATEGORY_LO:
      return true;
    default:
      return false;
  }
}

bool is_decimal_digit(char32_t code_point) { return category(code_point) == UTF8PROC_CATEGORY_ND; }

bool is_digit(char32_t code_point) {
  // Numeric_Type=Digit outside Nd: superscripts, subscripts, circled and parenthesised digits.
  const auto in = [&](char32_t low, char32_t high) {
    return code_point >= low && code_point <= high;
  };
  return is_decimal_digit(code_point) || in(0xB2, 0xB3) || code_point == 0xB9 ||
         code_point == 0x2070 || in(0x2074, 0x2079) || in(0x2080, 0x2089) || in(0x2460, 0x2468) ||
         in(0x2474, 0x247C) || in(0x2488, 0x2490) || code_point == 0x24EA || in(0x24F5, 0x24FD);
}

bool is_numeric(char32_t code_point) {
  const utf8proc_category_t kind = category(code_point);
  return kind == UTF8PROC_CATEGORY_ND || kind == UTF8PROC_CATEGORY_NL ||
         kind == UTF8PROC_CATEGORY_NO;
}

bool is_upper(char32_t code_point) { return category(code_point) == UTF8PROC_CATEGORY_LU; }

bool is_lower(char32_t code_point) {
  return category(code_point) == UTF8PROC_CATEGORY_LL || code_point == 0xAA || code_point == 0xBA;
}

bool is_title(char32_t code_point) { return category(code_point) == UTF8PROC_CATEGORY_LT; }

bool is_printable(char32_t code_point) {
  switch (category(code_point)) {
    case UTF8PROC_CATEGORY_CC:
    case UTF8PROC_CATEGORY_CF:
    case UTF8PROC_CATEGORY_CS:
    case UTF8PROC_CATEGORY_CO:
    case UTF8PROC_CATEGORY_CN:
    case UTF8PROC_CATEGORY_ZL:
    case UTF8PROC_CATEGORY_ZP:
      return false;
    case UTF8PROC_CATEGORY_ZS:
      return code_point == ' ';
    default:
      return true;
  }
}

bool is_word(char32_t code_point) {
  return code_point == '_' || is_letter(code_point) || is_numeric(code_point);
}

std::string to_upper(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  while (!text.empty()) {
    const Character c = first_character(text);
    const std::u32string_view special = special_upper(c.code_point);
    for (const char32_t part : special) {
      append_utf8(part, out);
    }
    if (special.empty()) {
      append_utf8(
          static_cast<char32_t>(utf8proc_toupper(static_cast<utf8proc_int32_t>(c.code_point))),
          out);
    }
    text.remove_prefix(c.num_bytes);
  }
  return out;
}

std::string to_lower(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  size_t at = 0;
  while (at < text.size()) {
    const Character c = first_character(text.substr(at));
    if (c.code_point == kCapitalSigma) {
      const bool final = ends_word(text.substr(0, at), text.substr(at + c.num_bytes));
      append_utf8(final ? kFinalSigma : kSmallSigma, out);
    } else if (c.code_point == kCapitalDottedI) {
      out += "i\xCC\x87";  // i with U+0307, a dot above
    } else {
      append_utf8(
          static_cast<char32_t>(utf8proc_tolower(static_cast<utf8proc_int32_t>(c.code_point))),
          out);
    }
    at += c.num_bytes;
  }
  return out;
}

std::string to_title(char32_t code_point) {
  std::string out;
  const auto title =
      static_cast<char32_t>(utf8proc_totitle(static_cast<utf8proc_int32_t>(code_point)));
  const std::u32string_view special = special_upper(code_point);
  // utf8proc knows a capital sharp s, which Unicode's mappings do not use.
  const bool is_simple = title != code_point && code_point != kSharpS;
  if (is_simple || is_title(code_point) || special.empty()) {
    append_utf8(title, out);
    return out;
  }
  if (code_point == kApostropheN) {
    return to_upper(kApostropheNBytes);
  }
  append_utf8(special[0], out);
  for (const char32_t part : special.substr(1)) {
    std::string rest;
    append_utf8(part, rest);
    out += to_lower(rest);
  }
  return out;
}

std::string capitalized(std::string_view text) {
  if (text.empty()) {
    return {};
  }
  const Character first = first_character(text);
  // Lower case depends on what stands before, so it is made of the whole.
  const std::string rest = to_lower(text);
  const std::string head = to_lower(text.substr(0, first.num_bytes));
  return to_title(first.code_point) + rest.substr(head.size());
}

bool is_lower_case(std::string_view text) {
  bool found = false;
  while (!text.empty()) {
    const Character c = first_character(text);
    if (is_upper(c.code_point) || is_title(c.code_point)) {
      return false;
    }
    found = found || is_lower(c.code_point);
    text.remove_prefix(c.num_bytes);
  }
  return found;
}

bool is_upper_case(std::string_view text) {
  bool found = false;
  while (!text.empty()) {
    const Character c = first_character(text);
    if (is_lower(c.code_point) || is_title(c.code_point)) {
      return false;
    }
    found = found || is_upper(c.code_point);
    text.remove_prefix(c.num_bytes);
  }
  return found;
}

std::string_view strip_left(std::string_view text) {
  while (!text.empty()) {
    const Character c = first_character(text);
    if (!is_python_space(c.code_point)) {
      break;
    }
    text.remove_prefix(c.num_bytes);
  }
  return text;
}

std::string_view strip_right(std::string_view text) {
  while (!text.empty()) {
    const size_t at = last_character(text);
    const Character c = first_character(text.substr(at));
    if (c.num_bytes != text.size() - at || !is_python_space(c.code_point)) {
      break;
    }
    text = text.substr(0, at);
  }
  return text;
}

std::string_view strip(std::string_view text) { return strip_left(strip_right(text)); }

}  // namespace talon::text
