// From the messages of a request to the tokens of its prompt. Include from .cc files only.
#pragma once

#include <string>
#include <vector>

#include "base/ids.h"
#include "base/json.h"
#include "server/api/context.h"
#include "server/api/fields.h"
#include "text/jinja/value.h"
#include "text/reasoning_parser.h"

namespace talon::server {

struct ChatPrompt {
  std::string text{};
  std::vector<TokenId> tokens{};
  // What the prompt's end says of the answer's beginning.
  text::ReasoningParser::Start start = text::ReasoningParser::Start::kEither;
};

// messages (or prompt), chat_template_kwargs and the other forms of the thinking switch,
// add_generation_prompt, continue_final_message. `tools` is a list, or null.
ChatPrompt read_chat_prompt(Fields& fields,
                            const ApiContext& context,
                            const Arrival& arrival,
                            const Json& tools);

// The same from messages in the form of read_messages and ready variables, for other routes. Errors
// name the field "messages".
struct ChatSource {
  Json messages = Json::array();
  Json tools = nullptr;
  text::Dict variables{};
  bool add_generation_prompt = true;
  bool continue_final_message = false;
};
ChatPrompt render_chat(Fields& fields,
                       const ApiContext& context,
                       const Arrival& arrival,
                       const ChatSource& source);

}  // namespace talon::server
