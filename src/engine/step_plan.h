// What one step does, as a value: made by the scheduler, executed by every runner, never changed.
// It is all a rank needs to know; two ranks with equal plans do equal work.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/ids.h"

namespace talon {

// New rows of one sequence on top of its cached positions. Either prompt tokens (`tokens` is not
// empty), or a verify: the pending token and the first `num_drafts` of the drafts that the runner
// holds for the slot, both of which only the runner needs to know.
struct PlanRow {
  SeqId sequence;
  SlotIndex slot;
  int64_t first_position = 0;   // kv_len
  std::vector<TokenId> tokens;  // a prefill chunk; empty: verify
  TokenId next_token;           // the prompt's token after the chunk; unused if `sample`
  int32_t num_drafts = 0;       // draft rows of a verify
  int32_t drafts_to_make = 0;   // drafts to propose afterwards; 0 in a chunk that does not sample
  bool sample = false;          // choose a token from the last row (verify: from every row)

  bool is_prefill() const { return !tokens.empty(); }
  int64_t num_rows() const { return is_prefill() ? std::ssize(tokens) : 1 + num_drafts; }
};

// Pages appended to a slot's table before the step runs; first_index 0 starts a new sequence.
struct PagePatch {
  SlotIndex slot;
  int32_t first_index = 0;
  std::vector<PageId> pages;
};

struct StepPlan {
  int64_t round = 0;  // counts plans, from 1
  std::vector<PagePatch> page_patches;
  std::vector<PlanRow> rows;

  bool empty() const { return rows.empty(); }
};

// What a row came to. `tokens` are the accepted drafts and the target's token after them, before
// any cut; empty in a chunk that does not sample.
struct RowResult {
  SeqId sequence;
  std::vector<TokenId> tokens;
  int32_t drafted = 0;
  int32_t accepted = 0;
  int64_t kv_len = 0;      // the runner's, after the step
  int32_t num_drafts = 0;  // held for the next round
};

// Time of a round's parts on the runner, in microseconds.
struct PhaseTimes {
  double verify_us = 0.0;  // target forward, choice, acceptance
  double extend_us = 0.0;
  double draft_us = 0.0;
};

struct StepResult {
  int64_t round = 0;
  std::vector<RowResult> rows;  // in the plan's order
  PhaseTimes times;
};

// One JSON line each, for traces and bug reports.
std::string to_json_line(const StepPlan& plan);
std::string to_json_line(const StepResult& result);

}  // namespace talon
