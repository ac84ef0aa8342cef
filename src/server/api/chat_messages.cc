#include "server/api/chat_messages.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <set>
#include <string_view>
#include <utility>

#include "base/printable.h"
#include "base/result.h"

namespace talon::server {
namespace {

constexpr std::array<std::string_view, 6> kRoles = {"root", "system",    "developer",
                                                    "user", "assistant", "tool"};
// Arguments stand six levels deep in a body, which may have 64.
constexpr int kMaxArgumentDepth = 32;

std::string read_part(Fields& parent, const Json& part, const std::string& path) {
  if (!part.is_object()) {
    parent.fail_at("invalid_type", path, path + " must be an object with a type");
    return {};
  }
  Fields fields = parent.inner(part, path);
  std::string type;
  fields.read("type", type);
  if (type == "text") {
    std::string text;
    fields.read("text", text);
    if (fields.find("text") == nullptr) {
      fields.fail("missing_field", "text", path + ".text is needed");
    }
    fields.close();
    return text;
  }
  const bool is_media = type.starts_with("image") || type.starts_with("input_") ||
                        type.starts_with("video") || type.starts_with("audio") || type == "file";
  if (is_media) {
    fields.fail("unsupported_parameter", "type",
                fmt::format("parts of type \"{}\" are not supported: messages are text, and no "
                            "address is ever fetched",
                            printable(type)));
  } else if (fields.find("type") == nullptr) {
    fields.fail("missing_field", "type", path + ".type is needed");
  } else {
    fields.fail("invalid_value", "type",
                fmt::format("\"{}\" is no type of a part", printable(type)));
  }
  return {};
}

class MessageReader {
 public:
  explicit MessageReader(Fields& body) : body_(body) {}

  Json read(const Json& messages) {
    Json out = Json::array();
    for (size_t i = 0; i < messages.size() && !body_.failed(); ++i) {
      out.push_back(read_message(messages[i], i));
    }
    path_ = "messages";
    check_answered("the messages end");
    return out;
  }

 private:
  Json read_message(const Json& message, size_t index) {
    path_ = fmt::format("messages[{}]", index);
    if (!message.is_object()) {
      body_.fail_at("invalid_type", path_, path_ + " must be an object");
      return {};
    }
    Fields fields = body_.inner(message, path_);
    std::string role;
    fields.read("role", role);
    if (fields.find("role") == nullptr) {
      fields.fail("missing_field", "role", path_ + ".role is needed");
    } else if (std::find(kRoles.begin(), kRoles.end(), role) == kRoles.end()) {
      fields.fail("invalid_value", "role",
                  fmt::format("\"{}\" is no role: root, system, developer, user, assistant, tool",
                              printable(role)));
    } else if (role == "root" && index > 0) {
      fields.fail("invalid_messages", "role", "the root message must be the first one");
    }
    Json out = {{"role", role}, {"content", ""}};
    if (role == "user" || role == "assistant") {
      check_answered(fmt::format("{} begins", path_));
    }
    read_content(fields, role, out);
    if (role == "assistant") {
      read_assistant(fields, out);
    } else if (role == "tool") {
      read_tool(fields, out);
    }
    std::string name;
    fields.read("name", name);
    if (!name.empty()) {
      out["name"] = std::move(name);
    }
    fields.ignore({"refusal"});
    fields.close();
    return out;
  }

  void read_content(Fields& fields, const std::string& role, Json& out) {
    const Json* content = fields.find("content");
    if (content != nullptr) {
      out["content"] = read_text_content(fields, *content, fields.path_of("content"));
    } else if (role != "assistant" || fields.find_array("tool_calls") == nullptr) {
      fields.fail("missing_field", "content", fields.path_of("content") + " is needed");
    }
  }

  void read_assistant(Fields& fields, Json& out) {
    std::string reasoning;
    fields.read("reasoning", reasoning);
    fields.read("reasoning_content", reasoning);
    if (!reasoning.empty()) {
      out["reasoning_content"] = std::move(reasoning);
    }
    fields.refuse("function_call", "calls stand in tool_calls");
    const Json* calls = fields.find_array("tool_calls");
    if (calls == nullptr || calls->empty()) {
      return;
    }
    open_.clear();
    Json list = Json::array();
    for (size_t i = 0; i < calls->size() && !body_.failed(); ++i) {
      list.push_back(read_call((*calls)[i], fmt::format("{}.tool_calls[{}]", path_, i)));
    }
    out["tool_calls"] = std::move(list);
  }

  Json read_call(const Json& call, const std::string& path) {
    if (!call.is_object()) {
      body_.fail_at("invalid_type", path, path + " must be an object");
      return {};
    }
    Fields fields = body_.inner(call, path);
    std::string id;
    fields.read("id", id);
    if (id.empty()) {
      fields.fail("missing_field", "id", path + ".id is needed");
    } else if (!open_.insert(id).second) {
      fields.fail("invalid_messages", "id", fmt::format("the id {} stands twice", printable(id)));
    }
    std::string type = "function";
    fields.read("type", type);
    if (type != "function") {
      fields.fail("invalid_value", "type", path + ".type must be \"function\"");
    }
    const Json* function = fields.find_object("function");
    if (function == nullptr) {
      fields.fail("missing_field", "function", path + ".function is needed");
      return {};
    }
    fields.ignore({"index"});  // of the deltas that a client has put together
    fields.close();
    return {{"id", id}, {"type", type}, {"function", read_function(*function, path + ".function")}};
  }

  // Arguments come as text, and templates walk through them as an object.
  Json read_function(const Json& function, const std::string& path) {
    Fields fields = body_.inner(function, path);
    std::string name;
    fields.read("name", name);
    if (name.empty()) {
      fields.fail("missing_field", "name", path + ".name is needed");
    }
    std::string text;
    fields.read("arguments", text);
    if (fields.find("arguments") == nullptr) {
      fields.fail("missing_field", "arguments", path + ".arguments is needed");
      return {};
    }
    Result<Json> arguments = parse_json(text, {.max_depth = kMaxArgumentDepth});
    if (!arguments.ok() || !arguments.value().is_object()) {
      fields.fail("invalid_value", "arguments",
                  fmt::format("{}.arguments must be the text of a JSON object{}", path,
                              arguments.ok() ? "" : ": " + arguments.message()));
      return {};
    }
    fields.close();
    return {{"name", name}, {"arguments", std::move(arguments).value()}};
  }

  void read_tool(Fields& fields, Json& out) {
    std::string id;
    fields.read("tool_call_id", id);
    if (fields.find("tool_call_id") == nullptr) {
      fields.fail("missing_field", "tool_call_id", fields.path_of("tool_call_id") + " is needed");
    } else if (open_.erase(id) == 0) {
      fields.fail("invalid_messages", "tool_call_id",
                  fmt::format("{} names no call of the assistant before it that waits for a result",
                              printable(id)));
    }
    out["tool_call_id"] = std::move(id);
  }

  void check_answered(const std::string& when) {
    if (!open_.empty()) {
      body_.fail_at(
          "invalid_messages", path_,
          fmt::format("{} before the call {} has its result", when, printable(*open_.begin())));
    }
  }

  Fields& body_;
  std::string path_;
  std::set<std::string> open_;  // calls of the last assistant that have no result yet
};

}  // namespace

std::string read_text_content(Fields& parent, const Json& content, const std::string& path) {
  if (content.is_string()) {
    return content.get<std::string>();
  }
  if (!content.is_array()) {
    parent.fail_at("invalid_type", path, path + " must be a string or a list of text parts");
    return {};
  }
  std::string out;
  for (size_t i = 0; i < content.size() && !parent.failed(); ++i) {
    out += read_part(parent, content[i], fmt::format("{}[{}]", path, i));
  }
  return out;
}

Json read_messages(Fields& body, const Json& messages) {
  if (!messages.is_array()) {
    body.fail_at("invalid_type", "messages", "messages must be a list");
    return {};
  }
  if (messages.empty()) {
    body.fail_at("invalid_value", "messages", "messages must not be empty");
    return {};
  }
  return MessageReader(body).read(messages);
}

}  // namespace talon::server
