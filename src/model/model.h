// A target model on one rank: weights and the forward pass of a step. Implementations live in a
// folder of their own (minimax_m3/) and stand in the registry. Owned by a runner and used from its
// thread only. `forward` obeys the blind-forward rule: it allocates nothing, reads no device data
// on the host, and its work depends on the batch's sizes and buffers only.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "core/arena.h"
#include "core/stream.h"
#include "core/tensor_view.h"
#include "kv/kv_layout.h"
#include "kv/kv_store.h"
#include "model/batch.h"
#include "ops/weight.h"

namespace talon {

// The activation type of an engine.
enum class ActivationType : uint8_t { kBf16, kF32 };

constexpr DType activation_dtype(ActivationType type) {
  return type == ActivationType::kBf16 ? DType::kBf16 : DType::kF32;
}

// What an engine computes in and what it caches.
struct ModelTypes {
  ActivationType activation = ActivationType::kBf16;
  KvFormat kv = {};
};

struct ModelLimits {
  int32_t vocab_size = 0;  // columns of the logits, /full
  int32_t hidden_size = 0;
  int32_t num_layers = 0;
  int32_t max_positions = 0;  // the context limit of the checkpoint
};

struct ForwardOutput {
  TensorView logits;  // [R, V] f32, one row per entry of batch.logit_rows
  // Layers l in [0, num_layers), not descending. Columns [i C, (i + 1) C) of `taps` get the
  // residual stream entering layer tap_layers[i], before its norm.
  std::span<const int32_t> tap_layers;
  TensorView taps;  // [T, A * C] activation type; empty without tap layers
};

class Model {
 public:
  virtual ~Model() = default;

  virtual const ModelLimits& limits() const = 0;
  virtual ActivationType activation_type() const = 0;
  virtual KvLayout kv_layout() const = 0;

  // Runs the step: reads and writes `kv` at the batch's slots, fills `out`. Scratch
  // comes from `arena`.
  virtual void forward(Stream stream,
                       const Batch& batch,
                       KvStore& kv,
                       Arena& arena,
                       const ForwardOutput& out) const = 0;

  // An upper bound of the arena use of `forward` for T rows of which R have logits.
  virtual int64_t scratch_bytes(int32_t num_rows, int32_t num_logit_rows) const = 0;

  // For a drafter that shares them. The embedding is row-major [V, C] bf16; the head is [V, C]
  // in the layout of `linear`.
  virtual ConstTensorView embedding() const = 0;
  virtual const Weight& head() const = 0;
};

}  // namespace talon
