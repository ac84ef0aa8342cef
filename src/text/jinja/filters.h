// The filters of template expressions: {{ value | name(arguments) }}.
//
// The names and behaviour of jinja2, with `tojson` as Hugging Face overrides it for chat templates.
// Not there: pprint, random, striptags, urlize, wordwrap.
#pragma once

#include <span>
#include <string_view>

#include "text/jinja/arguments.h"
#include "text/jinja/value.h"

namespace talon::text {

class Interpreter;

using Filter = Value (*)(Interpreter& interpreter, const Value& input, const Arguments& arguments);

struct NamedFilter {
  std::string_view name;
  Filter filter;
};

// Null if there is none of this name.
Filter find_filter(std::string_view name);

// The tables by subject; find_filter searches them all.
std::span<const NamedFilter> text_filters();
std::span<const NamedFilter> number_filters();
std::span<const NamedFilter> sequence_filters();
std::span<const NamedFilter> select_filters();
std::span<const NamedFilter> order_filters();

}  // namespace talon::text
