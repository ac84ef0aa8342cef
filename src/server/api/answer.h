// What all answers are made from: who answers, what the engine said of a choice, what is counted.
// Values.
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

}  // namespace talon::server
