#include "server/api/thinking.h"

#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "base/json.h"
#include "text/jinja/json_value.h"

namespace talon::server {
namespace {

using text::Value;

bool is_mode(std::string_view mode) {
  return mode == "enabled" || mode == "adaptive" || mode == "disabled";
}

std::optional<std::string> mode_of_effort(std::string_view effort) {
  if (effort == "none") {
    return "disabled";
  }
  if (effort == "minimal" || effort == "low") {
    return "adaptive";
  }
  if (effort == "medium" || effort == "high" || effort == "xhigh") {
    return "enabled";
  }
  return std::nullopt;
}

// Finds out what the request says of thinking; later calls do not change an earlier answer. All
// forms are checked, also those that lose.
class ModeReader {
 public:
  explicit ModeReader(Fields& fields) : fields_(fields) {}

  std::optional<std::string> read(const Json* kwargs) {
    if (kwargs != nullptr) {
      read_mode(*kwargs, "chat_template_kwargs", "thinking_mode", /*is_closed=*/false);
    }
    if (const Json* thinking = fields_.find_object("thinking")) {
      read_mode(*thinking, "thinking", "type", /*is_closed=*/true);
    }
    if (kwargs != nullptr) {
      read_flag(*kwargs);
    }
    read_effort();
    return std::move(mode_);
  }

 private:
  void set(std::string mode) {
    if (!mode_.has_value()) {
      mode_ = std::move(mode);
    }
  }

  // The template may know more members than the switch.
  void read_mode(const Json& object, const char* path, const char* name, bool is_closed) {
    Fields inner = fields_.inner(object, path);
    std::string mode;
    inner.read(name, mode);
    if (inner.find(name) != nullptr && !is_mode(mode)) {
      inner.fail("invalid_value", name,
                 inner.path_of(name) + " is none of enabled, adaptive, disabled");
    } else if (inner.find(name) != nullptr) {
      set(std::move(mode));
    }
    if (is_closed) {
      inner.close();
    }
  }

  void read_flag(const Json& kwargs) {
    Fields inner = fields_.inner(kwargs, "chat_template_kwargs");
    bool enabled = false;
    inner.read("enable_thinking", enabled);
    if (inner.find("enable_thinking") != nullptr) {
      set(enabled ? "enabled" : "disabled");
    }
  }

  void read_effort() {
    std::string effort;
    fields_.read("reasoning_effort", effort);
    if (fields_.find("reasoning_effort") == nullptr) {
      return;
    }
    if (std::optional<std::string> mode = mode_of_effort(effort)) {
      set(*std::move(mode));
    } else {
      fields_.fail("invalid_value", "reasoning_effort",
                   "reasoning_effort is none of none, minimal, low, medium, high, xhigh");
    }
  }

  Fields& fields_;
  std::optional<std::string> mode_;
};

}  // namespace

text::Dict read_template_variables(Fields& fields, const ApiContext& context) {
  text::Dict variables = context.template_variables;
  const Json* kwargs = fields.find_object("chat_template_kwargs");
  std::optional<std::string> mode = ModeReader(fields).read(kwargs);
  // A server may have been told of the switch by its other name.
  const Value* flag = variables.find("enable_thinking");
  if (!mode.has_value() && variables.find("thinking_mode") == nullptr && flag != nullptr &&
      flag->is_bool()) {
    mode = flag->as_bool() ? "enabled" : "disabled";
  }
  if (kwargs != nullptr && !fields.failed()) {
    for (const auto& [name, value] : kwargs->items()) {
      variables.set(name, text::value_of_json(value));
    }
  }
  if (mode.has_value()) {
    variables.set("thinking_mode", Value::string(*std::move(mode)));
  }
  return variables;
}

}  // namespace talon::server
