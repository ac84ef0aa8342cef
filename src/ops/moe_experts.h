// The experts of an MoE layer, routed and shared:
//
//   out[t] = sum_m weights[t, m] * E_{ids[t, m]}(x[t])  +  S(x[t])
//   E(x) = down(activation(gate_up x));  S the same with the shared expert
//
// Both products sum in float32; the activation's output is rounded to the dtype of x, being the
// operand of the second product; the sum over m runs in listed order, in float32, the shared
// expert last, with one rounding to `out`. An id of -1 adds nothing. Each expert's weights are
// read once for all its rows.
#pragma once

#include <span>

#include "core/arena.h"
#include "core/stream.h"
#include "core/tensor_view.h"
#include "ops/gated_activation.h"
#include "ops/weight.h"

namespace talon::ops {

struct Expert {
  Weight gate_up;  // [2 W, C], rows [gate ; up]
  Weight down;     // [C, W]
};

struct MoeExpertsArgs {
  TensorView out;                   // [T, C] bf16 or f32
  ConstTensorView x;                // [T, C] same dtype
  ConstTensorView expert_ids;       // [T, M] i32
  ConstTensorView weights;          // [T, M] f32
  std::span<const Expert> experts;  // [E]
  const Expert* shared;             // null: none
  Activation activation;
};
// Scratch comes from `arena`, on the stream's device, and is given back on return. All weights are
// kCpuTiles on the CPU and kCudaRows on CUDA. There the arrays of one kind, all experts' values of
// `down` for example, stand at equal distances in memory, as when the experts of a layer are placed
// one after the other; an id outside [-1, E) is not noticed and adds nothing.
void moe_experts(Stream stream, Arena& arena, const MoeExpertsArgs& args);

// An upper bound of that scratch for T rows.
int64_t moe_experts_scratch_bytes(int64_t num_rows,
                                  int64_t experts_per_token,
                                  int64_t hidden,
                                  int64_t expert_width,
                                  int64_t shared_width);

// Integers of the CUDA kernels' lists that do not grow with T.
inline constexpr int64_t kCudaMoeListInts = 4096;

namespace cuda {

void moe_experts(CudaContext& context, Arena& arena, const MoeExpertsArgs& args);

}  // namespace cuda

}  // namespace talon::ops
