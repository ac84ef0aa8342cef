#include "server/api/chat_prompt.h"

#include <fmt/format.h>

#include <optional>
#include <string_view>
#include <utility>

#include "base/result.h"
#include "server/api/chat_messages.h"
#include "server/api/thinking.h"
#include "text/chat_template.h"
#include "text/jinja/json_value.h"

namespace talon::server {
ChatPrompt render_chat(Fields& fields,
                       const ApiContext& context,
                       const Arrival& arrival,
                       const ChatSource& source) {
  ChatPrompt prompt;
  if (fields.failed()) {
    return prompt;
  }
  if (context.chat_template == nullptr) {
    fields.fail("unsupported_parameter", "messages", "the model has no chat template");
    return prompt;
  }
  Result<std::string> text = context.chat_template->render(
      {.messages = text::value_of_json(source.messages),
       .tools = source.tools.is_null() ? text::Value::none() : text::value_of_json(source.tools),
       .variables = source.variables,
       .add_generation_prompt = source.add_generation_prompt,
       .continue_final_message = source.continue_final_message,
       .now = arrival.local_time});
  if (!text.ok()) {
    fields.fail("invalid_messages", "messages", "the chat template refuses: " + text.message());
    return prompt;
  }
  prompt.text = std::move(text).value();
  Result<std::vector<TokenId>> tokens = context.tokenizer->try_encode(prompt.text);
  if (!tokens.ok()) {
    fields.fail("invalid_value", "messages", tokens.message());
    return prompt;
  }
  prompt.tokens = std::move(tokens).value();
  if (prompt.tokens.empty()) {
    fields.fail("invalid_value", "messages", "the prompt has no token");
  }
  prompt.start = context.reasoning.has_value()
                     ? text::ReasoningParser::start_after(prompt.text, *context.reasoning)
                     : text::ReasoningParser::Start::kAnswer;
  return prompt;
}

ChatPrompt read_chat_prompt(Fields& fields,
                            const ApiContext& context,
                            const Arrival& arrival,
                            const Json& tools) {
  ChatSource source = {.tools = tools};
  fields.refuse("chat_template", "the template is the model's own");
  source.variables = read_template_variables(fields, context);
  fields.read("continue_final_message", source.continue_final_message);
  fields.read("add_generation_prompt", source.add_generation_prompt);
  const bool asks_for_both =
      fields.find("add_generation_prompt") != nullptr && source.add_generation_prompt;
  if (source.continue_final_message && asks_for_both) {
    fields.fail("invalid_value", "continue_final_message",
                "continue_final_message and add_generation_prompt exclude each other");
  }
  if (source.continue_final_message) {
    source.add_generation_prompt = false;
  }
  const Json* messages = fields.find("messages");
  const Json* alias = fields.find("prompt");
  messages = messages == nullptr ? alias : messages;
  if (messages == nullptr) {
    fields.fail("missing_field", "messages", "messages are needed");
    return {};
  }
  source.messages = read_messages(fields, *messages);
  return render_chat(fields, context, arrival, source);
}

}  // namespace talon::server
