// What one step does, as a value: made by the scheduler, executed by every runner, never changed.
// It is all a rank needs to know; two ranks with equal plans do equal work.
#pragma once

#include <cstdint>
#include <vector>

#include "base/ids.h"
#include "engine/engine_view.h"
#include "engine/sampling.h"

namespace talon {

// What limits the plans of an engine.
struct StepBounds {
  int32_t num_pages = 0;  // the null page included
  int64_t context_limit = 0;
  int32_t vocab_size = 0;
  int32_t max_sequences = 0;  // slots
  int32_t max_rows = 0;
  int32_t max_logit_rows = 0;
  int32_t max_drafts = 0;  // K
  bool has_drafter = false;

  friend bool operator==(const StepBounds&, const StepBounds&) = default;
};

// New rows of one sequence on top of its cached positions. Either tokens of a prefix (`tokens` is
// not empty), or a verify: the pending token and the first `num_drafts` of the drafts that the
// runner holds for the slot, both of which only the runner needs to know.
//
// In a plan made ahead the scheduler does not know how the round before it ends: `first_position`
// is then a lower bound, and a verify takes as many of the `num_drafts` rows as drafts are held.
struct PlanRow {
  SeqId sequence;
  SlotIndex slot;
  int64_t first_position = 0;   // kv_len
  std::vector<TokenId> tokens;  // a prefill chunk; empty: verify
  TokenId next_token;           // the prefix's token after the chunk; unused if `sample`
  int32_t num_drafts = 0;       // draft rows of a verify
  int32_t drafts_to_make = 0;   // drafts to propose afterwards; 0 in a chunk that does not sample
  bool sample = false;          // choose a token from the last row (verify: from every row)
  int32_t num_logprobs = -1;    // of chosen tokens; -1: none
  int32_t num_prompt_logprobs = -1;  // of the token after each row of a chunk; -1: none
  // One bit row of ceil(V / 32) words for each row that chooses; empty: no constraint.
  std::vector<uint32_t> masks;

  bool is_prefill() const { return !tokens.empty(); }
  int64_t num_rows() const { return is_prefill() ? std::ssize(tokens) : 1 + num_drafts; }
  // Rows that choose a token, the last ones.
  int32_t num_choices() const { return is_prefill() ? (sample ? 1 : 0) : 1 + num_drafts; }
};

// A sequence enters a slot: whatever the slot held is forgotten.
struct SlotPatch {
  SlotIndex slot;
  int64_t kv_len = 0;            // positions that its first pages hold already
  SamplingSettings sampling;     // seed: of this choice
  int64_t min_end_index = 0;     // ids of `end_ids` are not drawn for tokens below this index
  std::vector<TokenId> end_ids;  // empty if nothing is held back
  // For penalties, else empty: the known tokens, of which the first `prompt_len` are the prompt.
  std::vector<TokenId> tokens;
  int64_t prompt_len = 0;
};

// Pages appended to a slot's table before the step runs.
struct PagePatch {
  SlotIndex slot;
  int32_t first_index = 0;
  std::vector<PageId> pages;
};

// All planes of a page, copied before the step runs; in the order of the list.
struct PageCopy {
  PageId from;
  PageId to;
};

struct StepPlan {
  int64_t round = 0;                    // counts plans, from 1
  bool ahead = false;                   // made while the round before it was unread
  std::vector<SlotPatch> slot_patches;  // applied first
  std::vector<PagePatch> page_patches;
  std::vector<PageCopy> page_copies;
  std::vector<PlanRow> rows;

  bool empty() const { return rows.empty(); }
};

StepView view_of(const StepPlan& plan);

// What a row came to. `tokens` are the accepted drafts and the target's token after them, before
// any cut; empty in a chunk that does not sample.
struct RowResult {
  SeqId sequence;
  std::vector<TokenId> tokens;
  int32_t drafted = 0;  // draft rows verified
  int32_t accepted = 0;
  int64_t kv_len = 0;                             // the runner's, after the step
  std::vector<TokenId> drafts;                    // held for the next round
  std::vector<PositionLogprobs> logprobs;         // one a token, if asked for
  std::vector<PositionLogprobs> prompt_logprobs;  // one a row of the chunk but those without a
                                                  //   token after them, if asked for
};

// Time of a round's parts on the runner's device, in microseconds.
struct PhaseTimes {
  double gap_us = 0.0;     // since the end of the round launched before it; 0: it is the first
  double verify_us = 0.0;  // arrays of the step, target forward, choice, acceptance
  double extend_us = 0.0;
  double draft_us = 0.0;
};

struct StepResult {
  int64_t round = 0;
  std::vector<RowResult> rows;  // in the plan's order
  PhaseTimes times;
};

}  // namespace talon
