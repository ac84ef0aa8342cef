// The tokens of a template as the parser walks over them, and what the two halves of the parser
// share: the table of names, the bound of nesting, and faults that name the line.
#pragma once

#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "text/jinja/ast.h"
#include "text/jinja/lexer.h"

namespace talon::text {

class TokenStream {
 public:
  explicit TokenStream(std::vector<TemplateToken> tokens);

  const TemplateToken& current() const { return tokens_[at_]; }
  const TemplateToken& ahead() const;
  TemplateToken take();

  bool is(TokenType type) const { return current().type == type; }
  bool is_operator(std::string_view op) const;
  bool is_name(std::string_view name) const;
  bool skip_operator(std::string_view op);
  bool skip_name(std::string_view name);
  void expect_operator(std::string_view op);
  std::string expect_name();
  void expect(TokenType type, std::string_view what);

  Symbol symbol(std::string_view name);
  std::vector<std::string> take_names() { return std::move(names_); }

  [[noreturn]] void fail(std::string message) const;
  [[noreturn]] void fail_at(int line, std::string message) const;
  std::string describe_current() const;

  // Holds one level of nesting; a fault if there are too many.
  class Nesting {
   public:
    explicit Nesting(TokenStream& stream);
    ~Nesting() { --stream_.depth_; }
    Nesting(const Nesting&) = delete;
    Nesting& operator=(const Nesting&) = delete;

   private:
    TokenStream& stream_;
  };

 private:
  std::vector<TemplateToken> tokens_;
  size_t at_ = 0;
  int depth_ = 0;
  std::vector<std::string> names_;
  std::unordered_map<std::string, Symbol> symbols_;
};

}  // namespace talon::text
