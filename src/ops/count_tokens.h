// Adds tokens to what the penalties of a slot count (ops/choose.h): counts[slots[i], tokens[i]]
// grows by one generated token. Slots without penalties are left alone, their counts may be
// anything.
#pragma once

#include "core/stream.h"
#include "core/tensor_view.h"

namespace talon::ops {

struct CountTokensArgs {
  TensorView counts;       // [S, V] i32: 2 * (times generated) + (1 if in the prompt)
  ConstTensorView flags;   // [S] i32, of SlotFlag; kSlotPenalises is looked at
  ConstTensorView tokens;  // [N] i32; -1: nothing
  ConstTensorView slots;   // [N] i32; -1: nothing
};
void count_tokens(Stream stream, const CountTokensArgs& args);

namespace cpu {

void count_tokens(CpuContext& context, const CountTokensArgs& args);

}  // namespace cpu

namespace cuda {

void count_tokens(CudaContext& context, const CountTokensArgs& args);

}  // namespace cuda

}  // namespace talon::ops
