// What the tools of a request say about the types of their parameters, for the tool-call parser.
//
// A view of the tools as they are given to the chat template; it keeps the value. JSON Schema is
// read for types only (type, enum, const, anyOf, oneOf, allOf, properties, items): a schema that
// says nothing, or that is reached by $ref, leaves the type open. Immutable.
#pragma once

#include <string_view>

#include "text/jinja/value.h"

namespace talon::text {

struct JsonTypes {
  bool string = false;
  bool integer = false;
  bool number = false;
  bool boolean = false;
  bool object = false;
  bool array = false;
  bool null = false;

  bool any() const { return string || integer || number || boolean || object || array || null; }
  // Text and nothing else.
  bool only_string() const {
    return string && !(integer || number || boolean || object || array || null);
  }
};

// `schema` may be undefined: the types are then open.
JsonTypes types_of(const Value& schema);

// The schema of a member or of the elements; undefined if there is none.
Value member_schema(const Value& schema, std::string_view name);
Value element_schema(const Value& schema);

class ToolSchemas {
 public:
  // The list of a request, each with `function` or being one; none and malformed ones are left out.
  explicit ToolSchemas(Value tools) : tools_(std::move(tools)) {}

  // The schema of the parameters of a function; undefined if it is not declared.
  Value parameters_of(std::string_view function) const;

 private:
  Value tools_;
};

}  // namespace talon::text
