// One request from prompt to answer on a local model: the loop that `generate`, `eval` and the
// benchmarks share.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "engine/request.h"
#include "engine/spec_stats.h"
#include "stream/local_model.h"
#include "stream/output_processor.h"

namespace talon {

struct CompletionRequest {
  std::string prompt;  // raw text, encoded as it stands; added tokens are recognised
  int32_t max_tokens = 512;
  bool ignore_eos = false;
  int32_t max_drafts = kMaxDrafts;
  OutputSettings output;
};

struct Completion {
  std::string text;
  std::vector<TokenId> tokens;
  FinishReason finish_reason = FinishReason::kLength;
  int64_t prompt_tokens = 0;
  SpecStats stats;
  double prefill_ms = 0.0;  // to the first token
  double decode_ms = 0.0;   // from the first token to the last

  // Tokens after the first over the time they took; 0 if there are none.
  double decode_tokens_per_s() const;
};

using SegmentSink = std::function<void(std::span<const TextSegment>)>;

// Throws Error with the engine's reason if it refuses the request. `sink` may be empty.
Completion complete(LocalModel& model, const CompletionRequest& request, const SegmentSink& sink);

}  // namespace talon
