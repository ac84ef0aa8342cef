#include "text/jinja/methods.h"

#include <algorithm>
#include <cmath>

#include "text/jinja/fault.h"
#include "text/jinja/interpreter.h"
#include "text/jinja/truth.h"

namespace talon::text {
namespace {

Value dict_get(Interpreter&, const Value& self, const Arguments& arguments) {
  const Parameters parameters("get", arguments, {"key", "default"}, 1);
  const Value* found = self.as_dict().find(parameters.value(0));
  return found != nullptr ? *found : parameters.value_or(1, Value::none());
}

template <DictView::Part kPart>
Value dict_view(Interpreter&, const Value& self, const Arguments& arguments) {
  expect_no_arguments("a view of a mapping", arguments);
  return Value::object(std::make_shared<DictView>(self, kPart));
}

Value copy_of(Interpreter&, const Value& self, const Arguments& arguments) {
  expect_no_arguments("copy", arguments);
  return self;  // values do not change
}

Value count_items(Interpreter& interpreter, const Value& self, const Arguments& arguments) {
  const Parameters parameters("count", arguments, {"value"}, 1);
  const Items& items = self.items();
  return Value::integer(std::count_if(items.begin(), items.end(), [&](const Value& item) {
    return is_equal(item, parameters.value(0), interpreter.budget());
  }));
}

Value index_of_item(Interpreter& interpreter, const Value& self, const Arguments& arguments) {
  const Parameters parameters("index", arguments, {"value", "start", "stop"}, 1);
  const Items& items = self.items();
  const auto size = static_cast<int64_t>(items.size());
  const auto settle = [&](int64_t bound) {
    return std::clamp<int64_t>(bound < 0 ? bound + size : bound, 0, size);
  };
  const int64_t stop = settle(parameters.integer_or(2, size));
  for (int64_t i = settle(parameters.integer_or(1, 0)); i < stop; ++i) {
    if (is_equal(items[static_cast<size_t>(i)], parameters.value(0), interpreter.budget())) {
      return Value::integer(i);
    }
  }
  fault("index: the value is not in the list");
}

Value is_whole(Interpreter&, const Value& self, const Arguments& arguments) {
  expect_no_arguments("is_integer", arguments);
  return Value::boolean(self.as_double() == std::floor(self.as_double()));
}

constexpr Method kDictMethods[] = {
    {"get", dict_get},
    {"items", dict_view<DictView::Part::kItems>},
    {"keys", dict_view<DictView::Part::kKeys>},
    {"values", dict_view<DictView::Part::kValues>},
    {"copy", copy_of},
    {"clear", nullptr, true},
    {"pop", nullptr, true},
    {"popitem", nullptr, true},
    {"setdefault", nullptr, true},
    {"update", nullptr, true},
};

constexpr Method kListMethods[] = {
    {"count", count_items},     {"index", index_of_item},  {"copy", copy_of},
    {"append", nullptr, true},  {"clear", nullptr, true},  {"pop", nullptr, true},
    {"reverse", nullptr, true}, {"insert", nullptr, true}, {"sort", nullptr, true},
    {"extend", nullptr, true},  {"remove", nullptr, true},
};

constexpr Method kTupleMethods[] = {{"count", count_items}, {"index", index_of_item}};
constexpr Method kFloatMethods[] = {{"is_integer", is_whole}};

template <class Table>
Method find_in(const Table& table, std::string_view name) {
  for (const Method& method : table) {
    if (method.name == name) {
      return method;
    }
  }
  return {};
}

}  // namespace

Method find_method(Value::Kind kind, std::string_view name) {
  switch (kind) {
    case Value::Kind::kDict:
      return find_in(kDictMethods, name);
    case Value::Kind::kList:
      return find_in(kListMethods, name);
    case Value::Kind::kTuple:
      return find_in(kTupleMethods, name);
    case Value::Kind::kFloat:
      return find_in(kFloatMethods, name);
    case Value::Kind::kString:
      for (const auto table : {string_case_methods(), string_search_methods(),
                               string_split_methods(), string_class_methods()}) {
        const Method method = find_in(table, name);
        if (method.function != nullptr) {
          return method;
        }
      }
      return {};
    default:
      return {};
  }
}

}  // namespace talon::text
