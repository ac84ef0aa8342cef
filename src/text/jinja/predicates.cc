#include "text/jinja/predicates.h"

#include <algorithm>
#include <string>

#include "text/characters.h"
#include "text/jinja/arithmetic.h"
#include "text/jinja/fault.h"
#include "text/jinja/filters.h"
#include "text/jinja/interpreter.h"
#include "text/jinja/length.h"
#include "text/jinja/object.h"
#include "text/jinja/print.h"
#include "text/jinja/truth.h"

namespace talon::text {
namespace {

// The kinds of tests: those of one value, and those that compare it with an argument.
using Unary = bool (*)(const Value& value);
using Binary = bool (*)(Interpreter& interpreter, const Value& value, const Value& other);

template <Unary kTest>
bool unary(Interpreter&, const Value& input, const Arguments& arguments) {
  expect_no_arguments("a test", arguments);
  return kTest(input);
}

template <Binary kTest>
bool binary(Interpreter& interpreter, const Value& input, const Arguments& arguments) {
  const Parameters parameters("a test", arguments, {"other"}, 1);
  return kTest(interpreter, input, parameters.value(0));
}

bool is_defined(const Value& value) { return !value.is_undefined(); }
bool is_undefined(const Value& value) { return value.is_undefined(); }
bool is_none(const Value& value) { return value.is_none(); }
bool is_boolean(const Value& value) { return value.is_bool(); }
bool is_truth(const Value& value) { return value.is_bool() && value.as_bool(); }
bool is_falsehood(const Value& value) { return value.is_bool() && !value.as_bool(); }
bool is_integer(const Value& value) { return value.is_int() && !value.is_bool(); }
bool is_real(const Value& value) { return value.is_float(); }
bool is_number(const Value& value) { return value.is_number(); }
bool is_string(const Value& value) { return value.is_string(); }
bool is_mapping(const Value& value) { return value.is_dict(); }

bool is_range(const Value& value) {
  return value.is_object() && dynamic_cast<Range*>(value.as_object().get()) != nullptr;
}

// Something with a length whose elements have indices. An undefined value has both.
bool is_sequence(const Value& value) {
  return value.is_undefined() || value.is_string() || value.is_sequence() || value.is_dict() ||
         is_range(value);
}

bool is_iterable(const Value& value) {
  return is_sequence(value) || (value.is_object() && (value.as_object()->is_iterable() ||
                                                      value.type_name() == "LoopContext"));
}

bool is_callable(const Value& value) {
  return value.is_undefined() || (value.is_object() && value.as_object()->is_callable());
}

bool is_escaped(const Value& value) { return value.is_string() && value.text().is_markup; }

int64_t remainder(Interpreter& interpreter, const Value& value, const Value& divisor) {
  const Value rest = apply(interpreter, Operator::kModulo, value, divisor);
  if (!rest.is_number()) {
    fault("a test needs a number, not {}", value.type_name());
  }
  // What matters is whether it is 0 or 1.
  const double real = rest.as_double();
  return real == 0.0 ? 0 : (real == 1.0 ? 1 : 2);
}

bool is_odd(Interpreter& interpreter, const Value& input, const Arguments& arguments) {
  expect_no_arguments("odd", arguments);
  return remainder(interpreter, input, Value::integer(2)) == 1;
}

bool is_even(Interpreter& interpreter, const Value& input, const Arguments& arguments) {
  expect_no_arguments("even", arguments);
  return remainder(interpreter, input, Value::integer(2)) == 0;
}

bool is_divisible(Interpreter& interpreter, const Value& value, const Value& divisor) {
  return remainder(interpreter, value, divisor) == 0;
}

bool is_lower_text(Interpreter& interpreter, const Value& input, const Arguments& arguments) {
  expect_no_arguments("lower", arguments);
  return is_lower_case(to_text(input, interpreter.budget()));
}

bool is_upper_text(Interpreter& interpreter, const Value& input, const Arguments& arguments) {
  expect_no_arguments("upper", arguments);
  return is_upper_case(to_text(input, interpreter.budget()));
}

bool is_filter_name(const Value& value) {
  return value.is_string() && find_filter(value.bytes()) != nullptr;
}

bool is_test_name(const Value& value) {
  return value.is_string() && find_predicate(value.bytes()) != nullptr;
}

bool is_same_object(Interpreter&, const Value& a, const Value& b) { return a.is_same(b); }

bool is_in(Interpreter& interpreter, const Value& value, const Value& container) {
  return contains(interpreter, container, value);
}

bool equal(Interpreter& interpreter, const Value& a, const Value& b) {
  return is_equal(a, b, interpreter.budget());
}
bool unequal(Interpreter& interpreter, const Value& a, const Value& b) {
  return !is_equal(a, b, interpreter.budget());
}
bool less(Interpreter& interpreter, const Value& a, const Value& b) {
  return compare(a, b, interpreter.budget()) < 0;
}
bool at_most(Interpreter& interpreter, const Value& a, const Value& b) {
  return compare(a, b, interpreter.budget()) <= 0;
}
bool greater(Interpreter& interpreter, const Value& a, const Value& b) {
  return compare(a, b, interpreter.budget()) == 1;
}
bool at_least(Interpreter& interpreter, const Value& a, const Value& b) {
  const int order = compare(a, b, interpreter.budget());
  return order == 0 || order == 1;
}

struct NamedPredicate {
  std::string_view name;
  Predicate predicate;
};

constexpr NamedPredicate kPredicates[] = {
    {"defined", unary<is_defined>},
    {"undefined", unary<is_undefined>},
    {"none", unary<is_none>},
    {"boolean", unary<is_boolean>},
    {"true", unary<is_truth>},
    {"false", unary<is_falsehood>},
    {"integer", unary<is_integer>},
    {"float", unary<is_real>},
    {"number", unary<is_number>},
    {"string", unary<is_string>},
    {"mapping", unary<is_mapping>},
    {"sequence", unary<is_sequence>},
    {"iterable", unary<is_iterable>},
    {"callable", unary<is_callable>},
    {"escaped", unary<is_escaped>},
    {"filter", unary<is_filter_name>},
    {"test", unary<is_test_name>},
    {"odd", is_odd},
    {"even", is_even},
    {"lower", is_lower_text},
    {"upper", is_upper_text},
    {"divisibleby", binary<is_divisible>},
    {"sameas", binary<is_same_object>},
    {"in", binary<is_in>},
    {"eq", binary<equal>},
    {"equalto", binary<equal>},
    {"==", binary<equal>},
    {"ne", binary<unequal>},
    {"!=", binary<unequal>},
    {"lt", binary<less>},
    {"lessthan", binary<less>},
    {"<", binary<less>},
    {"le", binary<at_most>},
    {"<=", binary<at_most>},
    {"gt", binary<greater>},
    {"greaterthan", binary<greater>},
    {">", binary<greater>},
    {"ge", binary<at_least>},
    {">=", binary<at_least>},
};

}  // namespace

Predicate find_predicate(std::string_view name) {
  const auto* const found =
      std::find_if(std::begin(kPredicates), std::end(kPredicates),
                   [&](const NamedPredicate& entry) { return entry.name == name; });
  return found == std::end(kPredicates) ? nullptr : found->predicate;
}

}  // namespace talon::text
