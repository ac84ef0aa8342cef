// out[r] = x[rows[r]]: copies whole rows of any dtype, or rounds float32 rows to bf16. A negative
// index gives zeros. Without a list of rows all of x is copied.
#pragma once

#include "core/stream.h"
#include "core/tensor_view.h"

namespace talon::ops {

struct GatherRowsArgs {
  TensorView out;        // [R, C]; rows may be strided
  ConstTensorView x;     // [T, C] same dtype, or f32 for bf16; rows may be strided
  ConstTensorView rows;  // [R] i32; no array: rows 0, 1, .. of x, R = T
};
void gather_rows(Stream stream, const GatherRowsArgs& args);

namespace cpu {

void gather_rows(CpuContext& context, const GatherRowsArgs& args);

}  // namespace cpu

namespace cuda {

void gather_rows(CudaContext& context, const GatherRowsArgs& args);

}  // namespace cuda

}  // namespace talon::ops
