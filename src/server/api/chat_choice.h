// One choice of a chat answer: its tokens split into reasoning, content and tool calls. What all
// routes that chat are made from. One thread.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "server/api/answer.h"
#include "server/api/chat_request.h"
#include "server/api/choice_log.h"
#include "server/api/delta_buffer.h"
#include "text/reasoning_parser.h"
#include "text/tool_call_parser.h"

namespace talon::server {

struct ChatToolCall {
  std::string id{};
  std::string name{};
  std::string arguments{};  // JSON object
};

// All that came so far.
struct ChatText {
  std::string reasoning{};
  std::string content{};
  std::vector<ChatToolCall> calls{};
};

class ChatChoice {
 public:
  // The call must outlive the choice. Ids of tool calls follow from `answer_id` and `index`.
  ChatChoice(const ChatCall& call,
             const CoalesceLimits& limits,
             std::string_view answer_id,
             int32_t index);

  void push(const ChoiceOutput& output);
  void finish(const ChoiceEnd& end);
  // Tokens up to the end of the first call, once it is there and the request wants no second one.
  std::optional<int64_t> stop_after() const {
    return is_cut_ ? std::optional(static_cast<int64_t>(log_.num_tokens())) : std::nullopt;
  }

  bool is_finished() const { return end_.has_value(); }
  const ChoiceEnd& end() const { return *end_; }  // once finished
  // "tool_calls" if the answer ends with a call, else the engine's.
  std::string_view finish_reason() const;

  DeltaBuffer& buffer() { return buffer_; }
  const DeltaBuffer& buffer() const { return buffer_; }
  ChoiceLog& log() { return log_; }
  const ChoiceLog& log() const { return log_; }
  const ChatText& text() const { return text_; }
  const std::vector<PositionLogprobs>& prompt_logprobs() const { return prompt_logprobs_; }
  int64_t num_reasoning_tokens() const { return num_reasoning_tokens_; }
  std::string call_id(int32_t call_index) const;

 private:
  void take(const OutputToken& token);
  void take_reasoning(const OutputToken& token);
  void take_answer(TokenId id, std::string_view text);
  void add_calls(const text::ToolCallOutput& output);
  void add(DeltaKind kind, int32_t call_index, std::string_view text);

  const ChatCall& call_;
  std::string id_prefix_;
  std::optional<text::ReasoningParser> reasoning_;
  std::optional<text::ToolCallParser> tools_;
  DeltaBuffer buffer_;
  ChoiceLog log_;
  ChatText text_;
  std::vector<PositionLogprobs> prompt_logprobs_;
  int64_t num_reasoning_tokens_ = 0;
  bool is_cut_ = false;
  std::optional<ChoiceEnd> end_;
};

// Of all choices together, so far; the prompt counts once.
UsageCounts usage_of(const ChatCall& call, std::span<const ChatChoice> choices);

}  // namespace talon::server
