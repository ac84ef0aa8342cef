#include "server/api/chat_choice.h"

#include <fmt/format.h>

#include <span>
#include <utility>

#include "base/check.h"
#include "base/hash.h"
#include "text/tool_schema.h"

namespace talon::server {
namespace {

// 24 hex digits that no other call of any answer has: answers have different ids.
std::string unique_digits(const std::string& text) {
  return to_hex(xxh3_128(std::as_bytes(std::span(text)))).substr(0, 24);
}

}  // namespace

ChatChoice::ChatChoice(const ChatCall& call,
                       const CoalesceLimits& limits,
                       std::string_view answer_id,
                       int32_t index)
    : call_(call), id_prefix_(fmt::format("{}/{}", answer_id, index)), buffer_(limits) {
  if (call.reasoning.has_value()) {
    reasoning_.emplace(*call.reasoning, call.reasoning_start);
    if (!call.splits_reasoning && reasoning_->in_reasoning()) {
      add(DeltaKind::kText, 0, call.reasoning->open_text);
    }
  }
  if (call.tool_tokens.has_value()) {
    tools_.emplace(*call.tool_tokens, text::ToolSchemas(call.tools));
  }
}

std::string ChatChoice::call_id(int32_t call_index) const {
  return "call_" + unique_digits(fmt::format("{}/{}", id_prefix_, call_index));
}

void ChatChoice::push(const ChoiceOutput& output) {
  prompt_logprobs_.assign(output.prompt_logprobs.begin(), output.prompt_logprobs.end());
  for (size_t i = 0; i < output.tokens.size() && !is_cut_; ++i) {
    log_.add({.tokens = output.tokens.subspan(i, 1), .logprobs = output.logprobs});
    take(output.tokens[i]);
  }
}

void ChatChoice::take(const OutputToken& token) {
  if (token.token.value >= 0) {
    buffer_.push_tokens(1);
  }
  if (reasoning_.has_value()) {
    take_reasoning(token);
  } else {
    take_answer(token.token, token.text);
  }
}

void ChatChoice::take_reasoning(const OutputToken& token) {
  const bool was_in = reasoning_->in_reasoning();
  const text::ReasoningParser::Delta delta = reasoning_->push(token.token, token.text);
  const bool is_in = reasoning_->in_reasoning();
  const bool is_tag = token.token == call_.reasoning->open || token.token == call_.reasoning->close;
  const bool in_content = !call_.splits_reasoning;
  num_reasoning_tokens_ += was_in && is_in && !is_tag && token.token.value >= 0 ? 1 : 0;
  if (!delta.content.empty() || (!is_in && !is_tag)) {
    take_answer(is_tag ? TokenId{-1} : token.token, delta.content);
  }
  if (!call_.shows_reasoning) {
    return;
  }
  if (in_content && !was_in && is_in) {
    add(DeltaKind::kText, 0, call_.reasoning->open_text);
  }
  add(in_content ? DeltaKind::kText : DeltaKind::kReasoning, 0, delta.reasoning);
  if (in_content && was_in && !is_in) {
    add(DeltaKind::kText, 0, call_.reasoning->close_text);
  }
}

void ChatChoice::take_answer(TokenId id, std::string_view text) {
  if (tools_.has_value()) {
    add_calls(tools_->push(id, text));
  } else {
    add(DeltaKind::kText, 0, text);
  }
}

void ChatChoice::add_calls(const text::ToolCallOutput& output) {
  add(DeltaKind::kText, 0, output.content);
  for (const text::ToolCallDelta& delta : output.calls) {
    if (is_cut_ || (call_.stops_after_call && delta.index > 0)) {
      break;
    }
    if (!delta.name.empty()) {
      add(DeltaKind::kCall, delta.index, delta.name);
    }
    add(DeltaKind::kArguments, delta.index, delta.arguments);
  }
  is_cut_ =
      is_cut_ || (call_.stops_after_call &&
                  (tools_->num_calls() > 1 || (tools_->num_calls() == 1 && !tools_->in_call())));
}

void ChatChoice::add(DeltaKind kind, int32_t call_index, std::string_view text) {
  if (text.empty()) {
    return;
  }
  buffer_.push(kind, call_index, text);
  switch (kind) {
    case DeltaKind::kText:
      text_.content += text;
      break;
    case DeltaKind::kReasoning:
      text_.reasoning += text;
      break;
    case DeltaKind::kCall:
      text_.calls.push_back({.id = call_id(call_index), .name = std::string(text)});
      break;
    case DeltaKind::kArguments:
      text_.calls.at(static_cast<size_t>(call_index)).arguments += text;
      break;
  }
}

void ChatChoice::finish(const ChoiceEnd& end) {
  TALON_CHECK(!end_.has_value(), "{} ended twice", id_prefix_);
  if (reasoning_.has_value() && !is_cut_) {
    take_answer(TokenId{-1}, reasoning_->finish().content);
  }
  if (tools_.has_value() && !is_cut_) {
    add_calls(tools_->finish());
  }
  end_ = end;
}

std::string_view ChatChoice::finish_reason() const {
  const bool has_calls = !text_.calls.empty();
  return has_calls && end_->reason == FinishReason::kStop ? "tool_calls"
                                                          : finish_reason_name(end_->reason);
}

UsageCounts usage_of(const ChatCall& call, std::span<const ChatChoice> choices) {
  UsageCounts counts = {.prompt_tokens = std::ssize(call.generation.prompts.front()),
                        .reasoning_tokens = 0};
  for (const ChatChoice& choice : choices) {
    counts.completion_tokens += static_cast<int64_t>(choice.log().num_tokens());
    *counts.reasoning_tokens += choice.num_reasoning_tokens();
  }
  if (choices.front().is_finished()) {
    counts.cached_tokens = choices.front().end().cached_tokens;
  }
  return counts;
}

}  // namespace talon::server
