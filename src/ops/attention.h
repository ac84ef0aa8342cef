// Causal attention of the rows of a step over the pages of their sequences.
//
//   out[t, h] = sum_j softmax_j(q[t, h] . key[j, g] * scale) * value[j, g],   g = h / (H / G)
//
// Row t has position p = positions[t] in sequence b = row_sequence[t]; token j of b lies in page
// page_table[b, j / 128] at offset j % 128. Dense: j runs over 0..p. Sparse: over the tokens j <= p
// of the pages listed in blocks[t, g, :], ascending, unused entries -1 at the end. Keys at and past
// p + 1 are never read, whatever they hold. A dead row (position -1) gives zeros.
//
// Planes of e4m3 stand for key * key_scales[token, g] and value * value_scales[token, g]
// (ops/kv_fp8.h). The scales are applied to scores and weights: a key's scale multiplies its
// product with q, a value's scale the token's weight in the sum of values.
//
// The softmax runs in float32 over one 128-token page after the other, in ascending order, so a
// row's bits do not depend on the other rows, and a list of all pages gives the bits of the dense
// form (spec/minimax_m3.md 3.1).
#pragma once

#include "core/stream.h"
#include "core/tensor_view.h"

namespace talon::ops {

struct AttentionArgs {
  TensorView out;                     // [T, H * D] bf16 or f32; rows may be strided
  ConstTensorView q;                  // [T, H, D] same dtype
  ConstTensorView key_plane;          // [pages, 128, G, D] same dtype or e4m3
  ConstTensorView value_plane;        // [pages, 128, G, D] as key_plane
  ConstTensorView key_scales = {};    // [pages, 128, G, 1] f32 beside e4m3, else empty
  ConstTensorView value_scales = {};  // [pages, 128, G, 1]
  ConstTensorView page_table;         // [B, P] i32
  ConstTensorView row_sequence;       // [T] i32
  ConstTensorView positions;          // [T] i32
  ConstTensorView blocks;             // [T, G, N] i32; empty: dense
  float scale;
};
void attention(Stream stream, const AttentionArgs& args);

namespace cuda {

void attention(CudaContext& context, const AttentionArgs& args);

}  // namespace cuda

}  // namespace talon::ops
