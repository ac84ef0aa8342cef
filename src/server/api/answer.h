// What all answers have in common. An answer is fed with what OutputProcessor gives of each choice,
// and gives the frames of an event stream, or one body at the end. It decides by itself what a
// frame is worth; its caller says when held text has waited long enough. One thread.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>

#include "engine/request.h"
#include "engine/spec_stats.h"
#include "server/api/delta_buffer.h"
#include "stream/output_processor.h"

namespace talon::server {

struct AnswerHead {
  std::string id{};
  int64_t created = 0;  // seconds since 1970
  CoalesceLimits coalesce{};
  bool always_usage = false;           // --always-usage
  int32_t num_speculative_tokens = 0;  // K, for the object `spec`
};

// What OutputProcessor gave of a choice. `tokens` are the new ones; the others are all so far, one
// logprob a kept token.
struct ChoiceOutput {
  std::span<const OutputToken> tokens{};
  std::span<const PositionLogprobs> logprobs{};
  std::span<const PositionLogprobs> prompt_logprobs{};
};

struct ChoiceEnd {
  FinishReason reason = FinishReason::kStop;
  int32_t cached_tokens = 0;  // of the prompt
  SpecStats stats{};
};

struct UsageCounts {
  int64_t prompt_tokens = 0;
  int64_t completion_tokens = 0;
  int64_t cached_tokens = 0;
  std::optional<int64_t> reasoning_tokens{};  // of chat answers
};

// Of a whole answer (--usage-timings).
struct UsageTimings {
  double ttft_s = 0.0;
  double tpot_s = 0.0;
  double latency_s = 0.0;
};

// Choices count from 0; with several prompts, choice j of prompt i is i * n + j.
class Answer {
 public:
  virtual ~Answer() = default;

  virtual void push(int32_t index, const ChoiceOutput& output) = 0;
  // After the last push of that choice, once.
  virtual void finish(int32_t index, const ChoiceEnd& end) = 0;
  // Once the choice has all that the request wants: how many of its tokens that took. It ends
  // there, reason kStop, whatever came behind them; what is pushed after that is dropped.
  virtual std::optional<int64_t> stop_after(int32_t /*index*/) const { return std::nullopt; }

  virtual bool is_done() const = 0;       // every choice is finished
  virtual bool holds_text() const = 0;    // take_frames(true) would give something
  virtual UsageCounts usage() const = 0;  // so far

  // The frames that may go out now; with `all` also what is held for company. Once every choice is
  // finished they end with the last frame of the protocol; empty after that.
  virtual std::string take_frames(bool all) = 0;

  // The whole answer, once it is done. Not together with take_frames.
  virtual std::string body(const std::optional<UsageTimings>& timings) const = 0;
};

}  // namespace talon::server
