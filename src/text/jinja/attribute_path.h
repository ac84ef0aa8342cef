// How filters name a part of an element: "address.city", an index, or a path of both.
#pragma once

#include <vector>

#include "text/jinja/budget.h"
#include "text/jinja/value.h"

namespace talon::text {

class AttributePath {
 public:
  // The element itself.
  AttributePath() = default;
  // `name` is a string with dots, an integer, or none for the element itself.
  explicit AttributePath(const Value& name);

  // Where a part is undefined, `fallback` takes its place unless it is none.
  Value get(const Value& element, const Value& fallback = Value::none()) const;

 private:
  Items parts_;
};

// Strings in lower case, everything else as it is: what sorting compares.
Value folded(const Value& value, bool case_sensitive);

}  // namespace talon::text
