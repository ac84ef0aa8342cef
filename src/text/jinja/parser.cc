#include "text/jinja/parser.h"

#include <algorithm>
#include <initializer_list>
#include <utility>

#include "base/printable.h"
#include "text/jinja/expression_parser.h"
#include "text/jinja/lexer.h"
#include "text/jinja/token_stream.h"

namespace talon::text {
namespace {

using Names = std::initializer_list<std::string_view>;

class Parser {
 public:
  explicit Parser(std::string_view source)
      : stream_(tokenize_template(source)), expressions_(stream_) {}

  TemplateTree run() {
    TemplateTree tree;
    tree.body = statements({});
    if (expressions_.unknown) {
      throw TemplateFault(*expressions_.unknown);
    }
    tree.names = stream_.take_names();
    return tree;
  }

 private:
  // Up to one of the tags `ends`, whose name is then the current token; at the top, to the end.
  Statements statements(Names ends) {
    const TokenStream::Nesting nesting(stream_);
    Statements body;
    while (!stream_.is(TokenType::kEnd)) {
      if (stream_.is(TokenType::kData)) {
        Statement& data = body.emplace_back(Statement{.line = stream_.current().line});
        data.text = stream_.take().text;
        continue;
      }
      if (stream_.is(TokenType::kVariableBegin)) {
        body.push_back(print_variable());
        continue;
      }
      stream_.expect(TokenType::kBlockBegin, "a tag");
      const bool at_end = std::any_of(ends.begin(), ends.end(),
                                      [&](std::string_view name) { return stream_.is_name(name); });
      if (at_end) {
        return body;
      }
      statement(body);
      stream_.expect(TokenType::kBlockEnd, "'%}'");
    }
    if (ends.size() > 0) {
      stream_.fail(fmt::format("the template ends before {}", quote(*(ends.end() - 1))));
    }
    return body;
  }

  // The body of a block, from the end of its tag on. `soft`: see ExpressionParser::is_conditional.
  Statements body(Names ends, bool soft) {
    stream_.skip_operator(":");
    stream_.expect(TokenType::kBlockEnd, "'%}'");
    const bool outer = std::exchange(expressions_.is_conditional, soft);
    Statements out = statements(ends);
    expressions_.is_conditional = outer;
    return out;
  }

  Statements last_body(std::string_view end) {
    Statements out = body({end}, false);
    stream_.take();
    return out;
  }

  Statement print_variable() {
    Statement out{.kind = StatementKind::kPrint, .line = stream_.take().line};
    out.value = expressions_.tuple({});
    stream_.expect(TokenType::kVariableEnd, "'}}'");
    return out;
  }

  void statement(Statements& out) {
    using Rule = void (Parser::*)(Statement&);
    static constexpr std::pair<std::string_view, Rule> kRules[] = {
        {"if", &Parser::if_tag},       {"for", &Parser::for_tag},
        {"set", &Parser::set_tag},     {"macro", &Parser::macro_tag},
        {"call", &Parser::call_tag},   {"filter", &Parser::filter_tag},
        {"with", &Parser::with_tag},   {"generation", &Parser::generation_tag},
        {"break", &Parser::break_tag}, {"continue", &Parser::break_tag},
    };
    const int line = stream_.current().line;
    if (!stream_.is(TokenType::kName)) {
      stream_.fail("expected the name of a tag, got " + stream_.describe_current());
    }
    if (stream_.skip_name("print")) {
      print_tag(line, out);
      return;
    }
    for (const auto& [name, rule] : kRules) {
      if (stream_.is_name(name)) {
        Statement made{.line = line};
        (this->*rule)(made);
        out.push_back(std::move(made));
        return;
      }
    }
    fail_tag();
  }

  [[noreturn]] void fail_tag() {
    const std::string name = stream_.current().text;
    for (const char* reading : {"include", "import", "from", "extends"}) {
      if (name == reading) {
        stream_.fail(fmt::format("'{}' is refused: a template reads no other files", name));
      }
    }
    stream_.fail("unknown tag " + quote(name));
  }

  void print_tag(int line, Statements& out) {
    bool first = true;
    while (!stream_.is(TokenType::kBlockEnd)) {
      if (!first) {
        stream_.expect_operator(",");
      }
      first = false;
      Statement& made = out.emplace_back(Statement{.kind = StatementKind::kPrint, .line = line});
      made.value = expressions_.expression();
    }
  }

  void if_tag(Statement& out) {
    out.kind = StatementKind::kIf;
    while (true) {
      const bool has_test = !stream_.is_name("else");
      stream_.take();
      Statement branch{.line = stream_.current().line};
      if (has_test) {
        const bool outer = std::exchange(expressions_.is_conditional, true);
        branch.value = expressions_.tuple({.with_condition = false});
        expressions_.is_conditional = outer;
        branch.body = body({"elif", "else", "endif"}, true);
      } else {
        branch.body = body({"endif"}, true);
      }
      out.branches.push_back(std::move(branch));
      if (stream_.skip_name("endif")) {
        return;
      }
    }
  }

  void for_tag(Statement& out) {
    out.kind = StatementKind::kFor;
    stream_.take();
    ++expressions_.num_loops;
    ++num_breakable_;
    out.target = expressions_.target(false, "in");
    if (!stream_.skip_name("in")) {
      stream_.fail("expected 'in', got " + stream_.describe_current());
    }
    out.value = expressions_.tuple({.with_condition = false, .end_name = "recursive"});
    if (stream_.skip_name("if")) {
      out.filter = expressions_.expression();
    }
    out.recursive = stream_.skip_name("recursive");
    out.body = body({"endfor", "else"}, false);
    --num_breakable_;
    if (stream_.take().text == "else") {
      out.other = last_body("endfor");
    }
    --expressions_.num_loops;
  }

  void set_tag(Statement& out) {
    stream_.take();
    out.target = expressions_.target(true);
    if (stream_.skip_operator("=")) {
      out.kind = StatementKind::kSet;
      out.value = expressions_.tuple({});
      return;
    }
    out.kind = StatementKind::kSetBlock;
    out.value = expressions_.filters(nullptr, false);
    out.body = last_body("endset");
  }

  void signature(Signature& out) {
    stream_.expect_operator("(");
    while (!stream_.is_operator(")")) {
      if (!out.parameters.empty()) {
        stream_.expect_operator(",");
      }
      const Symbol parameter = expressions_.target_name();
      if (std::find(out.parameters.begin(), out.parameters.end(), parameter) !=
          out.parameters.end()) {
        stream_.fail("a parameter stands twice");
      }
      if (stream_.skip_operator("=")) {
        out.defaults.push_back(expressions_.expression());
      } else if (!out.defaults.empty()) {
        stream_.fail("a parameter without default follows one with a default");
      }
      out.parameters.push_back(parameter);
    }
    stream_.take();
  }

  // A body that is a function of its own: no `break` out of it.
  Statements function_body(Signature& signature, std::string_view end) {
    const int line = stream_.current().line;
    const int outer_breakable = std::exchange(num_breakable_, 0);
    const bool outer_caller = std::exchange(expressions_.uses_caller, false);
    const bool outer_varargs = std::exchange(expressions_.uses_varargs, false);
    const bool outer_kwargs = std::exchange(expressions_.uses_kwargs, false);
    Statements out = last_body(end);
    const auto mentions = [&](bool used, Symbol symbol) {
      const auto& names = signature.parameters;
      return used && std::find(names.begin(), names.end(), symbol) == names.end();
    };
    signature.uses_caller = mentions(expressions_.uses_caller, kCallerSymbol);
    signature.uses_varargs = mentions(expressions_.uses_varargs, kVarargsSymbol);
    signature.uses_kwargs = mentions(expressions_.uses_kwargs, kKwargsSymbol);
    if (expressions_.uses_caller && !signature.uses_caller) {
      check_caller_default(signature, line);
    }
    expressions_.uses_caller |= outer_caller;
    expressions_.uses_varargs |= outer_varargs;
    expressions_.uses_kwargs |= outer_kwargs;
    num_breakable_ = outer_breakable;
    return out;
  }

  void check_caller_default(const Signature& signature, int line) const {
    const auto& names = signature.parameters;
    const auto at = std::find(names.begin(), names.end(), kCallerSymbol);
    const auto num_after = static_cast<size_t>(names.end() - at);
    if (num_after > signature.defaults.size()) {
      stream_.fail_at(line, "the parameter 'caller' needs a default");
    }
  }

  void macro_tag(Statement& out) {
    out.kind = StatementKind::kMacro;
    stream_.take();
    out.symbol = expressions_.target_name();
    signature(out.signature);
    out.body = function_body(out.signature, "endmacro");
  }

  void call_tag(Statement& out) {
    out.kind = StatementKind::kCallBlock;
    const int line = stream_.take().line;
    if (stream_.is_operator("(")) {
      signature(out.signature);
    }
    out.value = expressions_.expression();
    if (out.value->kind != ExpressionKind::kCall) {
      stream_.fail_at(line, "expected a call");
    }
    out.body = function_body(out.signature, "endcall");
  }

  void filter_tag(Statement& out) {
    out.kind = StatementKind::kFilterBlock;
    stream_.take();
    out.value = expressions_.filters(nullptr, true);
    out.body = last_body("endfilter");
  }

  void with_tag(Statement& out) {
    out.kind = StatementKind::kWith;
    stream_.take();
    while (!stream_.is(TokenType::kBlockEnd)) {
      if (!out.bindings.empty()) {
        stream_.expect_operator(",");
      }
      // One target each: jinja2 would read "a, b = 1" as a tuple, which then has no value.
      ExpressionPtr target = expressions_.target(false);
      stream_.expect_operator("=");
      ExpressionPtr value = expressions_.expression();
      out.bindings.emplace_back(std::move(target), std::move(value));
    }
    out.body = last_body("endwith");
  }

  // Hugging Face marks with it what the assistant says, for training. It is a call block there,
  // hence a function of its own.
  void generation_tag(Statement& out) {
    out.kind = StatementKind::kScope;
    stream_.take();
    Signature none;
    out.body = function_body(none, "endgeneration");
  }

  void break_tag(Statement& out) {
    const std::string name = stream_.take().text;
    if (num_breakable_ == 0) {
      stream_.fail_at(out.line, fmt::format("'{}' outside of a loop", name));
    }
    out.kind = name == "break" ? StatementKind::kBreak : StatementKind::kContinue;
  }

  TokenStream stream_;
  ExpressionParser expressions_;
  int num_breakable_ = 0;  // loops around this place, in the same function
};

}  // namespace

TemplateTree parse_template(std::string_view source) { return Parser(source).run(); }

}  // namespace talon::text
