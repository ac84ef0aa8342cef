// Turns a plan into the arrays of a step. What the plan says (which rows of which slots, tokens of
// prompts) is written by the host; what depends on lengths and tokens is made from RoundState by
// ops, so that a plan may be made before the round in front of it was read. Sizes are those of the
// largest step, settled at start-up and checked here.
//
// A step of verifies alone may be laid out for a captured round: a fixed number of rows a sequence,
// of which those past its drafts are dead, and as many sequences as the graph has, of which those
// past the plan's are padding. Nothing but array contents then depends on the plan.
//
// Owned by a runner. The arrays live as long as the builder and are overwritten by the next build.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <vector>

#include "core/buffer.h"
#include "core/host_buffer.h"
#include "core/stream.h"
#include "engine/executor.h"
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
  int32_t num_new_drafts = 0;   // the most of new_drafts
};

class BatchBuilder {
 public:
  BatchBuilder(const StepSizes& sizes, const RoundState& state);

  // Applies the plan's slot and page patches to the state.
  void patch_slots(Stream stream, const StepPlan& plan);

  // Writes what the plan says into the step's arrays, laid out for `key` if there is one: the plan
  // then holds verifies without log-probabilities and fits the key. No plan rows: all padding.
  void fill(Stream stream, const StepPlan& plan, const GraphKey* key = nullptr);

  // Makes the rest of the step that was filled in last.
  StepArrays make(Stream stream) const;

 private:
  void list_rows(const StepPlan& plan);
  void list_padded(const StepPlan& plan, const GraphKey& key);
  void begin_sequence(const PlanRow& row, int32_t sequence);
  void add_prefill(const PlanRow& row, int32_t sequence);
  void add_verify(const PlanRow& row, int32_t sequence);
  void add_dead_rows(int32_t count, int32_t sequence);
  void add_row(int32_t token, int32_t offset, int32_t sequence, int32_t next);
  void add_logit_row();
  void add_choice(const PlanRow& row, int32_t offset);
  void add_prompt_entry(const PlanRow& row, int32_t token);
  bool holds_already(const StepPlan& plan, const GraphKey* key);
  StepArrays views() const;

  StepSizes sizes_;
  const RoundState& state_;
  std::vector<int32_t> joins_;  // of ops::patch_slots
  std::vector<int32_t> pages_;
  Buffer patch_there_;  // their copy where the state is on a GPU
  Buffer given_;        // what the host writes; on a GPU by way of the next two in turn
  std::array<HostBuffer, 2> staging_;
  int64_t num_uploads_ = 0;
  std::vector<int32_t> held_;  // what a padded step in given_ was made from; empty: another step
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
  };
  Given given_arrays(std::byte* data) const;
  Given given_at_{};  // where the host writes
  Given views_at_{};  // the same in given_
  Buffer made_;       // what ops make
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
  int32_t num_sequences_ = 0;
  int32_t num_new_drafts_ = 0;
  bool wants_logprobs_ = false;
};

}  // namespace talon
