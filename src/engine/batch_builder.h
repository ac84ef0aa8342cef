// Turns a plan into the arrays of a step. The host part of a step (page patches, prefill tokens)
// is written into the state and the step buffers; everything that depends on lengths is read from
// RoundState. Sizes are those of the largest step, settled at start-up and checked here.
//
// Owned by a runner. The arrays live as long as the builder and are overwritten by the next build.
#pragma once

#include <algorithm>
#include <cstdint>

#include "core/buffer.h"
#include "core/stream.h"
#include "engine/round_state.h"
#include "engine/step_plan.h"
#include "model/batch.h"

namespace talon {

struct StepSizes {
  int32_t max_rows = 0;       // T
  int32_t max_sequences = 0;  // B
  int32_t max_drafts = 0;     // K
  int32_t context_limit = 0;

  // Logit rows: every row of a verify, one of a prefill chunk. Prompt log-probabilities take what
  // is left of a step, so a small batch gets a little more than it needs.
  int32_t max_logit_rows() const { return std::max(max_sequences * (max_drafts + 1), 64); }
};

// The batch of the target and what the rest of the round needs beside it. A choice is a row whose
// logits choose a token; R_c of the R rows with logits do, in order.
struct StepArrays {
  Batch batch;
  TensorView next_tokens;     // [T] i32: the token after each row, as far as the plan knows it
  TensorView slots;           // [B] i32: of each sequence
  TensorView choice_rows;     // [R_c] i32: the row of each choice
  TensorView choice_logits;   // [R_c] i32: its row of logits
  TensorView choice_slots;    // [R_c] i32: its slot
  TensorView choice_indices;  // [R_c] i32: absolute index of the token that it draws
  TensorView choice_offsets;  // [R_c] i32: drafts before it in its sequence's verify
  TensorView first_choice;    // [B] i32: a sequence's first choice; -1: it does not sample
  TensorView num_drafts;      // [B] i32: draft rows verified
  TensorView drafts;          // [B, K] i32: the drafts being verified
};

class BatchBuilder {
 public:
  BatchBuilder(const StepSizes& sizes, const RoundState& state);

  StepArrays build(Stream stream, const StepPlan& plan);

 private:
  void apply_patches(const StepPlan& plan);
  void add_prefill(const PlanRow& row, int32_t sequence);
  void add_verify(const PlanRow& row, int32_t sequence, bool ahead);
  void add_row(int32_t token, int32_t position, int32_t sequence, int32_t next);
  void add_logit_row();
  void add_choice(int32_t slot, int32_t offset);
  StepArrays views(int32_t num_sequences) const;

  StepSizes sizes_;
  const RoundState& state_;
  Buffer buffer_;
  struct Pointers {
    int32_t* tokens;
    int32_t* positions;
    int32_t* row_sequence;
    int32_t* next_tokens;
    int32_t* logit_rows;
    int32_t* choice_rows;
    int32_t* choice_logits;
    int32_t* choice_slots;
    int32_t* choice_indices;
    int32_t* choice_offsets;
    int32_t* query_starts;
    int32_t* query_lens;
    int32_t* kv_lens;
    int32_t* slots;
    int32_t* first_choice;
    int32_t* num_drafts;
    int32_t* drafts;
    int32_t* page_table;
  } at_{};
  Buffer write_slots_;  // [T] i64
  int32_t num_rows_ = 0;
  int32_t num_logit_rows_ = 0;
  int32_t num_choices_ = 0;
};

}  // namespace talon
