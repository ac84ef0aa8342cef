// Root-mean-square normalisation of each row:
//
//   out[t, c] = x[t, c] / sqrt(mean_c(x[t, c]^2) + eps) * g[c]
//   g[c] = 1 + gain[c] (kZeroCentred: the M3 target) or gain[c] (kPlain: the EAGLE-3 head)
//
// The square sum accumulates in float whatever the dtype, because 6144 bf16 squares lose the small
// ones; one rounding at the end. `out` may be `x`; any other overlap is an error.
//
// `add_rms_norm` first adds into the residual stream: residual[t] += delta[t], rounded to the
// stream's dtype, then out = rms_norm(residual) computed from the rounded value (spec/eagle3.md
// S8). `out` may be `delta`; any other overlap is an error. With bf16 activations the stream may be
// float32, which the target's is (docs/adr/0031).
#pragma once

#include "core/stream.h"
#include "core/tensor_view.h"

namespace talon::ops {

enum class GainForm { kZeroCentred, kPlain };

struct RmsNormArgs {
  TensorView out;        // [T, C] bf16 or f32; rows may be strided
  ConstTensorView x;     // [T, C] the dtype of out or f32; rows may be strided
  ConstTensorView gain;  // [C] bf16 or f32
  float eps;
  GainForm form;
};
void rms_norm(Stream stream, const RmsNormArgs& args);

struct AddRmsNormArgs {
  TensorView out;         // [T, C] bf16 or f32; rows may be strided
  TensorView residual;    // [T, C] same dtype or f32; read and written
  ConstTensorView delta;  // [T, C] same dtype
  ConstTensorView gain;   // [C] bf16 or f32
  float eps;
  GainForm form;
};
void add_rms_norm(Stream stream, const AddRmsNormArgs& args);

// out = x + y, one rounding. `out` may be `x` or `y`.
struct AddArgs {
  TensorView out;     // [T, C] bf16 or f32
  ConstTensorView x;  // [T, C] same dtype
  ConstTensorView y;  // [T, C] same dtype
};
void add(Stream stream, const AddArgs& args);

namespace cpu {

// The plain loops: the reference, and the scalar path.
void rms_norm(CpuContext& context, const RmsNormArgs& args);
void add_rms_norm(CpuContext& context, const AddRmsNormArgs& args);
void add(CpuContext& context, const AddArgs& args);
// Vector paths, the same bits.
void rms_norm_fast(CpuContext& context, const RmsNormArgs& args);
void add_rms_norm_fast(CpuContext& context, const AddRmsNormArgs& args);
void add_fast(CpuContext& context, const AddArgs& args);

}  // namespace cpu

namespace cuda {

void rms_norm(CudaContext& context, const RmsNormArgs& args);
void add_rms_norm(CudaContext& context, const AddRmsNormArgs& args);
void add(CudaContext& context, const AddArgs& args);

}  // namespace cuda

}  // namespace talon::ops
