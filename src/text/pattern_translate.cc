// Pattern::translate: from Oniguruma's reading of an expression to PCRE2's.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cctype>

#include "base/result.h"
#include "base/utf8.h"
#include "text/pattern.h"

namespace talon::text {
namespace {

// What Oniguruma counts as a word character under \w. Of the numbers that are no digits it takes
// those in Latin-1 only.
constexpr std::string_view kWordItems =
    "\\p{Alphabetic}\\p{M}\\p{Nd}\\p{Pc}\\x{B2}\\x{B3}\\x{B9}\\x{BC}-\\x{BE}";

// Properties that both engines know by the same name and that are not scripts.
constexpr std::array<std::string_view, 5> kBinaryProperties = {"Alphabetic", "White_Space",
                                                               "Uppercase", "Lowercase", "Any"};

// Groups that mean the same in both engines. The inline flag m does not, and others are untested.
constexpr std::array<std::string_view, 8> kGroups = {"(?:",  "(?=",  "(?!",  "(?>",
                                                     "(?<=", "(?<!", "(?i:", "(?-i:"};

bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_hex(char c) { return std::isxdigit(static_cast<unsigned char>(c)) != 0; }
bool is_letter(char c) { return std::isalpha(static_cast<unsigned char>(c)) != 0; }

class Translator {
 public:
  explicit Translator(std::string_view source) : rest_(source), start_(source.data()) {}

  Result<std::string> run() {
    // (?i) at the very start covers the whole expression in both engines; elsewhere they differ.
    if (rest_.starts_with("(?i)")) {
      copy(4);
    }
    bool good = true;
    while (good && !rest_.empty()) {
      good = item();
    }
    if (!good) {
      return Failure{"unusable pattern: " + failure_};
    }
    return std::move(output_);
  }

 private:
  bool fail(std::string_view what) {
    failure_ = fmt::format("{} at byte {}", what, rest_.data() - start_);
    return false;
  }

  bool copy(size_t num_bytes) {
    output_ += rest_.substr(0, num_bytes);
    rest_.remove_prefix(std::min(num_bytes, rest_.size()));
    return true;
  }

  bool replace(size_t num_bytes, std::string_view replacement) {
    output_ += replacement;
    rest_.remove_prefix(num_bytes);
    return true;
  }

  bool item() {
    switch (rest_[0]) {
      case '\\':
        return escape(/*in_class=*/false);
      case '[':
        return character_class();
      case '(':
        return group();
      case '{':
        return interval();
      default:
        return copy(1);
    }
  }

  bool group() {
    if (rest_.starts_with("(*")) {
      return fail("(* is not supported");
    }
    if (!rest_.starts_with("(?")) {
      return copy(1);
    }
    for (const std::string_view known : kGroups) {
      if (rest_.starts_with(known)) {
        return copy(known.size());
      }
    }
    return fail("this kind of (? group is not supported");
  }

  // {n}, {n,} or {n,m}. A + or ? behind it is possessive or lazy in one engine, a second quantifier
  // in the other.
  bool interval() {
    size_t i = 1;
    while (i < rest_.size() && is_digit(rest_[i])) {
      ++i;
    }
    const bool has_minimum = i > 1;
    if (i < rest_.size() && rest_[i] == ',') {
      ++i;
      while (i < rest_.size() && is_digit(rest_[i])) {
        ++i;
      }
    }
    if (!has_minimum || i == rest_.size() || rest_[i] != '}') {
      return fail("a { that starts no repetition must be escaped");
    }
    ++i;
    if (i < rest_.size() && (rest_[i] == '+' || rest_[i] == '?')) {
      return fail("a + or ? behind {} means different things in different engines, it stands");
    }
    return copy(i);
  }

  bool character_class() {
    copy(1);
    if (rest_.starts_with('^')) {
      copy(1);
    }
    if (rest_.starts_with(']')) {
      return fail("an unescaped ] starts a class");
    }
    while (!rest_.empty()) {
      if (rest_[0] == ']') {
        return copy(1);
      }
      if (rest_[0] == '[') {
        return fail("a class inside a class is not supported");
      }
      if (rest_.starts_with("&&")) {
        return fail("&& in a class is not supported");
      }
      if (rest_[0] != '\\') {
        copy(1);
      } else if (!escape(/*in_class=*/true)) {
        return false;
      }
    }
    return fail("a class is not closed");
  }

  bool escape(bool in_class) {
    if (rest_.size() < 2) {
      return fail("a backslash ends the expression");
    }
    switch (rest_[1]) {
      case 's':
        return replace(2, "\\p{White_Space}");
      case 'S':
        return replace(2, "\\P{White_Space}");
      case 'd':
        return replace(2, "\\p{Nd}");
      case 'D':
        return replace(2, "\\P{Nd}");
      case 'v':
        return replace(2, "\\x0B");
      case 'w':
      case 'W':
        return word(in_class);
      case 'p':
      case 'P':
        return property();
      case 'x':
      case 'u':
        return code_point();
      case 'r':
      case 'n':
      case 't':
      case 'f':
      case 'a':
      case 'e':
        return copy(2);
      default:
        break;
    }
    const bool anchor = rest_[1] == 'A' || rest_[1] == 'z' || rest_[1] == 'Z';
    if (anchor && !in_class) {
      return copy(2);
    }
    if (is_letter(rest_[1]) || is_digit(rest_[1])) {
      return fail(fmt::format("the escape \\{} is not supported", rest_[1]));
    }
    return copy(2);  // an escaped sign stands for itself
  }

  bool word(bool in_class) {
    const bool negated = rest_[1] == 'W';
    if (!in_class) {
      return replace(2, fmt::format("[{}{}]", negated ? "^" : "", kWordItems));
    }
    if (negated) {
      return fail("\\W in a class is not supported");
    }
    return replace(2, kWordItems);
  }

  // PCRE2 takes a bare script name for the wider Script_Extensions, Oniguruma for Script.
  bool property() {
    bool negated = rest_[1] == 'P';
    const size_t close = rest_.find('}');
    if (rest_.size() < 3 || rest_[2] != '{' || close == std::string_view::npos) {
      return fail("\\p needs a name in braces");
    }
    std::string_view name = rest_.substr(3, close - 3);
    if (name.starts_with('^')) {
      negated = !negated;
      name.remove_prefix(1);
    }
    const bool plain =
        std::all_of(name.begin(), name.end(), [](char c) { return is_letter(c) || c == '_'; });
    if (name.empty() || !plain) {
      return fail("\\p needs the name of a property");
    }
    const bool is_binary = std::find(kBinaryProperties.begin(), kBinaryProperties.end(), name) !=
                           kBinaryProperties.end();
    const bool is_category = name.size() <= 2;
    return replace(close + 1, fmt::format("\\{}{{{}{}}}", negated ? 'P' : 'p',
                                          is_binary || is_category ? "" : "sc:", name));
  }

  // \xHH below 80, \x{H...} and \uHHHH.
  bool code_point() {
    const bool braced = rest_.starts_with("\\x{");
    const size_t begin = braced ? 3 : 2;
    size_t end = begin;
    const size_t limit = braced ? begin + 6 : (rest_[1] == 'u' ? begin + 4 : begin + 2);
    while (end < rest_.size() && end < limit && is_hex(rest_[end])) {
      ++end;
    }
    const std::string_view digits = rest_.substr(begin, end - begin);
    const bool closed = !braced || (end < rest_.size() && rest_[end] == '}');
    if (digits.empty() || !closed || (!braced && end != limit)) {
      return fail("malformed code point");
    }
    // In Oniguruma \x80 and above are single bytes of UTF-8.
    if (!braced && rest_[1] == 'x' && digits[0] >= '8') {
      return fail("\\x of a byte that is no character");
    }
    return replace(end + (braced ? 1 : 0), fmt::format("\\x{{{}}}", digits));
  }

  std::string_view rest_;
  const char* start_;
  std::string output_;
  std::string failure_;
};

}  // namespace

Result<std::string> Pattern::translate(std::string_view expression) {
  if (expression.size() > kMaxPatternBytes) {
    return Failure{fmt::format("unusable pattern: {} bytes, the limit is {}", expression.size(),
                               kMaxPatternBytes)};
  }
  if (valid_utf8_prefix(expression) != expression.size()) {
    return Failure{"unusable pattern: invalid UTF-8"};
  }
  return Translator(expression).run();
}

}  // namespace talon::text
