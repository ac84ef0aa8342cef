// Product with a weight matrix:
//
//   out[t, o] = sum_i x[t, i] * weight[o, i]
//
// Sums are float32 and cut at fixed positions of i, so the bits of an output row depend on its
// input row alone (docs/numerics.md); one rounding to the type of `out`. Weights of every format
// are used with their float32 value. `out` may not overlap `x`.
#pragma once

#include "core/stream.h"
#include "core/tensor_view.h"
#include "ops/weight.h"

namespace talon::ops {

struct LinearArgs {
  TensorView out;        // [T, out] f32, or the dtype of x; rows may be strided
  ConstTensorView x;     // [T, in] bf16 or f32; rows may be strided
  const Weight& weight;  // [out, in] kCpuTiles (CPU) or kCudaRows (CUDA)
};
void linear(Stream stream, const LinearArgs& args);

namespace cuda {

void linear(CudaContext& context, const LinearArgs& args);

}  // namespace cuda

}  // namespace talon::ops
