#include "text/jinja/lexer.h"

#include <algorithm>
#include <array>
#include <optional>

#include "base/printable.h"
#include "text/characters.h"
#include "text/jinja/fault.h"
#include "text/jinja/literal.h"

namespace talon::text {
namespace {

// Longest first, since the first match is taken.
constexpr std::array<std::string_view, 26> kOperators = {
    "//", "**", "==", "!=", ">=", "<=", "+", "-", "/", "*", "%", "~", "[",
    "]",  "(",  ")",  "{",  "}",  ">",  "<", "=", ".", ":", "|", ",", ";",
};

// One kind of line end, and none at the end of the template.
std::string normalized(std::string_view source) {
  std::string out;
  out.reserve(source.size());
  for (size_t i = 0; i < source.size(); ++i) {
    if (source[i] != '\r') {
      out += source[i];
      continue;
    }
    out += '\n';
    i += i + 1 < source.size() && source[i + 1] == '\n' ? 1 : 0;
  }
  if (!out.empty() && out.back() == '\n') {
    out.pop_back();
  }
  return out;
}

class Lexer {
 public:
  explicit Lexer(std::string_view source) : source_(source) {}

  std::vector<TemplateToken> run() {
    while (at_ < source_.size()) {
      data();
    }
    add(TokenType::kEnd);
    return std::move(tokens_);
  }

 private:
  enum class Tag { kRaw, kBlock, kVariable, kComment };

  std::string_view rest() const { return source_.substr(at_); }
  bool at(std::string_view text) const { return rest().starts_with(text); }
  char byte(size_t offset) const {
    return at_ + offset < source_.size() ? source_[at_ + offset] : '\0';
  }

  [[noreturn]] void fail(std::string message) const {
    throw TemplateFault{std::move(message), line_};
  }

  TemplateToken& add(TokenType type, std::string_view text = {}) {
    return tokens_.emplace_back(TemplateToken{type, line_, std::string(text)});
  }

  void advance(size_t num_bytes) {
    const std::string_view passed = source_.substr(at_, num_bytes);
    line_ += static_cast<int>(std::count(passed.begin(), passed.end(), '\n'));
    line_starting_ = !passed.empty() && passed.back() == '\n';
    at_ += num_bytes;
  }

  void skip_space() {
    const std::string_view after = strip_left(rest());
    const size_t num_bytes = rest().size() - after.size();
    if (num_bytes > 0) {
      advance(num_bytes);
    }
  }

  void add_data(std::string_view text) {
    if (!text.empty()) {
      add(TokenType::kData, text);
    }
  }

  // The length of `{% raw %}` at the start of `text`, without its sign's effect; 0 if it is none.
  static size_t raw_begin(std::string_view text) {
    size_t i = 2;
    i += i < text.size() && (text[i] == '-' || text[i] == '+') ? 1 : 0;
    std::string_view after = strip_left(text.substr(std::min(i, text.size())));
    if (!after.starts_with("raw")) {
      return 0;
    }
    after = strip_left(after.substr(3));
    if (after.starts_with("-%}")) {
      return text.size() - strip_left(after.substr(3)).size();
    }
    return after.starts_with("%}") ? text.size() - after.size() + 2 : 0;
  }

  // What stands before a tag, after its whitespace control.
  std::string_view before_tag(std::string_view text, char sign, Tag tag) const {
    if (sign == '-') {
      return strip_right(text);
    }
    if (sign == '+' || tag == Tag::kVariable) {
      return text;
    }
    const size_t newline = text.rfind('\n');
    const size_t start = newline == std::string_view::npos ? 0 : newline + 1;
    const bool at_line_start = start > 0 || line_starting_;
    const std::string_view margin = text.substr(start);
    return at_line_start && !margin.empty() && strip(margin).empty() ? text.substr(0, start) : text;
  }

  // Data up to the next tag, and the tag.
  void data() {
    size_t open = source_.find('{', at_);
    while (open != std::string_view::npos && open + 1 < source_.size() &&
           std::string_view("%{#").find(source_[open + 1]) == std::string_view::npos) {
      open = source_.find('{', open + 1);
    }
    if (open == std::string_view::npos || open + 1 >= source_.size()) {
      add_data(rest());
      advance(rest().size());
      return;
    }
    const std::string_view from_tag = source_.substr(open);
    const size_t raw = from_tag[1] == '%' ? raw_begin(from_tag) : 0;
    const Tag tag = raw > 0              ? Tag::kRaw
                    : from_tag[1] == '%' ? Tag::kBlock
                    : from_tag[1] == '{' ? Tag::kVariable
                                         : Tag::kComment;
    const char after = from_tag.size() > 2 ? from_tag[2] : '\0';
    const char sign = after == '-' || after == '+' ? after : '\0';
    add_data(before_tag(source_.substr(at_, open - at_), sign, tag));
    advance(open - at_);
    if (tag == Tag::kRaw) {
      advance(raw);
      raw_body();
      return;
    }
    if (tag != Tag::kComment) {
      add(tag == Tag::kBlock ? TokenType::kBlockBegin : TokenType::kVariableBegin);
    }
    advance(sign == '\0' ? 2 : 3);
    if (tag == Tag::kComment) {
      comment();
    } else {
      expression(tag);
    }
  }

  // After `-%}` all space goes, after `%}` one newline, after `+%}` nothing.
  void close_block(char sign) {
    const bool newline = sign == '\0' && byte(2) == '\n';
    advance((sign == '\0' ? 2 : 3) + (newline ? 1 : 0));
    if (sign == '-') {
      skip_space();
    }
  }

  void comment() {
    const size_t end = source_.find("#}", at_);
    if (end == std::string_view::npos) {
      fail("a comment without end");
    }
    const char before = end > at_ ? source_[end - 1] : '\0';
    const char sign = before == '-' || before == '+' ? before : '\0';
    advance(end - at_ - (sign == '\0' ? 0 : 1));
    close_block(sign);
  }

  void raw_body() {
    for (size_t open = source_.find("{%", at_); open != std::string_view::npos;
         open = source_.find("{%", open + 1)) {
      if (raw_end(open)) {
        return;
      }
    }
    fail("a raw block without end");
  }

  bool raw_end(size_t open) {
    std::string_view after = source_.substr(open + 2);
    const char sign = !after.empty() && (after[0] == '-' || after[0] == '+') ? after[0] : '\0';
    after = strip_left(after.substr(sign == '\0' ? 0 : 1));
    if (!after.starts_with("endraw")) {
      return false;
    }
    after = strip_left(after.substr(6));
    const char end_sign = after.starts_with("-%}") ? '-' : (after.starts_with("+%}") ? '+' : '\0');
    if (end_sign == '\0' && !after.starts_with("%}")) {
      return false;
    }
    add_data(before_tag(source_.substr(at_, open - at_), sign, Tag::kRaw));
    advance(source_.size() - after.size() - at_);
    close_block(end_sign);
    return true;
  }

  // The tokens up to the end of the tag.
  void expression(Tag tag) {
    const size_t first = tokens_.size();
    std::string closers;
    while (at_ < source_.size()) {
      if (closers.empty() && close_tag(tag)) {
        return;
      }
      token(first, closers);
    }
  }

  bool close_tag(Tag tag) {
    const std::string_view end = tag == Tag::kBlock ? "%}" : "}}";
    const bool minus = byte(0) == '-' && rest().substr(1).starts_with(end);
    const bool plus = tag == Tag::kBlock && byte(0) == '+' && rest().substr(1).starts_with(end);
    if (!minus && !plus && !at(end)) {
      return false;
    }
    add(tag == Tag::kBlock ? TokenType::kBlockEnd : TokenType::kVariableEnd);
    if (tag == Tag::kBlock) {
      close_block(minus ? '-' : (plus ? '+' : '\0'));
      return true;
    }
    advance(minus ? 3 : 2);
    if (minus) {
      skip_space();
    }
    return true;
  }

  void token(size_t first, std::string& closers) {
    const Character c = first_character(rest());
    if (is_python_space(c.code_point)) {
      skip_space();
      return;
    }
    const TemplateToken* last = tokens_.size() > first ? &tokens_.back() : nullptr;
    const bool after_dot = at_ > 0 && source_[at_ - 1] == '.' && last != nullptr;
    if (number(after_dot) || name() || string()) {
      return;
    }
    const auto* const found = std::find_if(kOperators.begin(), kOperators.end(),
                                           [&](std::string_view op) { return at(op); });
    if (found == kOperators.end()) {
      fail("unexpected character " + quote(rest().substr(0, c.num_bytes)));
    }
    balance((*found)[0], closers);
    add(TokenType::kOperator, *found);
    advance(found->size());
  }

  void balance(char op, std::string& closers) const {
    static constexpr std::string_view kOpen = "([{";
    static constexpr std::string_view kClose = ")]}";
    const size_t open = kOpen.find(op);
    if (open != std::string_view::npos) {
      closers += kClose[open];
    } else if (kClose.find(op) != std::string_view::npos) {
      if (closers.empty() || closers.back() != op) {
        fail(fmt::format("unexpected '{}'", op));
      }
      closers.pop_back();
    }
  }

  bool number(bool after_dot) {
    NumberLiteral number;
    try {
      number = read_number(rest(), after_dot);
    } catch (const TemplateFault& at_no_line) {
      fail(at_no_line.message);
    }
    if (number.num_bytes == 0) {
      return false;
    }
    TemplateToken& token = add(number.is_real ? TokenType::kFloat : TokenType::kInteger,
                               rest().substr(0, number.num_bytes));
    token.integer = number.integer;
    token.real = number.real;
    advance(number.num_bytes);
    return true;
  }

  bool name() {
    size_t size = 0;
    while (at_ + size < source_.size()) {
      const Character c = first_character(rest().substr(size));
      if (!is_word(c.code_point)) {
        break;
      }
      size += c.num_bytes;
    }
    if (size == 0) {
      return false;
    }
    add(TokenType::kName, rest().substr(0, size));
    advance(size);
    return true;
  }

  bool string() {
    const char mark = byte(0);
    if (mark != '\'' && mark != '"') {
      return false;
    }
    size_t end = 1;
    while (byte(end) != mark) {
      end += byte(end) == '\\' ? 2 : 1;
      if (at_ + end >= source_.size()) {
        fail("a string without end");
      }
    }
    try {
      add(TokenType::kString, unescape(rest().substr(1, end - 1)));
    } catch (const TemplateFault& at_no_line) {
      fail(at_no_line.message);
    }
    advance(end + 1);
    return true;
  }

  std::string_view source_;
  size_t at_ = 0;
  int line_ = 1;
  bool line_starting_ = true;
  std::vector<TemplateToken> tokens_;
};

}  // namespace

std::vector<TemplateToken> tokenize_template(std::string_view source) {
  const std::string text = normalized(source);
  return Lexer(text).run();
}

}  // namespace talon::text
