// What follows the fused q, k, v (and index) projection of an attention layer, in one pass over a
// row: per-head RMS norm, rotation, and the write of keys and values into their pages.
//
// `qkv` holds, per row, [H query heads | G key heads | G value heads | I index query heads | one
// index key head], D channels each (D_i for the index part). Each query and key head is normalised
// with its shared gain (if the gain is given; form 1 + gain, eps), then channels [0, R) are rotated
// in the half-split form: (u_j, u_{j+R/2}) by the row's angle j; channels [R, D) pass. Values pass.
// The index part takes its own gains and the same rotation. Norm and rotation are float32 inside
// with one rounding (spec/minimax_m3.md 2, items 5-6, and 3.1).
//
// Key, value and index key of row t go to slot write_slots[t] = page * 128 + offset of their
// planes. Two rows with the same slot are legal on page 0 only, which nothing reads; what it holds
// afterwards is not specified. Planes of e4m3 take what the others would hold as ops/kv_fp8.h says:
// keys and values with a scale for each token and head, index keys without.
#pragma once

#include "core/stream.h"
#include "core/tensor_view.h"

namespace talon::ops {

struct QkvNormRopeAppendArgs {
  TensorView q;                       // [T, H, D] bf16 or f32
  TensorView index_q = {};            // [T, I, D_i] same dtype; empty: no index branch
  TensorView key_plane;               // [pages, 128, G, D] same dtype or e4m3 with D <= 256;
                                      //   pages may be strided
  TensorView value_plane;             // [pages, 128, G, D] as key_plane
  TensorView key_scales = {};         // [pages, 128, G, 1] f32 beside e4m3, else empty
  TensorView value_scales = {};       // [pages, 128, G, 1]
  TensorView index_key_plane = {};    // [pages, 128, 1, D_i] same dtype or e4m3, D_i <= 256; empty
                                      //   with index_q
  ConstTensorView qkv;                // [T, (H + 2 G) D + (I + 1) D_i] same; rows may be strided
  ConstTensorView q_gain = {};        // [D] bf16 or f32, all gains alike; all empty: no norm
  ConstTensorView k_gain = {};        // [D]
  ConstTensorView index_q_gain = {};  // [D_i]
  ConstTensorView index_k_gain = {};  // [D_i]
  ConstTensorView cos_sin;            // [T, 2, R/2] f32, R <= D and R <= D_i
  ConstTensorView write_slots;        // [T] i64
  float eps = 0.0F;
};
void qkv_norm_rope_append(Stream stream, const QkvNormRopeAppendArgs& args);

namespace cpu {

// The plain loops: the reference, and the scalar path.
void qkv_norm_rope_append(CpuContext& context, const QkvNormRopeAppendArgs& args);
// Vector paths, the same bits.
void qkv_norm_rope_append_fast(CpuContext& context, const QkvNormRopeAppendArgs& args);

}  // namespace cpu

namespace cuda {

void qkv_norm_rope_append(CudaContext& context, const QkvNormRopeAppendArgs& args);

}  // namespace cuda

}  // namespace talon::ops
