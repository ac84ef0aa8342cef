// The second half of ExpressionParser: what may follow a value, and targets of assignments.
#include <algorithm>
#include <utility>

#include "base/printable.h"
#include "text/jinja/expression_parser.h"

namespace talon::text {

ExpressionPtr ExpressionParser::postfix(ExpressionPtr node) {
  while (true) {
    if (stream_.is_operator(".") || stream_.is_operator("[")) {
      node = subscript(std::move(node));
    } else if (stream_.is_operator("(")) {
      node = call(std::move(node));
    } else {
      return node;
    }
  }
}

ExpressionPtr ExpressionParser::filter_chain(ExpressionPtr node) {
  while (true) {
    if (stream_.is_operator("|")) {
      node = filters(std::move(node), false);
    } else if (stream_.is_name("is")) {
      node = test(std::move(node));
    } else if (stream_.is_operator("(")) {
      node = call(std::move(node));
    } else {
      return node;
    }
  }
}

ExpressionPtr ExpressionParser::subscript(ExpressionPtr node) {
  const TemplateToken token = stream_.take();
  if (token.text == "[") {
    return subscripted(std::move(node), token.line);
  }
  if (stream_.is(TokenType::kName)) {
    ExpressionPtr attribute = make(ExpressionKind::kAttribute, token.line, std::move(node));
    attribute->text = stream_.take().text;
    return attribute;
  }
  if (!stream_.is(TokenType::kInteger)) {
    stream_.fail("expected a name or a number, got " + stream_.describe_current());
  }
  ExpressionPtr index = make(ExpressionKind::kConstant, token.line);
  index->constant = Value::integer(stream_.take().integer);
  return make(ExpressionKind::kItem, token.line, std::move(node), std::move(index));
}

// What stands between brackets. jinja2 also lets several subscripts with commas make a tuple.
ExpressionPtr ExpressionParser::subscripted(ExpressionPtr node, int line) {
  if (stream_.skip_operator(":")) {
    return slice(std::move(node), nullptr, line);
  }
  std::vector<ExpressionPtr> keys;
  while (!stream_.is_operator("]")) {
    if (!keys.empty()) {
      stream_.expect_operator(",");
    }
    keys.push_back(expression());
    if (keys.size() == 1 && stream_.skip_operator(":")) {
      return slice(std::move(node), std::move(keys.front()), line);
    }
  }
  stream_.take();
  if (keys.size() == 1) {
    return make(ExpressionKind::kItem, line, std::move(node), std::move(keys.front()));
  }
  ExpressionPtr tuple = make(ExpressionKind::kTuple, line);
  tuple->parts = std::move(keys);
  settle_depth(*tuple);
  return make(ExpressionKind::kItem, line, std::move(node), std::move(tuple));
}

// After the first colon.
ExpressionPtr ExpressionParser::slice(ExpressionPtr node, ExpressionPtr start, int line) {
  ExpressionPtr stop;
  ExpressionPtr step;
  if (!stream_.is_operator(":") && !stream_.is_operator("]")) {
    stop = expression();
  }
  if (stream_.skip_operator(":") && !stream_.is_operator("]")) {
    step = expression();
  }
  stream_.expect_operator("]");
  return make(ExpressionKind::kSlice, line, std::move(node), std::move(start), std::move(stop),
              std::move(step));
}

void ExpressionParser::argument(CallArguments& out) {
  const int line = stream_.current().line;
  const auto ensure = [&](bool valid) {
    if (!valid) {
      stream_.fail_at(line, "arguments in the wrong order");
    }
  };
  if (stream_.skip_operator("*")) {
    ensure(!out.rest && !out.named_rest);
    out.rest = expression();
    return;
  }
  if (stream_.skip_operator("**")) {
    ensure(!out.named_rest);
    out.named_rest = expression();
    return;
  }
  const TemplateToken& ahead = stream_.ahead();
  const bool assigns = ahead.type == TokenType::kOperator && ahead.text == "=";
  if (!stream_.is(TokenType::kName) || !assigns) {
    ensure(!out.rest && !out.named_rest && out.named.empty());
    out.positional.push_back(expression());
    return;
  }
  ensure(!out.named_rest);
  std::string name = stream_.take().text;
  stream_.take();
  const bool is_new = std::none_of(out.named.begin(), out.named.end(),
                                   [&](const auto& entry) { return entry.first == name; });
  if (!is_new) {
    stream_.fail_at(line, "the argument " + quote(name) + " is given twice");
  }
  ExpressionPtr value = expression();
  out.named.emplace_back(std::move(name), std::move(value));
}

CallArguments ExpressionParser::arguments() {
  CallArguments out;
  stream_.expect_operator("(");
  bool first = true;
  while (!stream_.is_operator(")")) {
    if (!first) {
      stream_.expect_operator(",");
      if (stream_.is_operator(")")) {
        break;
      }
    }
    first = false;
    argument(out);
  }
  stream_.take();
  return out;
}

ExpressionPtr ExpressionParser::call(ExpressionPtr node) {
  const int line = stream_.current().line;
  ExpressionPtr out = make(ExpressionKind::kCall, line, std::move(node));
  out->arguments = arguments();
  settle_depth(*out);
  return out;
}

std::string ExpressionParser::dotted_name() {
  std::string name = stream_.expect_name();
  while (stream_.skip_operator(".")) {
    name += "." + stream_.expect_name();
  }
  return name;
}

void ExpressionParser::note_unknown(int line, std::string message) {
  if (!is_conditional && !unknown) {
    unknown = TemplateFault{std::move(message), line};
  }
}

ExpressionPtr ExpressionParser::filters(ExpressionPtr input, bool first_without_bar) {
  ExpressionPtr node = std::move(input);
  while (first_without_bar || stream_.skip_operator("|")) {
    first_without_bar = false;
    const int line = stream_.current().line;
    ExpressionPtr filter = make(ExpressionKind::kFilter, line, std::move(node));
    filter->text = dotted_name();
    filter->filter = find_filter(filter->text);
    if (filter->filter == nullptr) {
      note_unknown(line, "no filter is named " + quote(filter->text));
    }
    if (stream_.is_operator("(")) {
      filter->arguments = arguments();
      settle_depth(*filter);
    }
    node = std::move(filter);
  }
  return node;
}

ExpressionPtr ExpressionParser::test(ExpressionPtr node) {
  const int line = stream_.take().line;
  const bool negated = stream_.skip_name("not");
  ExpressionPtr out = make(ExpressionKind::kTest, line, std::move(node));
  out->text = dotted_name();
  out->predicate = find_predicate(out->text);
  if (out->predicate == nullptr) {
    note_unknown(line, "no test is named " + quote(out->text));
  }
  const bool ends = stream_.is_name("else") || stream_.is_name("or") || stream_.is_name("and");
  const bool has_argument = stream_.is(TokenType::kName) || stream_.is(TokenType::kString) ||
                            stream_.is(TokenType::kInteger) || stream_.is(TokenType::kFloat) ||
                            stream_.is_operator("[") || stream_.is_operator("{");
  if (stream_.is_operator("(")) {
    out->arguments = arguments();
  } else if (has_argument && !ends) {
    if (stream_.is_name("is")) {
      stream_.fail("tests cannot be chained");
    }
    out->arguments.positional.push_back(postfix(primary(false)));
  }
  settle_depth(*out);
  return negated ? make(ExpressionKind::kNot, line, std::move(out)) : std::move(out);
}

Symbol ExpressionParser::target_name() {
  const int line = stream_.current().line;
  const std::string name = stream_.expect_name();
  for (const char* constant : {"true", "false", "none", "True", "False", "None"}) {
    if (name == constant) {
      stream_.fail_at(line, "cannot assign to " + name);
    }
  }
  const Symbol symbol = stream_.symbol(name);
  if (symbol == kLoopSymbol && num_loops > 0) {
    stream_.fail_at(line, "cannot assign to 'loop' in a loop");
  }
  return symbol;
}

void ExpressionParser::check_target(const Expression& node) const {
  switch (node.kind) {
    case ExpressionKind::kNamespaceField:
      return;
    case ExpressionKind::kName:
      if (node.symbol == kLoopSymbol && num_loops > 0) {
        stream_.fail_at(node.line, "cannot assign to 'loop' in a loop");
      }
      return;
    case ExpressionKind::kTuple:
      for (const ExpressionPtr& part : node.parts) {
        check_target(*part);
      }
      return;
    default:
      stream_.fail_at(node.line, "cannot assign to this");
  }
}

ExpressionPtr ExpressionParser::target(bool with_namespace, std::string_view end_name) {
  const auto mentions = std::tuple(uses_caller, uses_varargs, uses_kwargs);
  ExpressionPtr node =
      tuple({.simplified = true, .with_namespace = with_namespace, .end_name = end_name});
  // Setting a name is no mention of it.
  std::tie(uses_caller, uses_varargs, uses_kwargs) = mentions;
  check_target(*node);
  return node;
}

}  // namespace talon::text
