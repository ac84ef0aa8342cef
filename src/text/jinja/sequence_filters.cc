// Filters over the elements of a value as they are.
#include <algorithm>
#include <string>

#include "text/characters.h"
#include "text/jinja/arithmetic.h"
#include "text/jinja/attribute.h"
#include "text/jinja/attribute_path.h"
#include "text/jinja/fault.h"
#include "text/jinja/filters.h"
#include "text/jinja/interpreter.h"
#include "text/jinja/length.h"
#include "text/jinja/object.h"
#include "text/jinja/print.h"
#include "text/jinja/truth.h"

namespace talon::text {
namespace {

Value generator(Items items) {
  return Value::object(std::make_shared<Generator>(std::move(items)));
}

Value length(Interpreter&, const Value& input, const Arguments& arguments) {
  expect_no_arguments("length", arguments);
  const std::optional<int64_t> size = length_of(input);
  if (!size) {
    fault("a {} has no length", input.type_name());
  }
  return Value::integer(*size);
}

Value first(Interpreter& interpreter, const Value& input, const Arguments& arguments) {
  expect_no_arguments("first", arguments);
  if (input.is_string() && !input.bytes().empty()) {
    return item_of(input, Value::integer(0));
  }
  if (input.is_object()) {
    if (auto* source = dynamic_cast<Generator*>(input.as_object().get())) {
      return source->take_one().value_or(Value::undefined("the first element of nothing"));
    }
  }
  const auto items = interpreter.items_of(input);
  return items->empty() ? Value::undefined("the first element of nothing") : items->front();
}

Value last(Interpreter& interpreter, const Value& input, const Arguments& arguments) {
  expect_no_arguments("last", arguments);
  if (input.is_string() && !input.bytes().empty()) {
    return item_of(input, Value::integer(-1));
  }
  if (input.is_object() && dynamic_cast<Generator*>(input.as_object().get()) != nullptr) {
    fault("last: a generator cannot be gone through backwards");
  }
  const auto items = interpreter.items_of(input);
  return items->empty() ? Value::undefined("the last element of nothing") : items->back();
}

Value list(Interpreter& interpreter, const Value& input, const Arguments& arguments) {
  expect_no_arguments("list", arguments);
  const auto items = interpreter.items_of(input);
  interpreter.budget().build(items->size() * sizeof(Value));
  return Value::list(*items);
}

Value reverse(Interpreter& interpreter, const Value& input, const Arguments& arguments) {
  expect_no_arguments("reverse", arguments);
  const auto items = interpreter.items_of(input);
  interpreter.budget().build(items->size() * sizeof(Value));
  if (input.is_string()) {
    std::string out;
    for (auto at = items->rbegin(); at != items->rend(); ++at) {
      out += at->bytes();
    }
    return Value::string(std::move(out), input.text().is_markup);
  }
  return generator(Items(items->rbegin(), items->rend()));
}

Value join(Interpreter& interpreter, const Value& input, const Arguments& arguments) {
  const Parameters parameters("join", arguments, {"d", "attribute"});
  Budget& budget = interpreter.budget();
  const std::string separator = to_text(parameters.value_or(0, Value::string("")), budget);
  const AttributePath path(parameters.value_or(1, Value::none()));
  std::string out;
  bool is_first = true;
  const auto all_items = interpreter.items_of(input);
  for (const Value& item : *all_items) {
    const std::string text = to_text(path.get(item), budget);
    budget.build(separator.size() + text.size());
    out += is_first ? "" : separator;
    out += text;
    is_first = false;
  }
  return Value::string(std::move(out));
}

Value items(Interpreter&, const Value& input, const Arguments& arguments) {
  expect_no_arguments("items", arguments);
  if (input.is_undefined()) {
    return generator({});
  }
  if (!input.is_dict()) {
    fault("items needs a mapping, not {}", input.type_name());
  }
  Items pairs;
  for (const auto& [key, value] : input.as_dict().entries()) {
    pairs.push_back(Value::tuple({key, value}));
  }
  return generator(std::move(pairs));
}

Value batch(Interpreter& interpreter, const Value& input, const Arguments& arguments) {
  const Parameters parameters("batch", arguments, {"linecount", "fill_with"}, 1);
  const int64_t size = parameters.integer(0);
  Items rows;
  Items row;
  const auto all_items = interpreter.items_of(input);
  for (const Value& item : *all_items) {
    interpreter.budget().build(2 * sizeof(Value));
    if (static_cast<int64_t>(row.size()) == size) {
      rows.push_back(Value::list(std::move(row)));
      row = {};
    }
    row.push_back(item);
  }
  if (!row.empty()) {
    const auto num_missing = std::max<int64_t>(size - static_cast<int64_t>(row.size()), 0);
    if (parameters.given(1) && num_missing > 0) {
      interpreter.budget().build(std::min<int64_t>(num_missing, int64_t{1} << 50) *
                                 static_cast<int64_t>(sizeof(Value)));
      row.insert(row.end(), static_cast<size_t>(num_missing), parameters.value(1));
    }
    rows.push_back(Value::list(std::move(row)));
  }
  return generator(std::move(rows));
}

Value slice(Interpreter& interpreter, const Value& input, const Arguments& arguments) {
  const Parameters parameters("slice", arguments, {"slices", "fill_with"}, 1);
  const int64_t num_slices = parameters.integer(0);
  const auto elements = interpreter.items_of(input);
  if (num_slices == 0) {
    fault("slice: division by zero");
  }
  const auto size = static_cast<int64_t>(elements->size());
  const int64_t per_slice = num_slices > 0 ? size / num_slices : 0;
  const int64_t num_longer = num_slices > 0 ? size % num_slices : 0;
  Items slices;
  int64_t at = 0;
  for (int64_t i = 0; i < num_slices; ++i) {
    interpreter.budget().build(2 * sizeof(Value));
    const int64_t count = per_slice + (i < num_longer ? 1 : 0);
    Items part(elements->begin() + at, elements->begin() + at + count);
    if (parameters.given(1) && i >= num_longer) {
      part.push_back(parameters.value(1));
    }
    slices.push_back(Value::list(std::move(part)));
    at += count;
  }
  return generator(std::move(slices));
}

Value sum(Interpreter& interpreter, const Value& input, const Arguments& arguments) {
  const Parameters parameters("sum", arguments, {"attribute", "start"});
  const AttributePath path(parameters.value_or(0, Value::none()));
  Value total = parameters.value_or(1, Value::integer(0));
  if (total.is_string()) {
    fault("sum adds no strings");
  }
  const auto all_items = interpreter.items_of(input);
  for (const Value& item : *all_items) {
    total = apply(interpreter, Operator::kAdd, total, path.get(item));
  }
  return total;
}

Value attr(Interpreter&, const Value& input, const Arguments& arguments) {
  const Parameters parameters("attr", arguments, {"name"}, 1);
  const std::string& name = parameters.string(0);
  // Only what a dot finds before it turns to the elements.
  if (input.is_dict() && input.as_dict().find(std::string_view(name)) != nullptr) {
    Value found = attribute_of(Value::dict({}), name);
    return found.is_undefined() ? found : attribute_of(input, name);
  }
  return attribute_of(input, name);
}

constexpr NamedFilter kFilters[] = {
    {"length", length}, {"count", length},    {"first", first}, {"last", last},
    {"list", list},     {"reverse", reverse}, {"join", join},   {"items", items},
    {"batch", batch},   {"slice", slice},     {"sum", sum},     {"attr", attr},
};

}  // namespace

std::span<const NamedFilter> sequence_filters() { return kFilters; }

}  // namespace talon::text
