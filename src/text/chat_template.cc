#include "text/chat_template.h"

#include <fmt/format.h>

#include <algorithm>
#include <fstream>
#include <iterator>

#include "base/error.h"
#include "base/json.h"
#include "base/printable.h"
#include "text/characters.h"
#include "text/jinja/json_value.h"
#include "text/jinja/truth.h"

namespace talon::text {
namespace {

// Marks the end of the last message in the rendered text; what stands after it is cut. The space
// tells whether the template strips messages. Word and rule are Hugging Face's.
constexpr std::string_view kFinalTag = "CONTINUE_FINAL_MESSAGE_TAG ";
constexpr std::string_view kFinalWord = kFinalTag.substr(0, kFinalTag.size() - 1);

constexpr std::string_view kDefaultName = "default";
constexpr std::string_view kToolName = "tool_use";

constexpr std::string_view kSpecialTokens[] = {"bos_token", "eos_token", "unk_token", "sep_token",
                                               "pad_token", "cls_token", "mask_token"};

constexpr std::string_view kReserved[] = {"messages", "tools", "add_generation_prompt",
                                          "continue_final_message"};

std::string read_file(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

// A token is a string or an object with its text in `content`.
Dict special_tokens_of(const Json& config) {
  Dict tokens;
  for (const std::string_view name : kSpecialTokens) {
    const auto found = config.find(std::string(name));
    if (found == config.end()) {
      continue;
    }
    const bool has_content = found->is_object() && found->contains("content");
    const Json& token = has_content ? (*found)["content"] : *found;
    if (token.is_string()) {
      tokens.set(name, Value::string(token.get<std::string>()));
    }
  }
  return tokens;
}

Value with_field(const Value& mapping, std::string_view key, Value value) {
  Dict copy = mapping.as_dict();
  copy.set(key, std::move(value));
  return Value::dict(std::move(copy));
}

Value with_element(const Value& list, size_t index, Value value) {
  Items copy = list.items();
  copy[index] = std::move(value);
  return Value::list(std::move(copy));
}

struct Marked {
  Value messages;
  std::string text;  // of the last message, without the tag
};

Value tagged(const Value& text) { return Value::string(text.bytes() + std::string(kFinalTag)); }

// The messages with the tag after the last text of the last one.
Result<Marked> mark_final(const Value& messages) {
  if (!messages.is_sequence() || messages.items().empty() || !messages.items().back().is_dict()) {
    return Failure{"continue_final_message: there is no last message"};
  }
  const size_t last = messages.items().size() - 1;
  const Value& message = messages.items()[last];
  const Value* content = message.as_dict().find("content");
  if (content != nullptr && content->is_string()) {
    return Marked{with_element(messages, last, with_field(message, "content", tagged(*content))),
                  content->bytes()};
  }
  if (content != nullptr && content->is_sequence()) {
    for (size_t i = content->items().size(); i-- > 0;) {
      const Value& part = content->items()[i];
      const Value* text = part.is_dict() ? part.as_dict().find("text") : nullptr;
      if (text != nullptr && text->is_string()) {
        const Value parts = with_element(*content, i, with_field(part, "text", tagged(*text)));
        return Marked{with_element(messages, last, with_field(message, "content", parts)),
                      text->bytes()};
      }
    }
  }
  return Failure{"continue_final_message: the last message has no text to go on with"};
}

}  // namespace

Result<ChatTemplate::Named> ChatTemplate::parse_named(std::string_view name,
                                                      std::string_view source) {
  Result<Template> parsed = Template::parse(name, source);
  if (!parsed.ok()) {
    return Failure{parsed.message()};
  }
  return Named{std::string(name), std::string(source), std::move(parsed).value()};
}

Result<ChatTemplate> ChatTemplate::parse(const Files& files) {
  ChatTemplate out;
  Json config = Json::object();
  if (!files.tokenizer_config.empty()) {
    // Not parse_json: real files say 10^30 for a length without limit.
    config = Json::parse(files.tokenizer_config, nullptr, false);
    if (!config.is_object()) {
      return Failure{"tokenizer_config.json is no JSON object"};
    }
  }
  out.special_tokens_ = special_tokens_of(config);
  std::vector<std::pair<std::string, std::string>> sources;
  const Json field = config.value("chat_template", Json());
  if (!files.chat_template.empty()) {
    sources.emplace_back("chat_template.jinja", files.chat_template);
  } else if (field.is_string()) {
    sources.emplace_back("chat_template", field.get<std::string>());
  } else if (field.is_array()) {
    for (const Json& entry : field) {
      const bool whole = entry.is_object() && entry.contains("name") && entry["name"].is_string() &&
                         entry.contains("template") && entry["template"].is_string();
      if (!whole) {
        return Failure{"tokenizer_config.json: an entry of chat_template has no name or template"};
      }
      sources.emplace_back(entry["name"].get<std::string>(), entry["template"].get<std::string>());
    }
  }
  if (sources.empty()) {
    return Failure{
        "no chat template: neither chat_template.jinja nor the field in"
        " tokenizer_config.json"};
  }
  for (const auto& [name, source] : sources) {
    Result<Named> named = parse_named(name, source);
    if (!named.ok()) {
      return Failure{named.message()};
    }
    out.templates_.push_back(std::move(named).value());
  }
  return out;
}

ChatTemplate ChatTemplate::load(const std::filesystem::path& model_folder) {
  const std::string source = read_file(model_folder / "chat_template.jinja");
  const std::string config = read_file(model_folder / "tokenizer_config.json");
  Result<ChatTemplate> parsed = parse({.chat_template = source, .tokenizer_config = config});
  if (!parsed.ok()) {
    const bool absent = source.empty() && config.empty();
    throw Error(absent ? ErrorCode::kNotFound : ErrorCode::kCorruptFile,
                fmt::format("{}: {}", model_folder.string(), parsed.message()));
  }
  return std::move(parsed).value();
}

bool ChatTemplate::mentions(std::string_view word) const {
  return std::any_of(templates_.begin(), templates_.end(), [&](const Named& named) {
    return named.source.find(word) != std::string::npos;
  });
}

// Of several, the one for tools if there are tools and it is there, else the default one.
const Template* ChatTemplate::select(const ChatInput& input) const {
  const auto find = [&](std::string_view name) -> const Template* {
    const auto found = std::find_if(templates_.begin(), templates_.end(),
                                    [&](const Named& named) { return named.name == name; });
    return found == templates_.end() ? nullptr : &found->parsed;
  };
  if (templates_.size() == 1) {
    return &templates_.front().parsed;
  }
  const Template* for_tools = input.tools.is_none() ? nullptr : find(kToolName);
  return for_tools != nullptr ? for_tools : find(kDefaultName);
}

Result<std::string> ChatTemplate::render_with(const Dict& variables, const ChatInput& input) const {
  const Template* chosen = select(input);
  if (chosen == nullptr) {
    return Failure{fmt::format("none of the chat templates is named {}", quote(kDefaultName))};
  }
  return chosen->render(variables, {.limits = input.limits, .now = input.now});
}

Result<std::string> ChatTemplate::continued(Dict& variables, const ChatInput& input) const {
  Result<Marked> marked = mark_final(input.messages);
  if (!marked.ok()) {
    return Failure{marked.message()};
  }
  variables.set("messages", marked.value().messages);
  Result<std::string> rendered = render_with(variables, input);
  if (!rendered.ok()) {
    return rendered;
  }
  std::string text = std::move(rendered).value();
  const size_t at = text.rfind(kFinalWord);
  const std::string_view final_text = strip(marked.value().text);
  if (at == std::string::npos || text.find(final_text) == std::string::npos) {
    return Failure{"continue_final_message: the template does not show the last message"};
  }
  const bool keeps_space = std::string_view(text).substr(at).starts_with(kFinalTag);
  text.resize(at);
  return keeps_space ? text : std::string(strip_right(text));
}

Result<std::string> ChatTemplate::render(const ChatInput& input) const {
  if (input.add_generation_prompt && input.continue_final_message) {
    return Failure{"add_generation_prompt and continue_final_message exclude each other"};
  }
  Dict variables = special_tokens_;
  variables.set("documents", Value::none());
  for (const auto& [key, value] : input.variables.entries()) {
    const bool is_name = key.is_string();
    if (!is_name ||
        std::find(std::begin(kReserved), std::end(kReserved), key.bytes()) != std::end(kReserved)) {
      return Failure{fmt::format("chat_template_kwargs cannot set {}",
                                 is_name ? quote(key.bytes()) : "what is no name")};
    }
    variables.set(key, value);
  }
  variables.set("messages", input.messages);
  variables.set("tools", input.tools);
  variables.set("add_generation_prompt", Value::boolean(input.add_generation_prompt));
  return input.continue_final_message ? continued(variables, input) : render_with(variables, input);
}

}  // namespace talon::text
