// What a caller asks of the engine and what comes back: values only. Sampling in this engine is
// greedy; a request is a prompt, limits and stop ids. Stop strings are text and live above, in
// stream/output_processor.h.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/bounded_queue.h"
#include "base/ids.h"

namespace talon {

struct Request {
  std::vector<TokenId> prompt;          // 1 .. context limit - 1 tokens
  int32_t max_tokens = 512;             // >= 1; clipped to the room left in the context
  bool ignore_eos = false;              // stop ids still act
  std::vector<TokenId> stop_token_ids;  // besides the model's end-of-answer ids; at most 64
  int32_t max_drafts = kMaxDrafts;      // this request's cap on drafts a round
};

enum class FinishReason : uint8_t {
  kStop,    // end-of-answer id, stop id or stop string
  kLength,  // max_tokens or the context limit
  kCancelled,
};

std::string_view finish_reason_name(FinishReason reason);  // "stop", "length", "cancelled"

// One committed step of a sequence, as counted when verified.
struct RoundRecord {
  bool is_prefill = false;  // the first token comes from the prompt's last row
  int32_t drafted = 0;      // draft rows verified
  int32_t accepted = 0;     // before any cut
};

// Tokens that a step added, already cut at end-of-answer ids, stop ids and lengths. Token i of a
// round is draft i + 1 if i < accepted, else the target's own.
struct TokenEvent {
  std::vector<TokenId> tokens;
  RoundRecord round;
  std::optional<FinishReason> finish;  // set in the last event of a request
};

using EventQueue = BoundedQueue<TokenEvent>;

struct Submission {
  SeqId id;
  std::shared_ptr<EventQueue> events;  // shared with the engine; holds every event of the request
};

// Why a request was not taken. `field` names the setting at fault.
struct Refusal {
  enum class Code : uint8_t { kInvalid, kContextLength, kQueueFull };
  Code code = Code::kInvalid;
  std::string field;
  std::string message;
};

}  // namespace talon
