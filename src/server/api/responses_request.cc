#include "server/api/responses_request.h"

#include <fmt/format.h>

#include <optional>
#include <string>
#include <utility>

#include "base/json.h"
#include "base/printable.h"
#include "server/api/fields.h"
#include "server/api/json_text.h"

namespace talon::server {
namespace {

// Builds the chat request. What is copied unread is checked there.
class Translator {
 public:
  Translator(const Json& body, std::optional<ApiError>& fault, bool is_strict)
      : fields_(body, "", fault, is_strict) {}

  Json translate() {
    refuse_state();
    copy("max_output_tokens", "max_completion_tokens");
    for (const char* name : {"model", "stream", "temperature", "top_p", "parallel_tool_calls"}) {
      copy(name, name);
    }
    if (const Json* reasoning = fields_.find_object("reasoning")) {
      Fields inner = fields_.inner(*reasoning, "reasoning");
      if (const Json* effort = inner.find("effort")) {
        out_["reasoning_effort"] = *effort;
      }
      inner.ignore({"summary", "generate_summary"});
      inner.close();
    }
    out_["messages"] = Json::array();
    if (const Json* instructions = fields_.find("instructions")) {
      out_["messages"].push_back({{"role", "system"}, {"content", *instructions}});
    }
    add_input();
    add_tools();
    add_choice();
    add_format();
    fields_.ignore({"metadata", "user", "service_tier", "safety_identifier", "prompt_cache_key",
                    "include", "truncation"});
    fields_.close();
    return std::move(out_);
  }

 private:
  void copy(const char* name, const char* as) {
    if (const Json* value = fields_.find(name)) {
      out_[as] = *value;
    }
  }

  void refuse_state() {
    for (const char* name : {"store", "background"}) {
      bool wanted = false;
      fields_.read(name, wanted);
      if (wanted) {
        fields_.fail("unsupported_parameter", name, "responses are not stored");
      }
    }
    for (const char* name : {"previous_response_id", "conversation", "prompt"}) {
      fields_.refuse(name, "nothing is stored, so send the whole conversation in input");
    }
  }

  void add_input() {
    const Json* input = fields_.find("input");
    if (input == nullptr) {
      fields_.fail("missing_field", "input", "input is needed");
    } else if (input->is_string()) {
      out_["messages"].push_back({{"role", "user"}, {"content", *input}});
    } else if (!input->is_array()) {
      fields_.fail_type("input", "a string or a list of items");
    } else {
      for (size_t i = 0; i < input->size() && !fields_.failed(); ++i) {
        add_item((*input)[i], fmt::format("input[{}]", i));
      }
    }
  }

  void add_item(const Json& item, const std::string& path) {
    if (!item.is_object()) {
      fields_.fail_at("invalid_type", path, path + " must be an object");
      return;
    }
    Fields fields = fields_.inner(item, path);
    std::string type = "message";
    fields.read("type", type);
    if (type == "message") {
      add_message(fields);
    } else if (type == "function_call") {
      add_call(fields);
    } else if (type == "function_call_output") {
      const Json* output = fields.find("output");
      const Json* id = fields.find("call_id");
      out_["messages"].push_back({{"role", "tool"},
                                  {"tool_call_id", id == nullptr ? Json(nullptr) : *id},
                                  {"content", output == nullptr ? Json("") : *output}});
    } else if (type != "reasoning") {
      // Reasoning items are summaries for readers; the model is not given them again.
      fields.fail("unsupported_parameter", "type",
                  fmt::format("items of type \"{}\" are not supported", printable(type)));
    }
    fields.ignore({"id", "status"});
    if (type != "reasoning") {
      fields.close();
    }
  }

  void add_message(Fields& fields) {
    std::string role;
    fields.read("role", role);
    const Json* content = fields.find("content");
    if (content == nullptr) {
      fields.fail("missing_field", "content", fields.path_of("content") + " is needed");
      return;
    }
    Json text = *content;
    for (Json& part : text) {
      const bool is_text = part.is_object() && (part.value("type", Json()) == "input_text" ||
                                                part.value("type", Json()) == "output_text");
      if (is_text) {
        part = {{"type", "text"}, {"text", part.value("text", Json())}};
      }
    }
    out_["messages"].push_back({{"role", role}, {"content", std::move(text)}});
  }

  // Calls that follow each other belong to one turn, and to the text before them.
  void add_call(Fields& fields) {
    std::string id;
    std::string name;
    std::string arguments = "{}";
    fields.read("call_id", id);
    fields.read("name", name);
    fields.read("arguments", arguments);
    Json& messages = out_["messages"];
    if (messages.empty() || messages.back().at("role") != "assistant") {
      messages.push_back({{"role", "assistant"}, {"content", ""}});
    }
    messages.back()["tool_calls"].push_back(
        {{"id", id},
         {"type", "function"},
         {"function", {{"name", name}, {"arguments", arguments}}}});
  }

  void add_tools() {
    const Json* tools = fields_.find_array("tools");
    if (tools == nullptr) {
      return;
    }
    Json list = Json::array();
    for (size_t i = 0; i < tools->size() && !fields_.failed(); ++i) {
      const std::string path = fmt::format("tools[{}]", i);
      if (!(*tools)[i].is_object() || (*tools)[i].value("type", Json()) != "function") {
        fields_.fail_at("unsupported_parameter", path, "only tools of type \"function\" are known");
        return;
      }
      Json function = (*tools)[i];
      function.erase("type");
      list.push_back({{"type", "function"}, {"function", std::move(function)}});
    }
    out_["tools"] = std::move(list);
  }

  void add_choice() {
    const Json* choice = fields_.find("tool_choice");
    if (choice == nullptr) {
      return;
    }
    if (!choice->is_object()) {
      out_["tool_choice"] = *choice;
      return;
    }
    out_["tool_choice"] = {{"type", choice->value("type", Json(nullptr))},
                           {"function", {{"name", choice->value("name", Json(nullptr))}}}};
  }

  void add_format() {
    const Json* text = fields_.find_object("text");
    if (text == nullptr) {
      return;
    }
    Fields inner = fields_.inner(*text, "text");
    const Json* format = inner.find_object("format");
    inner.ignore({"verbosity"});
    inner.close();
    if (format == nullptr) {
      return;
    }
    if (format->value("type", Json()) != "json_schema") {
      out_["response_format"] = *format;
      return;
    }
    Json schema = *format;
    schema.erase("type");
    out_["response_format"] = {{"type", "json_schema"}, {"json_schema", std::move(schema)}};
  }

  Fields fields_;
  Json out_ = Json::object();
};

}  // namespace

std::variant<ChatCall, ApiError> parse_responses_request(std::string_view body,
                                                         const ApiContext& context,
                                                         const Arrival& arrival) {
  std::optional<ApiError> fault;
  const std::optional<Json> json = read_body(body, fault);
  if (!json.has_value()) {
    return *std::move(fault);
  }
  const Json chat = Translator(*json, fault, context.strict_fields).translate();
  if (fault.has_value()) {
    return *std::move(fault);
  }
  return parse_chat_request(json_line(chat), context, arrival);
}

}  // namespace talon::server
