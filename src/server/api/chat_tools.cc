#include "server/api/chat_tools.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/printable.h"
#include "server/api/grammar_fields.h"
#include "server/api/json_text.h"

namespace talon::server {
namespace {

using Choice = ChatTools::Choice;

constexpr size_t kMaxTools = 128;
constexpr size_t kMaxNameBytes = 64;

bool is_tool_name(std::string_view name) {
  const auto is_allowed = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
           c == '-' || c == '.';
  };
  return !name.empty() && name.size() <= kMaxNameBytes &&
         std::all_of(name.begin(), name.end(), is_allowed);
}

bool is_declared(const std::vector<text::ToolRule>& rules, const std::string& name) {
  return std::any_of(rules.begin(), rules.end(),
                     [&name](const text::ToolRule& rule) { return rule.name == name; });
}

text::ToolRule read_function(Fields& fields) {
  text::ToolRule rule;
  fields.read("name", rule.name);
  if (fields.find("name") == nullptr) {
    fields.fail("missing_field", "name", fields.path_of("name") + " is needed");
  } else if (!is_tool_name(rule.name)) {
    fields.fail("invalid_value", "name",
                fmt::format("{} must be 1..{} letters, digits, '_', '-', '.'",
                            fields.path_of("name"), kMaxNameBytes));
  }
  std::string description;
  fields.read("description", description);
  fields.read("strict", rule.is_strict);
  const Json* parameters = fields.find_object("parameters");
  rule.parameters = parameters == nullptr ? R"({"type":"object"})" : json_line(*parameters);
  return rule;
}

void read_tool(Fields& fields, const Json& tool, const std::string& path, ChatTools& tools) {
  if (!tool.is_object()) {
    fields.fail_at("invalid_type", path, path + " must be an object");
    return;
  }
  Fields outer = fields.inner(tool, path);
  std::string type;
  outer.read("type", type);
  if (type != "function") {
    outer.fail("invalid_value", "type", path + ".type must be \"function\"");
  }
  const Json* function = outer.find_object("function");
  if (function == nullptr) {
    outer.fail("missing_field", "function", path + ".function is needed");
  } else {
    Fields inner = outer.inner(*function, path + ".function");
    text::ToolRule rule = read_function(inner);
    if (is_declared(tools.rules, rule.name)) {
      inner.fail("invalid_value", "name",
                 fmt::format("the tool {} stands twice", printable(rule.name)));
    }
    tools.rules.push_back(std::move(rule));
    inner.close();
  }
  outer.close();
}

void read_list(Fields& fields, const ApiContext& context, ChatTools& tools) {
  const Json* list = fields.find_array("tools");
  if (list == nullptr || list->empty()) {
    return;
  }
  if (!context.tool_tokens.has_value()) {
    fields.fail("unsupported_parameter", "tools", "the model has no tokens for tool calls");
    return;
  }
  if (list->size() > kMaxTools) {
    fields.fail("invalid_value", "tools", fmt::format("more than {} tools", kMaxTools));
    return;
  }
  tools.rules.reserve(list->size());
  for (size_t i = 0; i < list->size(); ++i) {
    read_tool(fields, (*list)[i], fmt::format("tools[{}]", i), tools);
  }
  tools.list = *list;
  tools.choice = Choice::kAuto;
}

void read_named_choice(Fields& fields, const Json& choice, ChatTools& tools) {
  Fields outer = fields.inner(choice, "tool_choice");
  std::string type;
  outer.read("type", type);
  const Json* function = outer.find_object("function");
  if (type != "function") {
    outer.fail("invalid_value", "type", "tool_choice.type must be \"function\"");
  } else if (function == nullptr) {
    outer.fail("missing_field", "function", "tool_choice.function is needed");
  } else {
    Fields inner = outer.inner(*function, "tool_choice.function");
    inner.read("name", tools.name);
    if (!is_declared(tools.rules, tools.name)) {
      inner.fail("invalid_value", "name",
                 fmt::format("no tool is called \"{}\"", printable(tools.name)));
    }
    inner.close();
  }
  outer.close();
  tools.choice = Choice::kNamed;
}

void read_choice(Fields& fields, ChatTools& tools) {
  const Json* choice = fields.find("tool_choice");
  if (choice == nullptr) {
    return;
  }
  if (choice->is_object()) {
    read_named_choice(fields, *choice, tools);
  } else if (!choice->is_string()) {
    fields.fail_type("tool_choice", "a string or an object");
  } else if (*choice == "none") {
    tools.choice = Choice::kNone;
  } else if (*choice == "required") {
    tools.choice = Choice::kRequired;
    if (tools.rules.empty()) {
      fields.fail("invalid_value", "tool_choice", "tool_choice \"required\" needs tools");
    }
  } else if (*choice != "auto") {
    fields.fail("invalid_value", "tool_choice",
                "tool_choice is none of none, auto, required, or an object naming a function");
  }
}

}  // namespace

std::optional<text::GrammarSource> ChatTools::grammar() const {
  const bool must_call = choice == Choice::kRequired || choice == Choice::kNamed;
  const bool has_strict = std::any_of(rules.begin(), rules.end(),
                                      [](const text::ToolRule& rule) { return rule.is_strict; });
  if (!must_call && !(choice == Choice::kAuto && has_strict)) {
    return std::nullopt;
  }
  std::vector<text::ToolRule> allowed = rules;
  if (choice == Choice::kNamed) {
    std::erase_if(allowed, [this](const text::ToolRule& rule) { return rule.name != name; });
  }
  return text::tool_call_grammar(allowed, {.must_call = must_call, .may_repeat = may_repeat});
}

ChatTools read_tools(Fields& fields, const ApiContext& context) {
  ChatTools tools;
  fields.refuse("functions", "declare functions in tools");
  fields.refuse("function_call", "choose with tool_choice");
  read_list(fields, context, tools);
  read_choice(fields, tools);
  fields.read("parallel_tool_calls", tools.may_repeat);
  if (!fields.failed() && tools.grammar().has_value()) {
    const bool is_strict = tools.choice == Choice::kAuto;
    (void)lacks_grammars(fields, context, is_strict ? "tools" : "tool_choice");
  }
  return tools;
}

}  // namespace talon::server
