#include "text/tool_schema.h"

namespace talon::text {
namespace {

constexpr int kMaxAlternatives = 16;  // nested anyOf and the like

Value field(const Value& mapping, std::string_view name) {
  const Value* found = mapping.is_dict() ? mapping.as_dict().find(name) : nullptr;
  return found == nullptr ? Value() : *found;
}

void add_name(const Value& name, JsonTypes& types) {
  if (!name.is_string()) {
    return;
  }
  const std::string& text = name.bytes();
  types.string = types.string || text == "string";
  types.integer = types.integer || text == "integer";
  types.number = types.number || text == "number";
  types.boolean = types.boolean || text == "boolean";
  types.object = types.object || text == "object";
  types.array = types.array || text == "array";
  types.null = types.null || text == "null";
}

void add_value(const Value& value, JsonTypes& types) {
  types.string = types.string || value.is_string();
  types.boolean = types.boolean || value.is_bool();
  types.integer = types.integer || (value.is_int() && !value.is_bool());
  types.number = types.number || value.is_float();
  types.object = types.object || value.is_dict();
  types.array = types.array || value.is_sequence();
  types.null = types.null || value.is_none();
}

void add_types(const Value& schema, int depth, JsonTypes& types) {
  if (!schema.is_dict() || depth > kMaxAlternatives) {
    return;
  }
  const Value type = field(schema, "type");
  add_name(type, types);
  if (type.is_sequence()) {
    for (const Value& name : type.items()) {
      add_name(name, types);
    }
  }
  const Value nullable = field(schema, "nullable");
  types.null = types.null || (nullable.is_bool() && nullable.as_bool());
  if (!type.is_undefined()) {
    return;
  }
  const Value values = field(schema, "enum");
  if (values.is_sequence()) {
    for (const Value& value : values.items()) {
      add_value(value, types);
    }
  }
  const Value constant = field(schema, "const");
  if (!constant.is_undefined()) {
    add_value(constant, types);
  }
  types.object = types.object || field(schema, "properties").is_dict();
  types.array = types.array || field(schema, "items").is_dict();
  for (const char* key : {"anyOf", "oneOf", "allOf"}) {
    const Value alternatives = field(schema, key);
    if (alternatives.is_sequence()) {
      for (const Value& alternative : alternatives.items()) {
        add_types(alternative, depth + 1, types);
      }
    }
  }
}

// The first schema among the alternatives that has the field.
Value find_field(const Value& schema, std::string_view name, int depth) {
  Value found = field(schema, name);
  if (!found.is_undefined() || depth > kMaxAlternatives) {
    return found;
  }
  for (const char* key : {"anyOf", "oneOf", "allOf"}) {
    const Value alternatives = field(schema, key);
    if (!alternatives.is_sequence()) {
      continue;
    }
    for (const Value& alternative : alternatives.items()) {
      found = find_field(alternative, name, depth + 1);
      if (!found.is_undefined()) {
        return found;
      }
    }
  }
  return {};
}

}  // namespace

JsonTypes types_of(const Value& schema) {
  JsonTypes types;
  add_types(schema, 0, types);
  return types;
}

Value member_schema(const Value& schema, std::string_view name) {
  const Value member = field(find_field(schema, "properties", 0), name);
  return member.is_undefined() ? find_field(schema, "additionalProperties", 0) : member;
}

Value element_schema(const Value& schema) { return find_field(schema, "items", 0); }

Value ToolSchemas::parameters_of(std::string_view function) const {
  if (!tools_.is_sequence()) {
    return {};
  }
  for (const Value& tool : tools_.items()) {
    const Value inner = field(tool, "function");
    const Value& declared = inner.is_dict() ? inner : tool;
    const Value name = field(declared, "name");
    if (name.is_string() && name.bytes() == function) {
      return field(declared, "parameters");
    }
  }
  return {};
}

}  // namespace talon::text
