// The two fused norms at the EAGLE-3 drafter's input (spec/eagle3.md S7), plain gain, float32
// inside, one rounding.
//
// group_norm:        out[t, a*C .. (a+1)*C) = rms_norm(tap a of row t, gains[a]): A separate norms
//                    beside each other, not one norm over A*C.
// embed_norm_concat: out[t] = [ rms_norm(table[ids[t]], embed_gain) ,
//                               rms_norm(hidden[t], hidden_gain) ]; an id outside [0, V) is zeros.
#pragma once

#include "core/stream.h"
#include "core/tensor_view.h"

namespace talon::ops {

struct GroupNormArgs {
  TensorView out;         // [T, A * C] bf16 or f32
  ConstTensorView taps;   // [T, A * C] same dtype; rows may be strided
  ConstTensorView gains;  // [A, C] bf16 or f32
  float eps;
};
void group_norm(Stream stream, const GroupNormArgs& args);

struct EmbedNormConcatArgs {
  TensorView out;               // [T, 2 * C] bf16 or f32
  ConstTensorView ids;          // [T] i32
  ConstTensorView table;        // [V, C] bf16
  ConstTensorView hidden;       // [T, C] same dtype as out; rows may be strided
  ConstTensorView embed_gain;   // [C] bf16 or f32
  ConstTensorView hidden_gain;  // [C]
  float eps;
};
void embed_norm_concat(Stream stream, const EmbedNormConcatArgs& args);

namespace cpu {

// The plain loops: the reference, and the scalar path.
void group_norm(CpuContext& context, const GroupNormArgs& args);
void embed_norm_concat(CpuContext& context, const EmbedNormConcatArgs& args);
// Vector paths, the same bits.
void group_norm_fast(CpuContext& context, const GroupNormArgs& args);
void embed_norm_concat_fast(CpuContext& context, const EmbedNormConcatArgs& args);

}  // namespace cpu

namespace cuda {

void group_norm(CudaContext& context, const GroupNormArgs& args);
void embed_norm_concat(CudaContext& context, const EmbedNormConcatArgs& args);

}  // namespace cuda

}  // namespace talon::ops
