// Turns a plan into the arrays of a step. What the plan says (which rows of which slots, tokens of
// prompts) is written by the host; what depends on lengths and tokens is made from RoundState by
// ops, so that a plan may be made before the round in front of it was read. Sizes are those of the
// largest step, settled at start-up and checked here.
//
// Owned by a runner. The arrays live as long as the builder and are overwritten by the next build.
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

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

  // Rows that choose a token: every row of a verify, the last one of a prompt.
  int32_t max_choices() const { return max_sequences * (max_drafts + 1); }
  // Prompt log-probabilities take what is left of a step, so a small batch gets a little more than
  // it needs.
  int32_t max_logit_rows() const { return std::max(max_choices(), 64); }
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
  TensorView choice_num_top;  // [R_c] i32: log-probabilities asked for; -1: none
  TensorView first_choice;    // [B] i32: a sequence's first choice; -1: it does not sample
  TensorView num_drafts;      // [B] i32: draft rows verified
  TensorView new_drafts;      // [B] i32: drafts to make
  TensorView drafts;          // [B, K] i32: the drafts being verified
  // An entry for each row of a chunk whose next token the plan knows, if its log-probability is
  // asked for.
  TensorView prompt_logits;     // [M] i32: its row of logits
  TensorView prompt_tokens;     // [M] i32: the token after it
  TensorView prompt_num_top;    // [M] i32
  bool wants_logprobs = false;  // of some choice
};

class BatchBuilder {
 public:
  BatchBuilder(const StepSizes& sizes, const RoundState& state);

  // Applies the plan's slot and page patches to the state, and makes the step's arrays from both.
  StepArrays build(Stream stream, const StepPlan& plan);

 private:
  void patch_slots(Stream stream, const StepPlan& plan);
  void list_rows(const StepPlan& plan);
  void add_prefill(const PlanRow& row, int32_t sequence);
  void add_verify(const PlanRow& row, int32_t sequence);
  void add_row(int32_t token, int32_t offset, int32_t sequence, int32_t next);
  void add_logit_row();
  void add_choice(const PlanRow& row, int32_t offset);
  void add_prompt_entry(const PlanRow& row, int32_t token);
  StepArrays views(int32_t num_sequences) const;

  StepSizes sizes_;
  const RoundState& state_;
  std::vector<int32_t> joins_;  // of ops::patch_slots
  std::vector<int32_t> pages_;
  Buffer given_;  // what the host writes
  struct Given {
    int32_t* tokens;  // [T] -1: the pending token or a draft
    int32_t* row_sequence;
    int32_t* row_offsets;  // [T] positions past the sequence's kv_len
    int32_t* next_tokens;
    int32_t* logit_rows;
    int32_t* choice_rows;
    int32_t* choice_logits;
    int32_t* choice_slots;
    int32_t* choice_offsets;
    int32_t* choice_num_top;
    int32_t* prompt_logits;
    int32_t* prompt_tokens;
    int32_t* prompt_num_top;
    int32_t* query_starts;
    int32_t* query_lens;
    int32_t* slots;
    int32_t* first_choice;
    int32_t* num_drafts;
    int32_t* new_drafts;
  } given_at_{};
  Buffer made_;  // what ops make
  struct Made {
    int32_t* token_ids;
    int32_t* positions;
    int32_t* kv_lens;
    int32_t* choice_indices;
    int32_t* drafts;
    int32_t* page_table;
  } made_at_{};
  Buffer write_slots_;  // [T] i64
  int32_t num_rows_ = 0;
  int32_t num_logit_rows_ = 0;
  int32_t num_choices_ = 0;
  int32_t num_prompt_entries_ = 0;
  bool wants_logprobs_ = false;
};

}  // namespace talon
