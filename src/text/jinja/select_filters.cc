// Filters that apply a filter, a test or an attribute to each element.
#include <string>

#include "base/printable.h"
#include "text/jinja/attribute_path.h"
#include "text/jinja/fault.h"
#include "text/jinja/filters.h"
#include "text/jinja/interpreter.h"
#include "text/jinja/object.h"
#include "text/jinja/predicates.h"
#include "text/jinja/truth.h"

namespace talon::text {
namespace {

Value generator(Items items) {
  return Value::object(std::make_shared<Generator>(std::move(items)));
}

// The arguments after the first `count`.
Arguments after(const Arguments& arguments, size_t count) {
  Arguments rest;
  rest.positional.assign(arguments.positional.begin() + static_cast<std::ptrdiff_t>(count),
                         arguments.positional.end());
  rest.named = arguments.named;
  return rest;
}

const std::string& name_in(const Arguments& arguments, size_t index) {
  const Value& name = arguments.positional[index];
  if (!name.is_string()) {
    fault("the name of a filter or test is {}", name.type_name());
  }
  return name.bytes();
}

Value map_attribute(Interpreter& interpreter, const Value& input, const Arguments& arguments) {
  const Parameters parameters("map", arguments, {"attribute", "default"});
  const AttributePath path(parameters.value(0));
  const Value fallback = parameters.value_or(1, Value::none());
  Items out;
  const auto all_items = interpreter.items_of(input);
  for (const Value& item : *all_items) {
    interpreter.budget().step();
    out.push_back(path.get(item, fallback));
  }
  return generator(std::move(out));
}

Value map(Interpreter& interpreter, const Value& input, const Arguments& arguments) {
  if (!is_true(input)) {
    return generator({});
  }
  if (arguments.positional.empty()) {
    if (arguments.find("attribute") == nullptr) {
      fault("map needs the name of a filter or an attribute");
    }
    return map_attribute(interpreter, input, arguments);
  }
  const std::string& name = name_in(arguments, 0);
  const Filter filter = find_filter(name);
  if (filter == nullptr) {
    fault("no filter is named {}", quote(name));
  }
  const Arguments rest = after(arguments, 1);
  Items out;
  const auto all_items = interpreter.items_of(input);
  for (const Value& item : *all_items) {
    interpreter.budget().step();
    out.push_back(filter(interpreter, item, rest));
  }
  return generator(std::move(out));
}

struct Selection {
  std::string_view name;
  bool by_attribute = false;
  bool wanted = true;  // what the test must give
};

Value selected(Interpreter& interpreter,
               const Value& input,
               const Arguments& arguments,
               const Selection& selection) {
  if (!is_true(input)) {
    return generator({});
  }
  const size_t first = selection.by_attribute ? 1 : 0;
  if (arguments.positional.size() < first) {
    fault("{} needs the name of an attribute", selection.name);
  }
  const AttributePath path =
      selection.by_attribute ? AttributePath(arguments.positional[0]) : AttributePath();
  Predicate test = nullptr;
  if (arguments.positional.size() > first) {
    test = find_predicate(name_in(arguments, first));
    if (test == nullptr) {
      fault("no test is named {}", quote(name_in(arguments, first)));
    }
  }
  const Arguments rest = test != nullptr ? after(arguments, first + 1) : Arguments{};
  Items out;
  const auto all_items = interpreter.items_of(input);
  for (const Value& item : *all_items) {
    interpreter.budget().step();
    const Value value = path.get(item);
    const bool passes = test != nullptr ? test(interpreter, value, rest) : is_true(value);
    if (passes == selection.wanted) {
      out.push_back(item);
    }
  }
  return generator(std::move(out));
}

Value select(Interpreter& interpreter, const Value& input, const Arguments& arguments) {
  return selected(interpreter, input, arguments, {"select", false, true});
}
Value reject(Interpreter& interpreter, const Value& input, const Arguments& arguments) {
  return selected(interpreter, input, arguments, {"reject", false, false});
}
Value selectattr(Interpreter& interpreter, const Value& input, const Arguments& arguments) {
  return selected(interpreter, input, arguments, {"selectattr", true, true});
}
Value rejectattr(Interpreter& interpreter, const Value& input, const Arguments& arguments) {
  return selected(interpreter, input, arguments, {"rejectattr", true, false});
}

constexpr NamedFilter kFilters[] = {
    {"map", map},
    {"select", select},
    {"reject", reject},
    {"selectattr", selectattr},
    {"rejectattr", rejectattr},
};

}  // namespace

std::span<const NamedFilter> select_filters() { return kFilters; }

}  // namespace talon::text
