// A prompt and its answer on a local model, one at a time: `complete` runs a single one to its end,
// stream/offline_runner.h many at once.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <variant>
#include <vector>

#include "engine/request.h"
#include "engine/spec_stats.h"
#include "stream/local_model.h"
#include "stream/output_processor.h"

namespace talon {

struct CompletionRequest {
  std::string prompt{};  // raw text, encoded as it stands; added tokens are recognised
  std::vector<TokenId> prompt_tokens{};  // instead of the text, if not empty
  int32_t max_tokens = 512;
  bool ignore_eos = false;
  int32_t max_drafts = kMaxDrafts;
  SamplingSettings sampling{};
  int32_t num_choices = 1;    // n: answers to the prompt; choice j draws with seed + j
  int32_t num_logprobs = -1;  // per answer token 0..20 likeliest beside its own; -1: none
  OutputSettings output{};
};

// One choice.
struct Completion {
  int32_t choice = 0;  // 0..n - 1
  std::string text;
  std::vector<TokenId> tokens;
  std::vector<PositionLogprobs> logprobs;  // one a token, if asked for
  FinishReason finish_reason = FinishReason::kLength;
  int64_t prompt_tokens = 0;
  int64_t cached_tokens = 0;  // of the prompt
  SpecStats stats;
  double prefill_ms = 0.0;            // from its submission to the first token
  double decode_ms = 0.0;             // from the first token to the last
  bool synthetic_acceptance = false;  // acceptance was forced: the text means nothing
  bool synthetic_weights = false;     // they were random: likewise

  // Tokens after the first over the time they took; 0 if there are none.
  double decode_tokens_per_s() const;
};

// A completion, or why the engine did not take the request.
using CompletionOutcome = std::variant<Completion, Refusal>;

// Throws Error with the engine's reason for a refusal.
Completion completion_or_throw(CompletionOutcome&& outcome);

using SegmentSink = std::function<void(std::span<const TextSegment>)>;

// Of a request with one choice. Throws Error with the engine's reason if it refuses the request.
// `sink` may be empty. Other requests in the engine run along.
Completion complete(LocalModel& model, const CompletionRequest& request, const SegmentSink& sink);

// Likewise all choices of a request, in their order.
std::vector<Completion> complete_choices(LocalModel& model, const CompletionRequest& request);

}  // namespace talon
