#include "text/jinja/token_stream.h"

#include "base/check.h"
#include "base/printable.h"
#include "text/jinja/fault.h"

namespace talon::text {
namespace {

// Each level of an expression in parentheses takes a dozen frames of the parser.
constexpr int kMaxNesting = 100;

}  // namespace

TokenStream::TokenStream(std::vector<TemplateToken> tokens) : tokens_(std::move(tokens)) {
  TALON_CHECK(!tokens_.empty() && tokens_.back().type == TokenType::kEnd, "tokens without end");
  for (const std::string_view name : {"loop", "caller", "varargs", "kwargs"}) {
    symbol(name);
  }
}

const TemplateToken& TokenStream::ahead() const {
  return tokens_[std::min(at_ + 1, tokens_.size() - 1)];
}

TemplateToken TokenStream::take() {
  TemplateToken token = current();
  if (at_ + 1 < tokens_.size()) {
    ++at_;
  }
  return token;
}

bool TokenStream::is_operator(std::string_view op) const {
  return is(TokenType::kOperator) && current().text == op;
}

bool TokenStream::is_name(std::string_view name) const {
  return is(TokenType::kName) && current().text == name;
}

bool TokenStream::skip_operator(std::string_view op) {
  const bool found = is_operator(op);
  if (found) {
    take();
  }
  return found;
}

bool TokenStream::skip_name(std::string_view name) {
  const bool found = is_name(name);
  if (found) {
    take();
  }
  return found;
}

void TokenStream::expect_operator(std::string_view op) {
  if (!skip_operator(op)) {
    fail(fmt::format("expected '{}', got {}", op, describe_current()));
  }
}

std::string TokenStream::expect_name() {
  if (!is(TokenType::kName)) {
    fail(fmt::format("expected a name, got {}", describe_current()));
  }
  return take().text;
}

void TokenStream::expect(TokenType type, std::string_view what) {
  if (!is(type)) {
    fail(fmt::format("expected {}, got {}", what, describe_current()));
  }
  take();
}

Symbol TokenStream::symbol(std::string_view name) {
  const auto [found, is_new] =
      symbols_.emplace(std::string(name), static_cast<Symbol>(names_.size()));
  if (is_new) {
    names_.emplace_back(name);
  }
  return found->second;
}

void TokenStream::fail(std::string message) const { fail_at(current().line, std::move(message)); }

void TokenStream::fail_at(int line, std::string message) const {
  throw TemplateFault{std::move(message), line};
}

std::string TokenStream::describe_current() const {
  switch (current().type) {
    case TokenType::kData:
      return "text";
    case TokenType::kVariableBegin:
      return "'{{'";
    case TokenType::kVariableEnd:
      return "'}}'";
    case TokenType::kBlockBegin:
      return "'{%'";
    case TokenType::kBlockEnd:
      return "'%}'";
    case TokenType::kEnd:
      return "the end of the template";
    default:
      return quote(current().text);
  }
}

TokenStream::Nesting::Nesting(TokenStream& stream) : stream_(stream) {
  if (stream_.depth_ == kMaxNesting) {
    stream_.fail(fmt::format("nested deeper than {} levels", kMaxNesting));
  }
  ++stream_.depth_;
}

}  // namespace talon::text
