// Access to parts of values: x.name, x[key], x[a:b:c]. The order of look-up is jinja2's: a dot
// looks for a method first, brackets for an element first. Nothing found is an undefined value, but
// a slice of what has none is a fault.
//
// Methods that change a list or mapping, and names with two leading underscores, are undefined, as
// in jinja2's immutable sandbox: using them is a fault.
#pragma once

#include <string_view>

#include "text/jinja/value.h"

namespace talon::text {

class Interpreter;

Value attribute_of(const Value& object, std::string_view name);
Value item_of(const Value& object, const Value& key);

struct SliceBounds {
  Value start;  // none: from the start
  Value stop;
  Value step;
};
Value slice_of(Interpreter& interpreter, const Value& object, const SliceBounds& bounds);

}  // namespace talon::text
