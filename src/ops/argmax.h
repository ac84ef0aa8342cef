// The greedy choice of each row: the token with the largest logit among the allowed ones.
//
// Ties go to the lowest id; NaN counts as minus infinity; a row without any finite choice gives
// the lowest allowed id. Disallowed ids (padding columns, rows of the vocabulary without a token)
// never win; a row with no allowed id at all gives key 0, below every key of an id. `keys` are
// order-preserving 64-bit words, so that the maximum over ranks of keys with global ids is the
// argmax of the whole row (spec/eagle3.md S5):
//   key = ordered(float bits) << 32 | (0xFFFFFFFF - id)
#pragma once

#include <cstdint>

#include "core/stream.h"
#include "core/tensor_view.h"

namespace talon::ops {

struct ArgmaxArgs {
  TensorView keys;               // [R] u64
  ConstTensorView logits;        // [R, V] f32 or bf16; rows may be strided
  ConstTensorView allowed = {};  // [V] u8, 1 = allowed; empty: all are
  int32_t first_id = 0;          // global id of column 0
};
void argmax(Stream stream, const ArgmaxArgs& args);

uint64_t argmax_key(float logit, int32_t id);
int32_t argmax_key_id(uint64_t key);  // -1 for key 0

namespace cpu {

// The plain loops: the reference, and the scalar path.
void argmax(CpuContext& context, const ArgmaxArgs& args);
// Vector paths, the same bits.
void argmax_fast(CpuContext& context, const ArgmaxArgs& args);

}  // namespace cpu

namespace cuda {

void argmax(CudaContext& context, const ArgmaxArgs& args);

}  // namespace cuda

}  // namespace talon::ops
