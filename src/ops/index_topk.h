// The block selection of MiniMax sparse attention (spec/minimax_m3.md 3; arXiv 2606.13392).
//
// For row t at position p and index head g:
//   score[b] = max over tokens j <= p of page b of  index_q[t, g] . index_key[j]   (float32, no
//   scale), for b = 0 .. p / 128
// The `num_local` pages ending with the row's own page p / 128 are always taken and count towards
// N. The rest are the largest scores, ties to the lower page, NaN lowest. blocks[t, g, :] lists
// the chosen page numbers of the sequence (not page ids) ascending, so the own, partial page comes
// last; unused entries are -1 at the end. A dead row gives -1 throughout.
#pragma once

#include "core/stream.h"
#include "core/tensor_view.h"

namespace talon::ops {

struct IndexTopkArgs {
  TensorView blocks;                // [T, I, N] i32
  ConstTensorView index_q;          // [T, I, D_i] bf16 or f32
  ConstTensorView index_key_plane;  // [pages, 128, 1, D_i] same dtype, or e4m3 without scales
  ConstTensorView page_table;       // [B, P] i32
  ConstTensorView row_sequence;     // [T] i32
  ConstTensorView positions;        // [T] i32
  int num_local = 1;
};
void index_topk(Stream stream, const IndexTopkArgs& args);

namespace cuda {

void index_topk(CudaContext& context, const IndexTopkArgs& args);

}  // namespace cuda

}  // namespace talon::ops
