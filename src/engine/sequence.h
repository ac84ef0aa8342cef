// One choice of a request inside the engine. Owned by the scheduler, touched by the engine thread
// only.
//
// THE INVARIANT. Between rounds a running sequence has n tokens, and target and drafter KV are both
// valid for exactly positions [0, kv_len), with kv_len == n - 1. The last token is pending: known,
// but not in the cache. A sequence that still prefills has kv_len < n - 1, and both KVs are valid
// for [0, kv_len) all the same. Rollback of rejected drafts is assignment of kv_len and nothing
// else. While a round is in flight kv_len is the committed value, a lower bound of the device's.
#pragma once

#include <compare>
#include <cstdint>
#include <memory>
#include <vector>

#include "base/hash.h"
#include "base/ids.h"
#include "engine/request.h"
#include "kv/page_pool.h"
#include "spec/survival.h"

namespace talon {

// The order in which sequences are served: smaller first, later ones are preempted first. Waiting
// ages every sequence alike, so the order of two never changes and needs no clock:
// priority * 256 + step of arrival compares as priority - steps waited / 256 does.
struct ServiceOrder {
  int64_t rank = 0;     // 0 under kFcfs
  int64_t arrival = 0;  // the sequence's id

  friend auto operator<=>(const ServiceOrder&, const ServiceOrder&) = default;
};

struct Sequence {
  Sequence(SeqId seq_id, PagePool& pool) : id(seq_id), pages(pool) {}

  enum class State : uint8_t {
    kWaiting,     // no slot, no pages, kv_len 0
    kRunning,     // has a slot
    kDraining,    // ended; keeps slot and pages until the rounds that it takes part in are read
    kHeld,        // prefilled for a handoff; no slot, keeps its pages until they are released
    kAwaitingKv,  // no slot; has its pages, which another engine writes; kv_len 0
    kReady,       // no slot; all its KV but that of the last token has come
  };

  SeqId id;
  State state = State::kWaiting;
  ServiceOrder order;
  Request request;  // of this choice: its own seed and constraint; prompt moved to `tokens`
  std::shared_ptr<TokenConstraint> constraint;  // may be null
  std::shared_ptr<EventQueue> events;
  SeqId leader;  // the choice whose prompt pages this one may share; id 0: none

  std::vector<TokenId> tokens;  // prompt and kept output: n of them
  int64_t prompt_len = 0;
  int64_t prefill_len = 0;  // n when it was last admitted: positions to compute before it samples
  int64_t max_len = 0;      // n never passes it
  int64_t kv_len = 0;
  std::vector<TokenId> drafts;  // that the runner holds for the next round
  Survival survival;

  SlotIndex slot;
  PageTable pages;
  int64_t num_patched_pages = 0;  // of `pages`, that the runner knows
  int64_t num_keyed_pages = 0;    // of `pages`, whose chain key went into `chain_key`
  Hash128 chain_key;
  int32_t rounds_in_flight = 0;
  bool expects_kv = false;  // of its prompt from another engine, until it came or failed

  int32_t cached_tokens = 0;  // of the prompt, found in the cache at first admission
  bool has_event = false;     // whether one was sent
  std::vector<PositionLogprobs> prompt_logprobs;  // until the first event

  int64_t num_tokens() const { return std::ssize(tokens); }
  int64_t num_output_tokens() const { return num_tokens() - prompt_len; }

  bool has_slot() const { return state == State::kRunning || state == State::kDraining; }

  // Whether it is prefilled for another engine, and never samples.
  bool is_for_handoff() const { return request.handoff == HandoffRole::kPrefill; }
  // Positions to compute in chunks: the last of them samples, unless it is for a handoff.
  int64_t prefill_end() const { return is_for_handoff() ? prefill_len - 1 : prefill_len; }
  // Whether positions that it needs before it samples are missing in the cache.
  bool is_prefilling() const { return num_tokens() == prefill_len && kv_len < prefill_end(); }
};

}  // namespace talon
