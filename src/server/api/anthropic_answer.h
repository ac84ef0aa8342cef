// The answer to POST /v1/messages: a message of blocks, as events of a stream or as one body. One
// choice. A stop string is reported as end_turn, since the engine does not tell them apart.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "server/api/answer.h"
#include "server/api/chat_request.h"

namespace talon::server {

class AnthropicAnswer : public Answer {
 public:
  // The call must outlive the answer.
  AnthropicAnswer(const ChatCall& call, AnswerHead head);
  ~AnthropicAnswer() override;
  AnthropicAnswer(const AnthropicAnswer&) = delete;
  AnthropicAnswer& operator=(const AnthropicAnswer&) = delete;

  void push(int32_t index, const ChoiceOutput& output) override;
  void finish(int32_t index, const ChoiceEnd& end) override;
  std::optional<int64_t> stop_after(int32_t index) const override;
  bool is_done() const override;
  bool holds_text() const override;
  UsageCounts usage() const override;
  std::string take_frames(bool all) override;
  std::string body(const std::optional<UsageTimings>& timings) const override;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace talon::server
