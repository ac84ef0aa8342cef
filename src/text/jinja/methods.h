// Methods of strings, lists, tuples, mappings and floats, with the names and behaviour of Python's.
#pragma once

#include <span>
#include <string_view>

#include "text/jinja/object.h"
#include "text/jinja/value.h"

namespace talon::text {

struct Method {
  std::string_view name = {};
  Builtin function = nullptr;  // null: no such method, or one that changes its value
  bool changes = false;
  bool takes_names = false;  // most methods of Python take arguments by position only
};

Method find_method(Value::Kind kind, std::string_view name);

// The tables of string methods by subject.
std::span<const Method> string_case_methods();
std::span<const Method> string_search_methods();
std::span<const Method> string_split_methods();
std::span<const Method> string_class_methods();

}  // namespace talon::text
