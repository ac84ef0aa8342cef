#include "text/jinja/attribute_path.h"

#include <algorithm>
#include <charconv>

#include "text/characters.h"
#include "text/jinja/attribute.h"
#include "text/jinja/fault.h"

namespace talon::text {
namespace {

Value part_of(std::string_view text) {
  int64_t index = 0;
  const bool digits = !text.empty() && std::all_of(text.begin(), text.end(),
                                                   [](char c) { return c >= '0' && c <= '9'; });
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), index);
  return digits && error == std::errc() ? Value::integer(index) : Value::string(std::string(text));
}

}  // namespace

AttributePath::AttributePath(const Value& name) {
  if (name.is_none()) {
    return;
  }
  if (!name.is_string()) {
    parts_.push_back(name);
    return;
  }
  std::string_view rest = name.bytes();
  while (true) {
    const size_t dot = rest.find('.');
    parts_.push_back(part_of(rest.substr(0, dot)));
    if (dot == std::string_view::npos) {
      return;
    }
    rest.remove_prefix(dot + 1);
  }
}

Value AttributePath::get(const Value& element, const Value& fallback) const {
  Value value = element;
  for (const Value& part : parts_) {
    value = item_of(value, part);
    if (value.is_undefined() && !fallback.is_none()) {
      value = fallback;
    }
  }
  return value;
}

Value folded(const Value& value, bool case_sensitive) {
  return value.is_string() && !case_sensitive ? Value::string(to_lower(value.bytes())) : value;
}

}  // namespace talon::text
