// The filter `tojson` as Hugging Face has it for chat templates: Python's json.dumps, characters
// kept as they are and nothing escaped for HTML.
#pragma once

#include <optional>
#include <string>

#include "text/jinja/budget.h"
#include "text/jinja/value.h"

namespace talon::text {

struct JsonStyle {
  bool ascii_only = false;
  bool sort_keys = false;
  std::optional<std::string> indent = std::nullopt;  // of one level; nothing: one line
  std::string item_separator = ", ";
  std::string key_separator = ": ";
};

// A fault for values that JSON has no form for, undefined ones among them.
std::string json_text(Budget& budget, const JsonStyle& style, const Value& value);

}  // namespace talon::text
