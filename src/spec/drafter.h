// A draft model on one rank. Its KV lies in planes of the same pages as the target's, one token
// ahead: row p is made from the tap of position p and token p + 1 (spec/eagle3.md 0.1). Owned by a
// runner and used from its thread only; like Model it obeys the blind-forward rule.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "core/arena.h"
#include "core/stream.h"
#include "core/tensor_view.h"
#include "kv/kv_layout.h"
#include "kv/kv_store.h"
#include "model/batch.h"

namespace talon {

struct ExtendArgs {
  const Batch& batch;           // the target's batch of this step
  ConstTensorView taps;         // [T, A * C] from Model::forward
  ConstTensorView next_tokens;  // [T] i32: the token after each row
  // [B] i32: the row whose feature starts the chain; -1: none. Empty: nobody drafts in this step.
  ConstTensorView last_rows;
  TensorView features;  // out [B, C] activation type: carried features of these rows; or empty
};

// How sequences that are not greedy draw their drafts (ops/draw_draft.h). Without `slots` all
// drafts are greedy.
struct DraftSampling {
  ConstTensorView slots;        // [B] i32
  ConstTensorView seeds;        // [S] i64
  ConstTensorView temperature;  // [S] f32, 0: greedy
  TensorView laws;  // out [S, K', V] f32, K' >= K: by slot, over the target's ids, the law
                    //   that each draft was drawn from. Empty: the drafts share the
                    //   target's noise and no law is kept
};

struct DraftArgs {
  TensorView features;         // [B, C] in: from extend; overwritten by the chain
  ConstTensorView kv_len;      // [B] i32: valid positions after the step's acceptance
  ConstTensorView active;      // [B] i32: 1 if the sequence drafts, else 0
  ConstTensorView page_table;  // [B, P] i32
  int32_t context_limit;
  TensorView drafts;  // out [B, K] i32, K >= 1; rows of inactive sequences are undefined
  DraftSampling sampling{};
};

class Drafter {
 public:
  virtual ~Drafter() = default;

  // Ascending target layers whose input it reads.
  virtual std::span<const int32_t> taps() const = 0;
  virtual KvLayout kv_layout() const = 0;

  // Writes the drafter's KV of all rows of the step from true taps (overwriting what a chain had
  // guessed there) and gives the features of the last rows.
  virtual void extend(Stream stream, const ExtendArgs& args, KvStore& kv, Arena& arena) const = 0;

  // Drafts K = drafts.size(1) tokens per sequence. Draft 0 comes from `features`; chain step i
  // writes provisional KV at position kv_len + i - 1.
  virtual void draft(Stream stream, const DraftArgs& args, KvStore& kv, Arena& arena) const = 0;

  // An upper bound of the arena use of either call.
  virtual int64_t scratch_bytes(int32_t num_rows, int32_t num_sequences) const = 0;
};

}  // namespace talon
