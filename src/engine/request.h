// What a caller asks of the engine and what comes back: values, but for the event queue and the
// constraint. Stop strings are text and live above, in stream/output_processor.h.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/bounded_queue.h"
#include "base/ids.h"
#include "engine/sampling.h"

namespace talon {

// What a request's answer may look like, token by token: a grammar, for one. It always stands after
// the tokens that were accepted last. Called from the engine's thread only, one choice's constraint
// by that choice alone. A row under a constraint keeps the engine in the plain loop.
class TokenConstraint {
 public:
  virtual ~TokenConstraint() = default;

  // Sets bit i (word i / 32, bit i % 32) if token i may come next; `mask` has ceil(V / 32) words,
  // zeroed. At least one bit must be set.
  virtual void fill_mask(std::span<uint32_t> mask) = 0;
  // Moves past a token; false, and nothing changed, if it may not come next.
  virtual bool accept(TokenId token) = 0;
  // Takes back the last `count` accepted tokens; at most kMaxDrafts.
  virtual void rollback(int32_t count) = 0;
};

// The engine's part of a request whose prompt one engine computes and another one answers.
enum class HandoffRole : uint8_t {
  kNone,  // all of it
  // Compute KV of every prompt token but the last, in all planes, and hold the pages until they are
  // released. No token is drawn: sampling, stops, max_tokens and constraints have no effect.
  kPrefill,
  // Answer it once that KV has come, or compute the prompt after all (engine/handoff.h).
  kDecode,
};

struct Request {
  std::vector<TokenId> prompt;            // 1 .. context limit - 1 tokens
  int32_t max_tokens = 512;               // >= 1; clipped to the room left in the context
  bool ignore_eos = false;                // stop ids still act
  std::vector<TokenId> stop_token_ids{};  // besides the model's end-of-answer ids; at most 64
  int32_t max_drafts = kMaxDrafts;        // this request's cap on drafts a round
  SamplingSettings sampling{};
  int32_t num_choices = 1;           // n, 1..16: answers to the same prompt, each with its own seed
  int32_t num_logprobs = -1;         // per answer token 0..20 likeliest beside its own; -1: none
  int32_t num_prompt_logprobs = -1;  // likewise per prompt token; skips the prefix cache
  int32_t priority = 0;              // -1000..1000, lower runs earlier; only under kPriority
  std::string cache_salt{};          // prefixes are shared between equal salts only
  // One a choice, or none at all.
  std::vector<std::shared_ptr<TokenConstraint>> constraints{};
  // Other than kNone: a prompt of at least 2 tokens, without prompt logprobs; kPrefill: one choice.
  HandoffRole handoff = HandoffRole::kNone;
};

enum class FinishReason : uint8_t {
  kStop,    // end-of-answer id, stop id or stop string
  kLength,  // max_tokens or the context limit
  kCancelled,
  kPrefilled,      // of HandoffRole::kPrefill: the prompt's KV is held, no token was drawn
  kHandoffFailed,  // of HandoffRole::kDecode: the prompt's KV did not come
};

std::string_view finish_reason_name(FinishReason reason);  // "stop", "length", "cancelled", ...

// One committed step of a sequence, as counted when verified.
struct RoundRecord {
  bool is_prefill = false;  // the token comes from the last row of a (re)computed prefix
  int32_t drafted = 0;      // draft rows verified
  int32_t accepted = 0;     // before any cut
};

// Tokens that a step added, already cut at end-of-answer ids, stop ids and lengths. Token i of a
// round is draft i + 1 if i < accepted, else the target's own.
struct TokenEvent {
  std::vector<TokenId> tokens;
  RoundRecord round;
  std::vector<PositionLogprobs> logprobs;  // one a token, if asked for
  // Prompt positions 1, 2, .. in order, if asked for; they come before the first token.
  std::vector<PositionLogprobs> prompt_logprobs;
  int32_t cached_tokens = 0;           // of the prompt, found in the cache; in the first event
  std::optional<FinishReason> finish;  // set in the last event of a request
};

using EventQueue = BoundedQueue<TokenEvent>;

// One choice of a request.
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
