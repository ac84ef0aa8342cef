// Cuts a template into data and the tokens of its tags.
//
// Whitespace control is settled here: `-` and `+` at a tag, and what Hugging Face sets for chat
// templates: the newline after a block tag goes (trim_blocks), so does blank space before one on
// its line (lstrip_blocks), and one newline at the end of the template. The rules are jinja2's, so
// also its corner cases. A fault (text/jinja/fault.h) names the line.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace talon::text {

enum class TokenType {
  kData,
  kVariableBegin,
  kVariableEnd,
  kBlockBegin,
  kBlockEnd,
  kName,
  kString,
  kInteger,
  kFloat,
  kOperator,  // `text` is the operator
  kEnd,
};

struct TemplateToken {
  TokenType type = TokenType::kEnd;
  int line = 0;
  std::string text = {};
  int64_t integer = 0;
  double real = 0.0;
};

// The last token is kEnd. `source` must be valid UTF-8.
std::vector<TemplateToken> tokenize_template(std::string_view source);

}  // namespace talon::text
