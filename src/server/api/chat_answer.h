// The answer to POST /v1/chat/completions (spec/serving.md 2.5, 2.6).
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "server/api/answer.h"
#include "server/api/chat_request.h"
#include "text/tokenizer.h"

namespace talon::server {

class ChatAnswer : public Answer {
 public:
  // References must outlive the answer.
  ChatAnswer(const text::Tokenizer& tokenizer, const ChatCall& call, AnswerHead head);
  ~ChatAnswer() override;
  ChatAnswer(const ChatAnswer&) = delete;
  ChatAnswer& operator=(const ChatAnswer&) = delete;

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
