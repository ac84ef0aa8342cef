#include "text/tool_argument.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <optional>

#include "base/json.h"
#include "text/characters.h"
#include "text/tool_schema.h"

namespace talon::text {
namespace {

std::string json_string(std::string_view text) { return '"' + json_escaped(text) + '"'; }

size_t digits_end(std::string_view text, size_t at) {
  while (at < text.size() && text[at] >= '0' && text[at] <= '9') {
    ++at;
  }
  return at;
}

// Whether the text has the form of a number in JSON.
bool has_number_form(std::string_view text) {
  size_t at = text.starts_with('-') ? 1 : 0;
  const size_t whole = digits_end(text, at);
  if (whole == at || (text[at] == '0' && whole > at + 1)) {
    return false;
  }
  at = whole;
  if (at < text.size() && text[at] == '.') {
    const size_t end = digits_end(text, at + 1);
    if (end == at + 1) {
      return false;
    }
    at = end;
  }
  if (at < text.size() && (text[at] == 'e' || text[at] == 'E')) {
    ++at;
    at += at < text.size() && (text[at] == '+' || text[at] == '-') ? 1 : 0;
    const size_t end = digits_end(text, at);
    if (end == at) {
      return false;
    }
    at = end;
  }
  return at == text.size();
}

// A number of JSON that int64 or double holds. A client sends the arguments back with the next
// request, where other numbers are refused.
bool is_json_number(std::string_view text) {
  return has_number_form(text) && parse_json(text).ok();
}

// 3.0 and 3e2 are integers too; without a fraction the digits stay as they are.
std::optional<std::string> integer_json(std::string_view text) {
  if (!is_json_number(text)) {
    return std::nullopt;
  }
  if (text.find_first_of(".eE") == std::string_view::npos) {
    return std::string(text);
  }
  double value = 0.0;
  std::from_chars(text.data(), text.data() + text.size(), value);
  constexpr double kExact = 9007199254740992.0;  // 2^53
  const auto whole = static_cast<int64_t>(std::clamp(value, -kExact, kExact));
  if (static_cast<double>(whole) != value) {
    return std::nullopt;
  }
  return std::to_string(whole);
}

std::optional<std::string> boolean_json(std::string_view text) {
  const std::string lower = to_lower(text);
  return lower == "true" || lower == "false" ? std::optional(lower) : std::nullopt;
}

struct Wanted {
  bool list = true;
  bool object = true;
  bool other = true;
};

// The text as JSON in one line, if it is JSON of a wanted kind.
std::optional<std::string> parsed_json(std::string_view text, const Wanted& wanted) {
  if (is_json_number(text)) {
    return wanted.other ? std::optional(std::string(text)) : std::nullopt;
  }
  const Result<Json> parsed = parse_json(text);
  if (!parsed.ok()) {
    return std::nullopt;
  }
  const Json& json = parsed.value();
  const bool fits =
      json.is_array() ? wanted.list : (json.is_object() ? wanted.object : wanted.other);
  return fits ? std::optional(json.dump(-1, ' ', false, Json::error_handler_t::replace))
              : std::nullopt;
}

std::string leaf_json(const std::string& text, const Value& schema) {
  const JsonTypes types = types_of(schema);
  const std::string_view trimmed = strip(text);
  if (types.null && trimmed == "null") {
    return "null";
  }
  if (types.integer || types.number) {
    if (types.number && is_json_number(trimmed)) {
      return std::string(trimmed);
    }
    if (const auto json = integer_json(trimmed)) {
      return *json;
    }
  }
  if (types.boolean) {
    if (const auto json = boolean_json(trimmed)) {
      return *json;
    }
  }
  if (types.array || types.object) {
    if (trimmed.empty() && !types.string) {
      return types.array ? "[]" : "{}";
    }
    const Wanted wanted = {.list = types.array, .object = types.object, .other = false};
    if (const auto json = parsed_json(trimmed, wanted)) {
      return *json;
    }
  }
  if (types.string) {
    return json_string(text);
  }
  return parsed_json(trimmed, {}).value_or(json_string(text));
}

std::string list_json(const std::vector<const ArgumentElement*>& elements, const Value& schema) {
  std::string out = "[";
  for (const ArgumentElement* element : elements) {
    out += out.size() > 1 ? ", " : "";
    out += argument_json(*element, schema);
  }
  return out + "]";
}

std::string object_json(const ArgumentElement& element, const Value& schema) {
  // Names in the order of their first child.
  std::vector<std::pair<std::string_view, std::vector<const ArgumentElement*>>> members;
  for (const ArgumentElement& child : element.children) {
    const auto found = std::find_if(members.begin(), members.end(),
                                    [&](const auto& member) { return member.first == child.name; });
    if (found == members.end()) {
      members.emplace_back(child.name, std::vector{&child});
    } else {
      found->second.push_back(&child);
    }
  }
  std::string out = "{";
  for (const auto& [name, children] : members) {
    const Value member = member_schema(schema, name);
    out += out.size() > 1 ? ", " : "";
    out += json_string(name) + ": ";
    out += children.size() == 1
               ? argument_json(*children.front(), member)
               : list_json(children, types_of(member).array ? element_schema(member) : member);
  }
  if (!strip(element.text).empty()) {
    std::string key = "$text";
    while (std::any_of(members.begin(), members.end(),
                       [&](const auto& member) { return member.first == key; })) {
      key.insert(0, 1, '$');
    }
    out += ", " + json_string(key) + ": " + json_string(element.text);
  }
  return out + "}";
}

}  // namespace

std::string json_escaped(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (const char c : text) {
    switch (c) {
      case '"':
        out += "\\\"";
        break;
      case '\\':
        out += "\\\\";
        break;
      case '\n':
        out += "\\n";
        break;
      case '\r':
        out += "\\r";
        break;
      case '\t':
        out += "\\t";
        break;
      default:
        if (static_cast<unsigned char>(c) < 0x20) {
          out += fmt::format("\\u{:04x}", static_cast<unsigned char>(c));
        } else {
          out += c;
        }
    }
  }
  return out;
}

std::string argument_json(const ArgumentElement& element, const Value& schema) {
  if (element.children.empty()) {
    return leaf_json(element.text, schema);
  }
  const JsonTypes types = types_of(schema);
  const bool all_items =
      std::all_of(element.children.begin(), element.children.end(),
                  [](const ArgumentElement& child) { return child.name == "item"; });
  const bool is_list = types.array ? !types.object || all_items : !types.object && all_items;
  if (!is_list) {
    return object_json(element, schema);
  }
  std::vector<const ArgumentElement*> children;
  children.reserve(element.children.size());
  for (const ArgumentElement& child : element.children) {
    children.push_back(&child);
  }
  return list_json(children, element_schema(schema));
}

}  // namespace talon::text
