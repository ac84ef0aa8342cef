#include "stream/chat_session.h"

#include <fmt/format.h>

#include <ctime>
#include <utility>

#include "base/error.h"
#include "base/json.h"
#include "stream/chat_tokens.h"
#include "text/detokenizer.h"
#include "text/jinja/json_value.h"

namespace talon {
std::string ChatSession::prompt_with(const std::string& question) const {
  Json messages = Json::array();
  if (!system_.empty()) {
    messages.push_back({{"role", "system"}, {"content", system_}});
  }
  for (const Turn& turn : turns_) {
    messages.push_back({{"role", "user"}, {"content", turn.question}});
    Json answer = {{"role", "assistant"}, {"content", turn.answer}};
    if (!turn.reasoning.empty()) {
      answer["reasoning_content"] = turn.reasoning;
    }
    messages.push_back(std::move(answer));
  }
  messages.push_back({{"role", "user"}, {"content", question}});
  text::ChatInput input{.messages = text::value_of_json(messages)};
  if (!thinking_.empty()) {
    input.variables.set("thinking_mode", text::Value::string(thinking_));
  }
  const std::time_t now = std::time(nullptr);
  localtime_r(&now, &input.now);
  Result<std::string> prompt = template_.render(input);
  if (!prompt.ok()) {
    throw Error(ErrorCode::kInvalidArgument,
                fmt::format("the chat template refuses: {}", prompt.message()));
  }
  return std::move(prompt).value();
}

ChatSession::Turn ChatSession::turn_of(const std::string& prompt,
                                       const std::string& question,
                                       const Completion& completion) const {
  const auto tags = find_reasoning_tags(*model_.tokenizer);
  if (!tags.has_value()) {
    return {.question = question, .reasoning = {}, .answer = completion.text};
  }
  Turn turn{.question = question, .reasoning = {}, .answer = {}};
  text::Detokenizer detokenizer(*model_.tokenizer, /*skip_special=*/true);
  text::ReasoningParser parser(*tags, text::ReasoningParser::start_after(prompt, *tags));
  const auto add = [&turn](const text::ReasoningParser::Delta& delta) {
    turn.reasoning += delta.reasoning;
    turn.answer += delta.content;
  };
  for (const TokenId id : completion.tokens) {
    add(parser.push(id, detokenizer.push(id)));
  }
  add(parser.finish());
  return turn;
}

Completion ChatSession::say(const std::string& text,
                            const CompletionRequest& settings,
                            const SegmentSink& sink) {
  CompletionRequest request = settings;
  request.prompt = prompt_with(text);
  Completion completion = complete(model_, request, sink);
  turns_.push_back(turn_of(request.prompt, text, completion));
  return completion;
}

bool ChatSession::take_back() {
  if (turns_.empty()) {
    return false;
  }
  turns_.pop_back();
  return true;
}

}  // namespace talon
