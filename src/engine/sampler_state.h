// How each slot's tokens are drawn, on the runner's device: the settings of ops/choose.h, written
// when a sequence enters a slot, and the counts behind its penalties, which grow with what it
// emits. All memory is taken at construction: for a slot 4 bytes an id of counts and a bit an id of
// its mask, which only slots that need them touch. Owned by a runner, used from its thread.
#pragma once

#include <cstdint>

#include "base/ids.h"
#include "core/arena.h"
#include "core/stream.h"
#include "core/tensor_view.h"
#include "engine/sampling.h"
#include "engine/step_plan.h"
#include "ops/choose.h"

namespace talon {

class SamplerState {
 public:
  static constexpr int32_t kMaxEndIds = 96;  // the 64 stop ids of a request and the model's own
  static constexpr int32_t kMaxBiases = 1024;

  // All slots start plain greedy.
  SamplerState(int32_t num_slots, int32_t vocab_size, Device device = kCpuDevice);

  // Replaces everything the slot held. Ids must lie in the vocabulary.
  void apply(const SlotPatch& patch);

  // Adds the tokens that a step emitted to the counts of their slots; tokens [N] i32, -1: none;
  // slots [N] i32.
  void count(Stream stream, ConstTensorView tokens, ConstTensorView slots);

  ops::SlotSampling views() const;

  // Whether every row of the slot that has no constraint is the argmax of its raw logits.
  bool is_plain_greedy(SlotIndex slot) const;

 private:
  void apply_lists(const SlotPatch& patch);
  void apply_mask(const SamplingSettings& sampling, int32_t slot);
  void apply_counts(const SlotPatch& patch);
  void check_token(TokenId token) const;

  int32_t vocab_size_;
  Arena arena_;               // of all that follows
  TensorView flags_;          // [S] i32
  TensorView seed_;           // [S] i64
  TensorView temperature_;    // [S] f32
  TensorView top_k_;          // [S] i32
  TensorView top_p_;          // [S] f32
  TensorView min_p_;          // [S] f32
  TensorView repetition_;     // [S] f32
  TensorView presence_;       // [S] f32
  TensorView frequency_;      // [S] f32
  TensorView min_end_index_;  // [S] i32
  TensorView end_ids_;        // [S, kMaxEndIds] i32
  TensorView bias_ids_;       // [S, kMaxBiases] i32
  TensorView bias_values_;    // [S, kMaxBiases] f32
  TensorView masks_;          // [S, W] i32
  TensorView counts_;         // [S, V] i32
};

}  // namespace talon
