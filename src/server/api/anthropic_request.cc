#include "server/api/anthropic_request.h"

#include <fmt/format.h>

#include <cstdint>
#include <limits>
#include <optional>
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
    copy("model", "model");
    copy("max_tokens", "max_tokens");
    copy("stop_sequences", "stop");
    for (const char* name : {"stream", "temperature", "top_p", "top_k"}) {
      copy(name, name);
    }
    if (const Json* thinking = fields_.find_object("thinking")) {
      Fields inner = fields_.inner(*thinking, "thinking");
      const Json* type = inner.find("type");
      out_["thinking"] = {{"type", type == nullptr ? Json() : *type}};
      inner.ignore({"budget_tokens", "display"});
      inner.close();
    }
    out_["messages"] = Json::array();
    if (const Json* system = fields_.find("system")) {
      add_message("system", read_text(*system, "system"));
    }
    add_messages();
    add_tools();
    add_choice();
    fields_.ignore({"metadata", "service_tier", "cache_control"});
    fields_.close();
    return std::move(out_);
  }

 private:
  void copy(const char* name, const char* as) {
    if (const Json* value = fields_.find(name)) {
      out_[as] = *value;
    }
  }

  void add_message(const char* role, std::string text) {
    out_["messages"].push_back({{"role", role}, {"content", std::move(text)}});
  }

  void add_messages() {
    const Json* messages = fields_.find_array("messages");
    if (messages == nullptr) {
      fields_.fail("missing_field", "messages", "messages are needed");
      return;
    }
    for (size_t i = 0; i < messages->size() && !fields_.failed(); ++i) {
      const std::string path = fmt::format("messages[{}]", i);
      const Json& message = (*messages)[i];
      if (!message.is_object()) {
        fields_.fail_at("invalid_type", path, path + " must be an object");
        return;
      }
      Fields inner = fields_.inner(message, path);
      std::string role;
      inner.read("role", role);
      const Json* content = inner.find("content");
      if (content == nullptr) {
        inner.fail("missing_field", "content", path + ".content is needed");
      } else if (role == "user") {
        add_user(*content, path + ".content");
      } else if (role == "assistant") {
        add_assistant(*content, path + ".content");
      } else {
        inner.fail("invalid_value", "role", path + ".role is none of user, assistant");
      }
      inner.close();
    }
  }

  // Calls block(fields, type) for each block of a content; a string is one block of text.
  template <class Visit>
  void visit_blocks(const Json& content, const std::string& path, Visit&& visit) {
    if (!content.is_array()) {
      fields_.fail_at("invalid_type", path, path + " must be a string or a list of blocks");
      return;
    }
    for (size_t i = 0; i < content.size() && !fields_.failed(); ++i) {
      const std::string at = fmt::format("{}[{}]", path, i);
      if (!content[i].is_object()) {
        fields_.fail_at("invalid_type", at, at + " must be an object");
        return;
      }
      Fields block = fields_.inner(content[i], at);
      std::string type;
      block.read("type", type);
      visit(block, type);
      block.ignore({"cache_control", "citations", "is_error", "signature"});
      block.close();
    }
  }

  void refuse_block(Fields& block, const std::string& type) {
    block.fail("unsupported_parameter", "type",
               fmt::format("blocks of type \"{}\" are not supported here: messages are text, and "
                           "no address is ever fetched",
                           printable(type)));
  }

  std::string read_text(const Json& content, const std::string& path) {
    if (content.is_string()) {
      return content.get<std::string>();
    }
    std::string out;
    visit_blocks(content, path, [&](Fields& block, const std::string& type) {
      std::string text;
      block.read("text", text);
      if (type != "text") {
        refuse_block(block, type);
      }
      out += text;
    });
    return out;
  }

  // Results of tools are messages of their own, before what the user says.
  void add_user(const Json& content, const std::string& path) {
    if (content.is_string()) {
      add_message("user", content.get<std::string>());
      return;
    }
    std::string text;
    bool has_text = content.empty();
    visit_blocks(content, path, [&](Fields& block, const std::string& type) {
      if (type == "tool_result") {
        std::string id;
        block.read("tool_use_id", id);
        const Json* result = block.find("content");
        const std::string result_text =
            result == nullptr ? "" : read_text(*result, block.path_of("content"));
        out_["messages"].push_back(
            {{"role", "tool"}, {"tool_call_id", id}, {"content", result_text}});
      } else if (type == "text") {
        std::string piece;
        block.read("text", piece);
        text += piece;
        has_text = true;
      } else {
        refuse_block(block, type);
      }
    });
    if (has_text) {
      add_message("user", std::move(text));
    }
  }

  void add_assistant(const Json& content, const std::string& path) {
    if (content.is_string()) {
      add_message("assistant", content.get<std::string>());
      return;
    }
    std::string text;
    std::string reasoning;
    Json calls = Json::array();
    visit_blocks(content, path, [&](Fields& block, const std::string& type) {
      std::string piece;
      if (type == "text") {
        block.read("text", piece);
        text += piece;
      } else if (type == "thinking") {
        block.read("thinking", piece);
        reasoning += piece;
      } else if (type == "tool_use") {
        calls.push_back(read_call(block));
      } else {
        refuse_block(block, type);
      }
    });
    Json message = {{"role", "assistant"}, {"content", std::move(text)}};
    if (!reasoning.empty()) {
      message["reasoning_content"] = std::move(reasoning);
    }
    if (!calls.empty()) {
      message["tool_calls"] = std::move(calls);
    }
    out_["messages"].push_back(std::move(message));
  }

  Json read_call(Fields& block) {
    std::string id;
    std::string name;
    block.read("id", id);
    block.read("name", name);
    const Json* input = block.find_object("input");
    const std::string arguments = input == nullptr ? "{}" : json_line(*input);
    return {
        {"id", id}, {"type", "function"}, {"function", {{"name", name}, {"arguments", arguments}}}};
  }

  void add_tools() {
    const Json* tools = fields_.find_array("tools");
    if (tools == nullptr) {
      return;
    }
    Json list = Json::array();
    for (size_t i = 0; i < tools->size() && !fields_.failed(); ++i) {
      const std::string path = fmt::format("tools[{}]", i);
      if (!(*tools)[i].is_object()) {
        fields_.fail_at("invalid_type", path, path + " must be an object");
        return;
      }
      Fields tool = fields_.inner((*tools)[i], path);
      Json function = Json::object();
      for (const auto& [name, as] : {std::pair{"name", "name"},
                                     {"description", "description"},
                                     {"input_schema", "parameters"},
                                     {"strict", "strict"}}) {
        if (const Json* value = tool.find(name)) {
          function[as] = *value;
        }
      }
      std::string type = "custom";
      tool.read("type", type);
      if (type != "custom") {
        tool.fail("unsupported_parameter", "type", "nothing here runs tools of the provider");
      }
      tool.ignore({"cache_control"});
      tool.close();
      list.push_back({{"type", "function"}, {"function", std::move(function)}});
    }
    out_["tools"] = std::move(list);
  }

  void add_choice() {
    const Json* choice = fields_.find_object("tool_choice");
    if (choice == nullptr) {
      return;
    }
    Fields inner = fields_.inner(*choice, "tool_choice");
    std::string type;
    inner.read("type", type);
    if (type == "auto" || type == "none") {
      out_["tool_choice"] = type;
    } else if (type == "any") {
      out_["tool_choice"] = "required";
    } else if (type == "tool") {
      std::string name;
      inner.read("name", name);
      out_["tool_choice"] = {{"type", "function"}, {"function", {{"name", name}}}};
    } else {
      inner.fail("invalid_value", "type", "tool_choice.type is none of auto, any, tool, none");
    }
    bool is_single = false;
    inner.read("disable_parallel_tool_use", is_single);
    inner.close();
    out_["parallel_tool_calls"] = !is_single;
  }

  Fields fields_;
  Json out_ = Json::object();
};

std::variant<ChatCall, ApiError> parse(std::string_view body,
                                       bool needs_limit,
                                       const ApiContext& context,
                                       const Arrival& arrival) {
  std::optional<ApiError> fault;
  const std::optional<Json> json = read_body(body, fault);
  if (!json.has_value()) {
    return *std::move(fault);
  }
  const Json chat = Translator(*json, fault, context.strict_fields).translate();
  if (!fault.has_value() && needs_limit && !chat.contains("max_tokens")) {
    fault = bad_request("missing_field", "max_tokens", "max_tokens is needed");
  }
  if (fault.has_value()) {
    return *std::move(fault);
  }
  return parse_chat_request(json_line(chat), context, arrival);
}

std::string_view anthropic_type(int status) {
  switch (status) {
    case 401:
      return "authentication_error";
    case 403:
      return "permission_error";
    case 404:
      return "not_found_error";
    case 413:
      return "request_too_large";
    case 429:
      return "rate_limit_error";
    case 503:
      return "overloaded_error";
    default:
      return status >= 500 ? "api_error" : "invalid_request_error";
  }
}

}  // namespace

std::variant<ChatCall, ApiError> parse_anthropic_request(std::string_view body,
                                                         const ApiContext& context,
                                                         const Arrival& arrival) {
  return parse(body, true, context, arrival);
}

std::variant<std::string, ApiError> answer_count_tokens(std::string_view body,
                                                        const ApiContext& context,
                                                        const Arrival& arrival) {
  ApiContext endless = context;
  endless.context_limit = std::numeric_limits<int32_t>::max();
  auto parsed = parse(body, false, endless, arrival);
  if (auto* error = std::get_if<ApiError>(&parsed)) {
    return std::move(*error);
  }
  const auto& call = std::get<ChatCall>(parsed);
  return json_line({{"input_tokens", call.generation.prompts.front().size()}});
}

std::string anthropic_error_body(const ApiError& error, std::string_view request_id) {
  return json_line({{"type", "error"},
                    {"error", {{"type", anthropic_type(error.status)}, {"message", error.message}}},
                    {"request_id", request_id}});
}

}  // namespace talon::server
