// The speculative round on device state: what happens between a plan and its result.
//
//   forward   the target over all rows; logits where they are needed, taps for the drafter
//   verify    choose a token per logit row, accept the leading drafts that agree
//   advance   kv_len, pending token
//   extend    the drafter over all rows with the true taps: row p takes token p + 1
//   draft     K tokens per sampling sequence
//   finish    the drafts into RoundState for the next round, the result into the ring
//
// Everything is a call of an op or of Model and Drafter on buffers taken at start-up; nothing of
// the device is read on the host. Owned by a runner. `drafter` may be null: there is then neither
// extend nor draft.
#pragma once

#include <cstdint>

#include "core/arena.h"
#include "core/buffer.h"
#include "core/stream.h"
#include "engine/batch_builder.h"
#include "engine/result_ring.h"
#include "engine/round_state.h"
#include "engine/sampler_state.h"
#include "engine/step_plan.h"
#include "engine/verifier.h"
#include "kv/kv_store.h"
#include "model/model.h"
#include "spec/drafter.h"

namespace talon {

// All must outlive the round.
struct RoundParts {
  const Model& model;
  const Drafter* drafter;   // may be null
  ConstTensorView allowed;  // [V] u8: ids that may be chosen
  const RoundState& state;
  SamplerState& sampler;
  const ResultRing& ring;
};

class Round {
 public:
  Round(const RoundParts& parts, const StepSizes& sizes, const VerifierOptions& options);

  // Of logits, taps and the arena, which are most of what it takes. `drafter` may be null.
  static int64_t buffer_bytes(const Model& model, const Drafter* drafter, const StepSizes& sizes);

  // Queues the stamp of the round's start: first of all its work, the making of arrays included.
  void begin(Stream stream) const;

  // Queues the step of `arrays`, which is launch number `launch`. Of the plan only the constraints
  // are looked at. The result is in the ring when the stream has come so far.
  void launch(
      Stream stream, const StepPlan& plan, const StepArrays& arrays, int64_t launch, KvStore& kv);

 private:
  TensorView logits(const StepArrays& arrays) const;
  void forward(Stream stream, const StepArrays& arrays, KvStore& kv);
  void advance(Stream stream, const StepArrays& arrays);
  void extend(Stream stream, const StepArrays& arrays, KvStore& kv, bool drafts_follow);
  void draft(Stream stream, const StepArrays& arrays, KvStore& kv, int32_t num_drafts);
  void finish(Stream stream, const StepArrays& arrays, int32_t num_drafts);
  void stamp(Stream stream, int32_t time) const;

  const Model& model_;
  const Drafter* drafter_;
  StepSizes sizes_;
  const RoundState& state_;
  const ResultRing& ring_;
  Verifier verifier_;
  Arena arena_;
  Buffer logits_;         // [R, V] f32
  Buffer taps_;           // [T, A * C]
  Buffer features_;       // [B, C]
  Buffer integers_;       // the [B] arrays below
  TensorView last_rows_;  // [B] i32
  TensorView kv_len_;     // [B] i32, advanced
  TensorView active_;     // [B] i32
  Buffer new_drafts_;     // [B, K] i32
  Buffer clock_;          // the [..] i64 views below
  TensorView counter_;    // [1] i64: rounds finished
  TensorView times_;      // [kRoundTimes - 1] i64
};

}  // namespace talon
