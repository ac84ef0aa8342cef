// The value of a tool call's argument: elements of M3's wire form made to JSON by the types that
// the tool's schema gives. Pure functions.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "text/jinja/value.h"

namespace talon::text {

// <name>text and children</name>
struct ArgumentElement {
  std::string name = {};
  std::string text = {};  // all that is not in a child
  std::vector<ArgumentElement> children = {};
};

inline constexpr int kMaxElementDepth = 32;  // of children in children

// JSON text. An element without children is read by the types of its schema: a number, a truth
// value, null, a list or an object in JSON, and text as it is. Where the type is open or the text
// does not fit it, it is JSON if it parses as such, else text. Children make a list if the schema
// has one there, or if it says nothing and all are named `item`; else an object, in which repeated
// names make a list and text beside them the member `$text`.
std::string argument_json(const ArgumentElement& element, const Value& schema);

// The escapes of a JSON string, without quotes. Works on any cut of UTF-8.
std::string json_escaped(std::string_view text);

}  // namespace talon::text
