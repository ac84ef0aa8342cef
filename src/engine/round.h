// The speculative round on device state: what happens between a plan and its result.
//
//   forward   the target over all rows; logits where they are needed, taps for the drafter
//   verify    choose a token per logit row, accept the leading drafts that agree
//   advance   kv_len, pending token
//   extend    the drafter over all rows with the true taps: row p takes token p + 1
//   draft     K tokens per sampling sequence, kept in RoundState for the next round
//
// Everything is a call of an op or of Model and Drafter on buffers taken at start-up. Owned by a
// runner. `drafter` may be null: a round is then forward, verify, advance.
#pragma once

#include <cstdint>
#include <vector>

#include "core/arena.h"
#include "core/buffer.h"
#include "core/stream.h"
#include "engine/batch_builder.h"
#include "engine/round_state.h"
#include "engine/step_plan.h"
#include "kv/kv_store.h"
#include "model/model.h"
#include "spec/drafter.h"

namespace talon {

class Round {
 public:
  // References must outlive the round. `allowed` [V] u8: ids that may be chosen.
  Round(const Model& model,
        const Drafter* drafter,
        ConstTensorView allowed,
        const StepSizes& sizes,
        const RoundState& state);

  // Runs the step of `arrays`, made from `plan`, and reads the result.
  StepResult run(Stream stream, const StepPlan& plan, const StepArrays& arrays, KvStore& kv);

 private:
  void forward(Stream stream, const StepArrays& arrays, KvStore& kv);
  void verify(Stream stream, const StepArrays& arrays);
  void advance(const StepPlan& plan, const StepArrays& arrays);
  void extend(Stream stream, const StepArrays& arrays, KvStore& kv);
  void draft(Stream stream, const StepArrays& arrays, KvStore& kv, int32_t num_drafts);
  void store_drafts(const StepPlan& plan, int32_t num_made);
  StepResult read_result(const StepPlan& plan, const StepArrays& arrays) const;

  const Model& model_;
  const Drafter* drafter_;
  ConstTensorView allowed_;
  StepSizes sizes_;
  const RoundState& state_;
  Arena arena_;
  Buffer logits_;          // [R, V] f32
  Buffer taps_;            // [T, A * C]
  Buffer features_;        // [B, C]
  Buffer keys_;            // [R] u64
  Buffer integers_;        // the [R] and [B] arrays below
  TensorView choices_;     // [R] i32
  TensorView accepted_;    // [B] i32, -1 where nothing was sampled
  TensorView next_token_;  // [B] i32
  TensorView last_rows_;   // [B] i32
  TensorView kv_len_;      // [B] i32, advanced
  TensorView active_;      // [B] i32
  Buffer new_drafts_;      // [B, K] i32
};

}  // namespace talon
