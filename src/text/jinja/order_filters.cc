// Filters that compare elements: sort, unique, min, max, groupby, dictsort.
#include <algorithm>
#include <set>
#include <string>

#include "text/jinja/attribute_path.h"
#include "text/jinja/fault.h"
#include "text/jinja/filters.h"
#include "text/jinja/interpreter.h"
#include "text/jinja/object.h"
#include "text/jinja/truth.h"

namespace talon::text {
namespace {

struct Keyed {
  Value key;
  Value item;
};

// Stable, also in reverse: equal elements keep their order.
void sort_by_key(Budget& budget, std::vector<Keyed>& items, bool reverse) {
  std::stable_sort(items.begin(), items.end(), [&](const Keyed& a, const Keyed& b) {
    return reverse ? compare(b.key, a.key, budget) < 0 : compare(a.key, b.key, budget) < 0;
  });
}

Items without_keys(std::vector<Keyed>& items) {
  Items out;
  out.reserve(items.size());
  for (Keyed& keyed : items) {
    out.push_back(std::move(keyed.item));
  }
  return out;
}

// One path, or several with commas between them.
std::vector<AttributePath> paths_of(const Value& name) {
  if (!name.is_string()) {
    return {AttributePath(name)};
  }
  std::vector<AttributePath> paths;
  std::string_view rest = name.bytes();
  while (true) {
    const size_t comma = rest.find(',');
    paths.emplace_back(Value::string(std::string(rest.substr(0, comma))));
    if (comma == std::string_view::npos) {
      return paths;
    }
    rest.remove_prefix(comma + 1);
  }
}

Value sort(Interpreter& interpreter, const Value& input, const Arguments& arguments) {
  const Parameters parameters("sort", arguments, {"reverse", "case_sensitive", "attribute"});
  const bool case_sensitive = parameters.flag_or(1, false);
  const std::vector<AttributePath> paths = paths_of(parameters.value_or(2, Value::none()));
  std::vector<Keyed> items;
  const auto all_items = interpreter.items_of(input);
  for (const Value& item : *all_items) {
    interpreter.budget().build(4 * sizeof(Value));
    Items key;
    for (const AttributePath& path : paths) {
      key.push_back(folded(path.get(item), case_sensitive));
    }
    items.push_back({Value::list(std::move(key)), item});
  }
  sort_by_key(interpreter.budget(), items, parameters.flag_or(0, false));
  return Value::list(without_keys(items));
}

Value dictsort(Interpreter& interpreter, const Value& input, const Arguments& arguments) {
  const Parameters parameters("dictsort", arguments, {"case_sensitive", "by", "reverse"});
  const bool case_sensitive = parameters.flag_or(0, false);
  const std::string by = parameters.string_or(1, "key");
  if (by != "key" && by != "value") {
    fault("dictsort sorts by key or value");
  }
  if (!input.is_dict()) {
    fault("dictsort needs a mapping, not {}", input.type_name());
  }
  std::vector<Keyed> items;
  for (const auto& [key, value] : input.as_dict().entries()) {
    interpreter.budget().build(4 * sizeof(Value));
    items.push_back(
        {folded(by == "key" ? key : value, case_sensitive), Value::tuple({key, value})});
  }
  sort_by_key(interpreter.budget(), items, parameters.flag_or(2, false));
  return Value::list(without_keys(items));
}

Value unique(Interpreter& interpreter, const Value& input, const Arguments& arguments) {
  const Parameters parameters("unique", arguments, {"case_sensitive", "attribute"});
  const bool case_sensitive = parameters.flag_or(0, false);
  const AttributePath path(parameters.value_or(1, Value::none()));
  std::set<std::string> seen;
  Items out;
  const auto all_items = interpreter.items_of(input);
  for (const Value& item : *all_items) {
    interpreter.budget().step();
    if (seen.insert(key_name(folded(path.get(item), case_sensitive))).second) {
      out.push_back(item);
    }
  }
  return Value::object(std::make_shared<Generator>(std::move(out)));
}

// `sign` is the order that a better element has to the best one.
Value best(Interpreter& interpreter, const Value& input, const Arguments& arguments, int sign) {
  const Parameters parameters("min", arguments, {"case_sensitive", "attribute"});
  const bool case_sensitive = parameters.flag_or(0, false);
  const AttributePath path(parameters.value_or(1, Value::none()));
  const auto items = interpreter.items_of(input);
  if (items->empty()) {
    return Value::undefined("the least or greatest element of nothing");
  }
  Value best = items->front();
  Value best_key = folded(path.get(best), case_sensitive);
  for (size_t i = 1; i < items->size(); ++i) {
    Value key = folded(path.get((*items)[i]), case_sensitive);
    if (compare(key, best_key, interpreter.budget()) == sign) {
      best = (*items)[i];
      best_key = std::move(key);
    }
  }
  return best;
}

Value min(Interpreter& interpreter, const Value& input, const Arguments& arguments) {
  return best(interpreter, input, arguments, -1);
}

Value max(Interpreter& interpreter, const Value& input, const Arguments& arguments) {
  return best(interpreter, input, arguments, 1);
}

Value groupby(Interpreter& interpreter, const Value& input, const Arguments& arguments) {
  const Parameters parameters("groupby", arguments, {"attribute", "default", "case_sensitive"}, 1);
  const AttributePath path(parameters.value(0));
  const Value fallback = parameters.value_or(1, Value::none());
  const bool case_sensitive = parameters.flag_or(2, false);
  Budget& budget = interpreter.budget();
  std::vector<Keyed> items;
  const auto all_items = interpreter.items_of(input);
  for (const Value& item : *all_items) {
    budget.build(4 * sizeof(Value));
    items.push_back({folded(path.get(item, fallback), case_sensitive), item});
  }
  sort_by_key(budget, items, false);
  Items groups;
  size_t begin = 0;
  while (begin < items.size()) {
    Items members;
    size_t end = begin;
    while (end < items.size() && is_equal(items[begin].key, items[end].key, budget)) {
      members.push_back(items[end++].item);
    }
    if (end == begin) {  // a key that is not equal to itself
      members.push_back(items[end++].item);
    }
    Value grouper = case_sensitive ? items[begin].key : path.get(items[begin].item, fallback);
    groups.push_back(Value::group(std::move(grouper), Value::list(std::move(members))));
    begin = end;
  }
  return Value::list(std::move(groups));
}

constexpr NamedFilter kFilters[] = {
    {"sort", sort}, {"dictsort", dictsort}, {"unique", unique},
    {"min", min},   {"max", max},           {"groupby", groupby},
};

}  // namespace

std::span<const NamedFilter> order_filters() { return kFilters; }

}  // namespace talon::text
