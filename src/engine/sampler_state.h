// How each slot's tokens are drawn, on the runner's device: the settings of ops/choose.h, written
// when a sequence enters a slot, and the counts behind its penalties, which grow with what it
// emits. All memory is taken at construction: for a slot 4 bytes an id of counts and a bit an id of
// its mask, which only slots that need them touch. On a GPU the host keeps a copy of all but the
// counts, writes settings there and copies what it touched. Owned by a runner, used from its
// thread.
#pragma once

#include <cstdint>
#include <vector>

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

  // All slots start plain greedy; on a GPU they hold nothing before their first patch.
  SamplerState(int32_t num_slots, int32_t vocab_size, Device device = kCpuDevice);

  // Replaces everything the slot held. Ids must lie in the vocabulary.
  void apply(Stream stream, const SlotPatch& patch);

  // Adds the tokens that a step emitted to the counts of their slots; tokens [N] i32, -1: none;
  // slots [N] i32.
  void count(Stream stream, ConstTensorView tokens, ConstTensorView slots);

  ops::SlotSampling views() const;

  // Whether every row of the slot that has no constraint is the argmax of its raw logits.
  bool is_plain_greedy(SlotIndex slot) const;

 private:
  struct Arrays {
    TensorView flags;          // [S] i32
    TensorView seed;           // [S] i64
    TensorView temperature;    // [S] f32
    TensorView top_k;          // [S] i32
    TensorView top_p;          // [S] f32
    TensorView min_p;          // [S] f32
    TensorView repetition;     // [S] f32
    TensorView presence;       // [S] f32
    TensorView frequency;      // [S] f32
    TensorView min_end_index;  // [S] i32
    TensorView end_ids;        // [S, kMaxEndIds] i32
    TensorView bias_ids;       // [S, kMaxBiases] i32
    TensorView bias_values;    // [S, kMaxBiases] f32
    TensorView masks;          // [S, W] i32
  };

  static Arrays take_arrays(Arena& arena, int32_t num_slots, int32_t vocab_size);
  void write(const SlotPatch& patch);
  void write_lists(const SlotPatch& patch);
  void write_mask(const SamplingSettings& sampling, int32_t slot);
  void write_counts(Stream stream, const SlotPatch& patch);
  void upload(Stream stream, int32_t slot) const;
  void check_token(TokenId token) const;
  bool is_mirrored() const { return host_.flags.data() != device_.flags.data(); }

  int32_t vocab_size_;
  Arena arena_;  // of device_ and counts_
  Arrays device_;
  TensorView counts_;  // [S, V] i32
  Arena host_arena_;   // of host_, unless that is device_
  Arrays host_;
  std::vector<int32_t> host_counts_;  // [V] of the slot being patched, where counts_ is elsewhere
};

}  // namespace talon
