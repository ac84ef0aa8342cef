// Cosines and sines of rotary position embedding for the rows of a step, computed once per step
// and shared by all layers:
//
//   angle[t, i] = positions[t] * inv_freq[i],  cos_sin[t, 0, i] = cos, cos_sin[t, 1, i] = sin
//
// The angle is a float32 product, as the reference implementations form it; cosine and sine are
// then exact to float32. A negative position (a dead row) is treated as 0.
#pragma once

#include <vector>

#include "core/stream.h"
#include "core/tensor_view.h"

namespace talon::ops {

// inv_freq[i] = theta^(-2 i / rotary_dim), i < rotary_dim / 2, rounded to float32 once.
std::vector<float> rope_inv_freq(double theta, int64_t rotary_dim);

struct RopeTableArgs {
  TensorView cos_sin;         // [T, 2, R/2] f32, R = rotated channels
  ConstTensorView positions;  // [T] i32
  ConstTensorView inv_freq;   // [R/2] f32
};
void rope_table(Stream stream, const RopeTableArgs& args);

namespace cpu {

void rope_table(CpuContext& context, const RopeTableArgs& args);

}  // namespace cpu

namespace cuda {

void rope_table(CudaContext& context, const RopeTableArgs& args);

}  // namespace cuda

}  // namespace talon::ops
