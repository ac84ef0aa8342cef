// The answer to POST /v1/responses: a list of items (reasoning, message, function calls), as events
// of a stream or as one body. One choice.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "server/api/answer.h"
#include "server/api/chat_request.h"

namespace talon::server {

class ResponsesAnswer : public Answer {
 public:
  // The call must outlive the answer.
  ResponsesAnswer(const ChatCall& call, AnswerHead head);
  ~ResponsesAnswer() override;
  ResponsesAnswer(const ResponsesAnswer&) = delete;
  ResponsesAnswer& operator=(const ResponsesAnswer&) = delete;

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
