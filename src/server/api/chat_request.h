// The body of POST /v1/chat/completions (spec/serving.md 2.3, 2.5): every check that needs no
// engine, and the prompt as tokens. Pure.
#pragma once

#include <optional>
#include <string_view>
#include <variant>

#include "server/api/context.h"
#include "server/api/error.h"
#include "server/api/generation_call.h"
#include "text/jinja/value.h"
#include "text/reasoning_parser.h"
#include "text/tool_call_parser.h"

namespace talon::server {

struct ChatCall {
  GenerationCall generation{};
  bool logprobs = false;

  std::optional<text::ReasoningTags> reasoning{};  // absent: the model does not think
  text::ReasoningParser::Start reasoning_start = text::ReasoningParser::Start::kEither;
  bool splits_reasoning = true;  // else it stays in the content, with its tags
  bool shows_reasoning = true;   // else it is dropped
  ReasoningField reasoning_field = ReasoningField::kReasoningContent;

  std::optional<text::ToolTokens> tool_tokens{};  // absent: calls are not looked for
  text::Value tools = text::Value::none();
  bool stops_after_call = false;
};

std::variant<ChatCall, ApiError> parse_chat_request(std::string_view body,
                                                    const ApiContext& context,
                                                    const Arrival& arrival);

}  // namespace talon::server
