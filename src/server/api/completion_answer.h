// The answer to POST /v1/completions, as frames of an event stream or as one body (spec/serving.md
// 2.4, 2.6). It is fed with what OutputProcessor gives of each choice, and decides by itself what a
// frame is worth; the caller says when held text has waited long enough. Answer index = prompt
// index
// * n + choice. One thread.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "server/api/answer.h"
#include "server/api/completion_request.h"
#include "text/tokenizer.h"

namespace talon::server {

class CompletionAnswer {
 public:
  // References must outlive the answer.
  CompletionAnswer(const text::Tokenizer& tokenizer, const CompletionCall& call, AnswerHead head);
  ~CompletionAnswer();
  CompletionAnswer(CompletionAnswer&&) noexcept;
  CompletionAnswer& operator=(CompletionAnswer&&) = delete;

  void push(int32_t index, const ChoiceOutput& output);
  // After the last push of that choice.
  void finish(int32_t index, const ChoiceEnd& end);

  bool is_done() const;       // every choice is finished
  bool holds_text() const;    // take_frames(true) would give more than take_frames(false)
  UsageCounts usage() const;  // so far

  // The frames that may go out now; with `all` also what is held for company. Ends with the usage
  // frame, if there is one, and [DONE] once every choice is finished; empty after that.
  std::string take_frames(bool all);

  // The whole answer, once it is done. Not together with take_frames.
  std::string body(const std::optional<UsageTimings>& timings = {}) const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace talon::server
