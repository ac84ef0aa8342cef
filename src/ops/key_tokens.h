// The token ids that argmax keys stand for (ops/argmax.h):
//
//   tokens[r] = map[id(keys[r])], or id(keys[r]) itself without a map; -1 for key 0
//
// `map` leads from a reduced draft vocabulary to the target's (spec/eagle3.md 14.2). It is applied
// after the maximum, so the tie rule is that of the reduced ids.
#pragma once

#include "core/stream.h"
#include "core/tensor_view.h"

namespace talon::ops {

struct KeyTokensArgs {
  TensorView tokens;     // [R, 1] i32; rows may be strided
  ConstTensorView keys;  // [R] u64
  ConstTensorView map;   // [V_d] i32; empty: none
};
void key_tokens(Stream stream, const KeyTokensArgs& args);

namespace cpu {

void key_tokens(CpuContext& context, const KeyTokensArgs& args);

}  // namespace cpu

namespace cuda {

void key_tokens(CudaContext& context, const KeyTokensArgs& args);

}  // namespace cuda

}  // namespace talon::ops
