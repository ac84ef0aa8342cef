#include "server/api/chat_answer.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "base/check.h"
#include "base/json.h"
#include "server/api/chat_choice.h"
#include "server/api/choice_log.h"
#include "server/api/json_text.h"
#include "server/api/logprob_json.h"
#include "server/api/usage_json.h"
#include "stream/spec_json.h"

namespace talon::server {
namespace {

Json delta_json(const Delta& delta, const ChatChoice& choice, ReasoningField field) {
  switch (delta.kind) {
    case DeltaKind::kText:
      return {{"content", delta.text}};
    case DeltaKind::kReasoning: {
      Json json = Json::object();
      if (field != ReasoningField::kReasoning) {
        json["reasoning_content"] = delta.text;
      }
      if (field != ReasoningField::kReasoningContent) {
        json["reasoning"] = delta.text;
      }
      return json;
    }
    case DeltaKind::kCall: {
      const Json call = {{"index", delta.call_index},
                         {"id", choice.call_id(delta.call_index)},
                         {"type", "function"},
                         {"function", {{"name", delta.text}, {"arguments", ""}}}};
      return {{"tool_calls", Json::array({call})}};
    }
    case DeltaKind::kArguments: {
      const Json call = {{"index", delta.call_index}, {"function", {{"arguments", delta.text}}}};
      return {{"tool_calls", Json::array({call})}};
    }
  }
  return Json::object();
}

Json message_json(const ChatText& text, ReasoningField field) {
  const bool has_content = !text.content.empty() || text.calls.empty();
  Json message = {{"role", "assistant"},
                  {"content", has_content ? Json(text.content) : Json(nullptr)},
                  {"refusal", nullptr}};
  if (!text.reasoning.empty() && field != ReasoningField::kReasoning) {
    message["reasoning_content"] = text.reasoning;
  }
  if (!text.reasoning.empty() && field != ReasoningField::kReasoningContent) {
    message["reasoning"] = text.reasoning;
  }
  if (!text.calls.empty()) {
    Json& calls = message["tool_calls"] = Json::array();
    for (const ChatToolCall& call : text.calls) {
      calls.push_back({{"id", call.id},
                       {"type", "function"},
                       {"function", {{"name", call.name}, {"arguments", call.arguments}}}});
    }
  }
  return message;
}

}  // namespace

struct ChatAnswer::State {
  const text::Tokenizer& tokenizer;
  const ChatCall& call;
  AnswerHead head;
  std::vector<ChatChoice> choices{};
  std::vector<bool> has_role{};      // by choice
  std::vector<bool> has_sent_end{};  // by choice
  bool has_sent = false;
  bool is_closed = false;

  const GenerationCall& generation() const { return call.generation; }

  Json answer_json(const char* object, Json choices_json) const {
    return {{"id", head.id},
            {"object", object},
            {"created", head.created},
            {"model", generation().model},
            {"choices", std::move(choices_json)}};
  }

  std::string frame(Json choice, const UsageCounts& counts) {
    Json json = answer_json("chat.completion.chunk", Json::array({std::move(choice)}));
    if (!has_sent && generation().return_token_ids) {
      json["prompt_token_ids"] = ids_json(generation().prompts.front());
    }
    has_sent = true;
    if (generation().continuous_usage) {
      json["usage"] = usage_json(counts);
    }
    return data_frame(json);
  }

  // With what is told of `count` tokens from `first`.
  Json choice_json(size_t index, Json delta, size_t first, size_t count) const {
    Json json = {{"index", index}, {"delta", std::move(delta)}};
    add_tokens(index, first, count, json);
    json["finish_reason"] = nullptr;
    return json;
  }

  void add_tokens(size_t index, size_t first, size_t count, Json& json) const {
    const ChoiceLog& log = choices[index].log();
    json["logprobs"] = call.logprobs && count > 0
                           ? chat_logprobs_json(tokenizer, log.logprobs(first, count))
                           : Json(nullptr);
    if (generation().return_token_ids) {
      json["token_ids"] = log.ids(first, count);
    }
    if (generation().return_spec_info) {
      json["talon"] = log.spec(first, count);
    }
  }

  void add_end(const ChatChoice& choice, Json& json) const {
    json["finish_reason"] = choice.finish_reason();
    if (generation().return_spec_info) {
      json["talon"]["spec"] = spec_json(choice.end().stats, head.num_speculative_tokens);
    }
  }

  std::string role_frame(size_t index, const UsageCounts& counts) {
    if (has_role[index]) {
      return {};
    }
    has_role[index] = true;
    return frame(choice_json(index, {{"role", "assistant"}, {"content", ""}}, 0, 0), counts);
  }

  std::string take_choice_frames(size_t index, bool all, const UsageCounts& counts) {
    ChatChoice& choice = choices[index];
    std::string out;
    for (const Delta& delta : choice.buffer().take(all || choice.is_finished())) {
      out += role_frame(index, counts);
      const size_t first = choice.log().send(delta.num_tokens);
      out += frame(choice_json(index, delta_json(delta, choice, call.reasoning_field), first,
                               delta.num_tokens),
                   counts);
    }
    if (choice.is_finished() && !has_sent_end[index]) {
      has_sent_end[index] = true;
      out += role_frame(index, counts);
      const size_t count = choice.buffer().take_loose_tokens();
      Json json = choice_json(index, Json::object(), choice.log().send(count), count);
      add_end(choice, json);
      out += frame(std::move(json), counts);
    }
    return out;
  }
};

ChatAnswer::ChatAnswer(const text::Tokenizer& tokenizer, const ChatCall& call, AnswerHead head)
    : state_(std::make_unique<State>(tokenizer, call, std::move(head))) {
  const int32_t count = call.generation.num_answers();
  state_->choices.reserve(static_cast<size_t>(count));
  for (int32_t i = 0; i < count; ++i) {
    state_->choices.emplace_back(call, state_->head.coalesce, state_->head.id, i);
  }
  state_->has_role.assign(static_cast<size_t>(count), false);
  state_->has_sent_end.assign(static_cast<size_t>(count), false);
}

ChatAnswer::~ChatAnswer() = default;

void ChatAnswer::push(int32_t index, const ChoiceOutput& output) {
  state_->choices[static_cast<size_t>(index)].push(output);
}

void ChatAnswer::finish(int32_t index, const ChoiceEnd& end) {
  state_->choices[static_cast<size_t>(index)].finish(end);
}

std::optional<int64_t> ChatAnswer::stop_after(int32_t index) const {
  return state_->choices[static_cast<size_t>(index)].stop_after();
}

bool ChatAnswer::is_done() const {
  return std::all_of(state_->choices.begin(), state_->choices.end(),
                     [](const ChatChoice& choice) { return choice.is_finished(); });
}

bool ChatAnswer::holds_text() const {
  return std::any_of(state_->choices.begin(), state_->choices.end(),
                     [](const ChatChoice& choice) { return !choice.buffer().empty(); });
}

UsageCounts ChatAnswer::usage() const { return usage_of(state_->call, state_->choices); }

std::string ChatAnswer::take_frames(bool all) {
  if (state_->is_closed) {
    return {};
  }
  const UsageCounts counts = usage();
  std::string out;
  for (size_t i = 0; i < state_->choices.size(); ++i) {
    out += state_->take_choice_frames(i, all, counts);
  }
  if (!is_done()) {
    return out;
  }
  state_->is_closed = true;
  if (state_->generation().include_usage || state_->head.always_usage) {
    Json json = state_->answer_json("chat.completion.chunk", Json::array());
    json["usage"] = usage_json(counts);
    out += data_frame(json);
  }
  return out + "data: [DONE]\n\n";
}

std::string ChatAnswer::body(const std::optional<UsageTimings>& timings) const {
  TALON_CHECK(is_done(), "the answer {} is not done", state_->head.id);
  Json choices = Json::array();
  for (size_t i = 0; i < state_->choices.size(); ++i) {
    const ChatChoice& choice = state_->choices[i];
    Json json = {{"index", i},
                 {"message", message_json(choice.text(), state_->call.reasoning_field)}};
    state_->add_tokens(i, 0, choice.log().num_tokens(), json);
    state_->add_end(choice, json);
    choices.push_back(std::move(json));
  }
  Json json = state_->answer_json("chat.completion", std::move(choices));
  json["usage"] = usage_json(usage(), timings);
  if (state_->generation().return_token_ids) {
    json["prompt_token_ids"] = ids_json(state_->generation().prompts.front());
  }
  if (state_->generation().settings.num_prompt_logprobs >= 0) {
    json["prompt_logprobs"] =
        prompt_logprobs_json(state_->tokenizer, state_->choices.front().prompt_logprobs());
  }
  return json_line(json);
}

}  // namespace talon::server
