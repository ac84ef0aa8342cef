// The answer to POST /v1/completions (spec/serving.md 2.4, 2.6).
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "server/api/answer.h"
#include "server/api/completion_request.h"
#include "text/tokenizer.h"

namespace talon::server {

class CompletionAnswer : public Answer {
 public:
  // References must outlive the answer.
  CompletionAnswer(const text::Tokenizer& tokenizer, const CompletionCall& call, AnswerHead head);
  ~CompletionAnswer() override;
  CompletionAnswer(const CompletionAnswer&) = delete;
  CompletionAnswer& operator=(const CompletionAnswer&) = delete;

  void push(int32_t index, const ChoiceOutput& output) override;
  void finish(int32_t index, const ChoiceEnd& end) override;
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
