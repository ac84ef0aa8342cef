// The gate of an MLP: in [T, 2 W] holds [gate ; up] halves, out[t, w] = f(gate[t, w], up[t, w]).
//
//   kSwigluOai  g' = min(g, limit), u' = clamp(u, -limit, limit):
//               (u' + 1) * g' * sigmoid(alpha * g')          (spec/minimax_m3.md 2, item 9)
//   kSilu       g * sigmoid(g) * u                           (the EAGLE-3 head)
//
// The gate is clamped from above only. A NaN stays NaN. Float32 inside, one rounding.
#pragma once

#include "core/stream.h"
#include "core/tensor_view.h"

namespace talon::ops {

enum class ActivationKind { kSwigluOai, kSilu };

struct Activation {
  ActivationKind kind = ActivationKind::kSwigluOai;
  float alpha = 1.702F;  // kSwigluOai only
  float limit = 7.0F;    // kSwigluOai only
};

struct GatedActivationArgs {
  TensorView out;           // [T, W] bf16 or f32
  ConstTensorView gate_up;  // [T, 2 W] f32 or the dtype of out; rows may be strided
  Activation activation;
};
void gated_activation(Stream stream, const GatedActivationArgs& args);

namespace cpu {

// The plain loops: the reference, and the scalar path.
void gated_activation(CpuContext& context, const GatedActivationArgs& args);
// Vector paths, the same bits.
void gated_activation_fast(CpuContext& context, const GatedActivationArgs& args);

}  // namespace cpu

namespace cuda {

void gated_activation(CudaContext& context, const GatedActivationArgs& args);

}  // namespace cuda

}  // namespace talon::ops
