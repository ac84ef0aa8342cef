// Rows of the embedding table: out[t, c] = table[ids[t], c]. An id outside [0, V) gives zeros
// (a placeholder of -1 may come from a dead row). No scale factor (spec/minimax_m3.md 2, item 1).
#pragma once

#include "core/stream.h"
#include "core/tensor_view.h"

namespace talon::ops {

struct EmbeddingArgs {
  TensorView out;         // [T, C] bf16 or f32
  ConstTensorView ids;    // [T] i32
  ConstTensorView table;  // [V, C] bf16, row-major
};
void embedding(Stream stream, const EmbeddingArgs& args);

namespace cpu {

void embedding(CpuContext& context, const EmbeddingArgs& args);

}  // namespace cpu

namespace cuda {

void embedding(CudaContext& context, const EmbeddingArgs& args);

}  // namespace cuda

}  // namespace talon::ops
