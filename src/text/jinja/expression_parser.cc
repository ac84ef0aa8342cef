#include "text/jinja/expression_parser.h"

#include <algorithm>
#include <array>

#include "base/printable.h"

namespace talon::text {
namespace {

// Chains like a + b + c nest to the left; recursion over a tree must stay bounded.
constexpr int kMaxExpressionDepth = 150;

struct NamedComparison {
  std::string_view op;
  Comparison comparison;
};
constexpr std::array<NamedComparison, 6> kComparisons = {{{"==", Comparison::kEqual},
                                                          {"!=", Comparison::kNotEqual},
                                                          {"<", Comparison::kLess},
                                                          {"<=", Comparison::kLessEqual},
                                                          {">", Comparison::kGreater},
                                                          {">=", Comparison::kGreaterEqual}}};

struct NamedOperator {
  std::string_view text;
  Operator op;
};
constexpr std::array<NamedOperator, 2> kSums = {
    {{"+", Operator::kAdd}, {"-", Operator::kSubtract}}};
constexpr std::array<NamedOperator, 4> kProducts = {{{"*", Operator::kMultiply},
                                                     {"/", Operator::kDivide},
                                                     {"//", Operator::kFloorDivide},
                                                     {"%", Operator::kModulo}}};

template <size_t kCount>
const NamedOperator* find_operator(const std::array<NamedOperator, kCount>& table,
                                   const TokenStream& stream) {
  const auto found = std::find_if(table.begin(), table.end(), [&](const NamedOperator& entry) {
    return stream.is_operator(entry.text);
  });
  return found == table.end() ? nullptr : &*found;
}

}  // namespace

void ExpressionParser::settle_depth(Expression& expression) const {
  int deepest = 0;
  const auto take = [&](const ExpressionPtr& part) {
    deepest = part ? std::max(deepest, part->depth) : deepest;
  };
  std::for_each(expression.parts.begin(), expression.parts.end(), take);
  const CallArguments& arguments = expression.arguments;
  std::for_each(arguments.positional.begin(), arguments.positional.end(), take);
  for (const auto& [name, value] : arguments.named) {
    take(value);
  }
  take(arguments.rest);
  take(arguments.named_rest);
  expression.depth = deepest + 1;
  if (expression.depth > kMaxExpressionDepth) {
    stream_.fail_at(expression.line,
                    fmt::format("an expression nested deeper than {} levels", kMaxExpressionDepth));
  }
}

ExpressionPtr ExpressionParser::make(ExpressionKind kind, int line) {
  auto node = std::make_unique<Expression>();
  node->kind = kind;
  node->line = line;
  return node;
}

ExpressionPtr ExpressionParser::expression() { return condition(); }

ExpressionPtr ExpressionParser::condition() {
  const TokenStream::Nesting nesting(stream_);
  int line = stream_.current().line;
  const std::optional<TemplateFault> unknown_before = unknown;
  ExpressionPtr value = either();
  while (stream_.is_name("if")) {
    unknown = unknown_before;
    const bool outer = std::exchange(is_conditional, true);
    stream_.take();
    ExpressionPtr test = either();
    ExpressionPtr other = stream_.skip_name("else") ? condition() : nullptr;
    is_conditional = outer;
    value =
        make(ExpressionKind::kCondition, line, std::move(test), std::move(value), std::move(other));
    line = stream_.current().line;
  }
  return value;
}

ExpressionPtr ExpressionParser::either() {
  const int line = stream_.current().line;
  ExpressionPtr left = both();
  while (stream_.skip_name("or")) {
    left = make(ExpressionKind::kOr, line, std::move(left), both());
  }
  return left;
}

ExpressionPtr ExpressionParser::both() {
  const int line = stream_.current().line;
  ExpressionPtr left = negation();
  while (stream_.skip_name("and")) {
    left = make(ExpressionKind::kAnd, line, std::move(left), negation());
  }
  return left;
}

ExpressionPtr ExpressionParser::negation() {
  const TokenStream::Nesting nesting(stream_);
  const int line = stream_.current().line;
  if (stream_.skip_name("not")) {
    return make(ExpressionKind::kNot, line, negation());
  }
  return comparison();
}

bool ExpressionParser::next_comparison(Comparison& comparison) {
  for (const NamedComparison& entry : kComparisons) {
    if (stream_.skip_operator(entry.op)) {
      comparison = entry.comparison;
      return true;
    }
  }
  if (stream_.skip_name("in")) {
    comparison = Comparison::kIn;
    return true;
  }
  const TemplateToken& ahead = stream_.ahead();
  if (stream_.is_name("not") && ahead.type == TokenType::kName && ahead.text == "in") {
    stream_.take();
    stream_.take();
    comparison = Comparison::kNotIn;
    return true;
  }
  return false;
}

ExpressionPtr ExpressionParser::comparison() {
  const int line = stream_.current().line;
  ExpressionPtr first = sum();
  Comparison comparison{};
  if (!next_comparison(comparison)) {
    return first;
  }
  ExpressionPtr node = make(ExpressionKind::kCompare, line);
  node->parts.push_back(std::move(first));
  do {
    node->comparisons.push_back(comparison);
    node->parts.push_back(sum());
  } while (next_comparison(comparison));
  settle_depth(*node);
  return node;
}

ExpressionPtr ExpressionParser::sum() {
  const int line = stream_.current().line;
  ExpressionPtr left = concatenation();
  while (const NamedOperator* found = find_operator(kSums, stream_)) {
    stream_.take();
    left = make(ExpressionKind::kArithmetic, line, std::move(left), concatenation());
    left->op = found->op;
  }
  return left;
}

ExpressionPtr ExpressionParser::concatenation() {
  const int line = stream_.current().line;
  ExpressionPtr first = product();
  if (!stream_.is_operator("~")) {
    return first;
  }
  ExpressionPtr node = make(ExpressionKind::kConcat, line);
  node->parts.push_back(std::move(first));
  while (stream_.skip_operator("~")) {
    node->parts.push_back(product());
  }
  settle_depth(*node);
  return node;
}

ExpressionPtr ExpressionParser::product() {
  const int line = stream_.current().line;
  ExpressionPtr left = power();
  while (const NamedOperator* found = find_operator(kProducts, stream_)) {
    stream_.take();
    left = make(ExpressionKind::kArithmetic, line, std::move(left), power());
    left->op = found->op;
  }
  return left;
}

ExpressionPtr ExpressionParser::power() {
  const int line = stream_.current().line;
  ExpressionPtr left = sign(true);
  while (stream_.skip_operator("**")) {
    left = make(ExpressionKind::kArithmetic, line, std::move(left), sign(true));
    left->op = Operator::kPower;
  }
  return left;
}

ExpressionPtr ExpressionParser::sign(bool with_filters) {
  const TokenStream::Nesting nesting(stream_);
  const int line = stream_.current().line;
  ExpressionPtr node;
  if (stream_.skip_operator("-")) {
    node = make(ExpressionKind::kNegate, line, sign(false));
  } else if (stream_.skip_operator("+")) {
    node = make(ExpressionKind::kPlus, line, sign(false));
  } else {
    node = primary(false);
  }
  node = postfix(std::move(node));
  return with_filters ? filter_chain(std::move(node)) : std::move(node);
}

ExpressionPtr ExpressionParser::name(bool with_namespace) {
  const TemplateToken token = stream_.take();
  const std::string& name = token.text;
  ExpressionPtr node = make(ExpressionKind::kConstant, token.line);
  if (name == "true" || name == "True") {
    node->constant = Value::boolean(true);
  } else if (name == "false" || name == "False") {
    node->constant = Value::boolean(false);
  } else if (name == "none" || name == "None") {
    node->constant = Value::none();
  } else if (with_namespace && stream_.skip_operator(".")) {
    node->kind = ExpressionKind::kNamespaceField;
    node->symbol = stream_.symbol(name);
    node->text = stream_.expect_name();
  } else {
    node->kind = ExpressionKind::kName;
    node->symbol = stream_.symbol(name);
    uses_caller = uses_caller || node->symbol == kCallerSymbol;
    uses_varargs = uses_varargs || node->symbol == kVarargsSymbol;
    uses_kwargs = uses_kwargs || node->symbol == kKwargsSymbol;
  }
  return node;
}

ExpressionPtr ExpressionParser::primary(bool with_namespace) {
  const int line = stream_.current().line;
  if (stream_.is(TokenType::kName)) {
    return name(with_namespace);
  }
  if (stream_.is_operator("[")) {
    return list();
  }
  if (stream_.is_operator("{")) {
    return dict();
  }
  if (stream_.skip_operator("(")) {
    ExpressionPtr node = tuple({.in_parentheses = true});
    stream_.expect_operator(")");
    return node;
  }
  ExpressionPtr node = make(ExpressionKind::kConstant, line);
  if (stream_.is(TokenType::kString)) {
    std::string text;
    while (stream_.is(TokenType::kString)) {
      text += stream_.take().text;
    }
    node->constant = Value::string(std::move(text));
  } else if (stream_.is(TokenType::kInteger)) {
    node->constant = Value::integer(stream_.take().integer);
  } else if (stream_.is(TokenType::kFloat)) {
    node->constant = Value::real(stream_.take().real);
  } else {
    stream_.fail("unexpected " + stream_.describe_current());
  }
  return node;
}

bool ExpressionParser::is_tuple_end(std::string_view end_name) const {
  return stream_.is(TokenType::kVariableEnd) || stream_.is(TokenType::kBlockEnd) ||
         stream_.is_operator(")") || (!end_name.empty() && stream_.is_name(end_name));
}

ExpressionPtr ExpressionParser::tuple(const TupleForm& form) {
  const int line = stream_.current().line;
  std::vector<ExpressionPtr> parts;
  bool is_tuple = false;
  while (!is_tuple_end(form.end_name)) {
    if (form.simplified) {
      parts.push_back(primary(form.with_namespace));
    } else {
      parts.push_back(form.with_condition ? condition() : either());
    }
    if (!stream_.skip_operator(",")) {
      break;
    }
    is_tuple = true;
  }
  if (!is_tuple && !parts.empty()) {
    return std::move(parts.front());
  }
  if (!is_tuple && !form.in_parentheses) {
    stream_.fail("expected an expression, got " + stream_.describe_current());
  }
  ExpressionPtr node = make(ExpressionKind::kTuple, line);
  node->parts = std::move(parts);
  settle_depth(*node);
  return node;
}

ExpressionPtr ExpressionParser::list() {
  ExpressionPtr node = make(ExpressionKind::kList, stream_.take().line);
  while (!stream_.is_operator("]")) {
    if (!node->parts.empty()) {
      stream_.expect_operator(",");
    }
    if (stream_.is_operator("]")) {
      break;
    }
    node->parts.push_back(expression());
  }
  stream_.take();
  settle_depth(*node);
  return node;
}

ExpressionPtr ExpressionParser::dict() {
  ExpressionPtr node = make(ExpressionKind::kDict, stream_.take().line);
  while (!stream_.is_operator("}")) {
    if (!node->parts.empty()) {
      stream_.expect_operator(",");
    }
    if (stream_.is_operator("}")) {
      break;
    }
    node->parts.push_back(expression());
    stream_.expect_operator(":");
    node->parts.push_back(expression());
  }
  stream_.take();
  settle_depth(*node);
  return node;
}

}  // namespace talon::text
