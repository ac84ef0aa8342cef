// The router of an M3 MoE layer (spec/minimax_m3.md 2, item 11):
//
//   s = sigmoid(gate x)  in float32;  choose the M largest of s + bias, ties to the lower expert;
//   weights[t, m] = scale * s[chosen m] / sum over the chosen of s
//
// The bias steers the choice only; a score that is NaN counts as minus infinity, so that the ids
// are always M different experts (a NaN then shows in the weights, as it does when all chosen s are
// 0). Chosen experts are listed by falling s + bias. A row whose position is -1 (dead) gets no
// expert: ids -1, weights 0. The gate is float32 and so is the product, whatever the activation
// dtype.
#pragma once

#include "core/stream.h"
#include "core/tensor_view.h"

namespace talon::ops {

inline constexpr int64_t kMaxExperts = 512;  // of one layer

struct RouteArgs {
  TensorView expert_ids;      // [T, M] i32
  TensorView weights;         // [T, M] f32
  ConstTensorView x;          // [T, C] bf16 or f32; rows may be strided
  ConstTensorView gate;       // [E, C] f32
  ConstTensorView bias;       // [E] f32
  ConstTensorView positions;  // [T] i32
  float scale;                // routed_scaling_factor
};
void route(Stream stream, const RouteArgs& args);

namespace cpu {

// A row without a sequence.
void route_dead_row(const RouteArgs& args, int64_t t);

// The plain loops: the reference, and the scalar path.
void route(CpuContext& context, const RouteArgs& args);
// Vector paths, the same bits.
void route_fast(CpuContext& context, const RouteArgs& args);

}  // namespace cpu

namespace cuda {

void route(CudaContext& context, const RouteArgs& args);

}  // namespace cuda

}  // namespace talon::ops
