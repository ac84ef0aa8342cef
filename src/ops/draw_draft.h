// Draws draft number i of each sampled sequence from its drafter's logits, at the temperature of
// its slot: q = softmax(logits / temperature) over the allowed ids, and the draft is the largest
// logit / temperature + Gumbel noise (ops/token_noise.h), ties and NaN as in ops/choose.h.
// Sequences that are greedy (temperature 0) or do not draft keep what stands in `tokens`.
//
// With `laws` the noise is the draft's own (kToken, part i + 1) and q is kept for
// ops/verify_block.h. Index and part together name the round, so noise that a decision once rested
// on never comes back. Without `laws` the noise is the one that the target will draw the same token
// with (kToken, part 0): where the two laws are alike so are the draws, and ops::accept keeps the
// target's law and its very tokens, as it does for all drafts.
#pragma once

#include <cstdint>

#include "core/stream.h"
#include "core/tensor_view.h"

namespace talon::ops {

struct DrawDraftArgs {
  TensorView tokens;          // [B, 1] i32 target ids; rows may be strided
  TensorView laws{};          // [S, V] f32 out, rows may be strided: row of the sequence's slot: q
                              //   over target ids, 0 where the drafter has no id. Empty: not wanted
  ConstTensorView logits;     // [B, V_d] f32
  ConstTensorView allowed{};  // [V_d] u8; empty: all are
  ConstTensorView map{};      // [V_d] i32 target ids; empty: V_d == V and they are the same
  ConstTensorView slots;      // [B] i32
  ConstTensorView active;     // [B] i32: 1 if the sequence drafts
  ConstTensorView kv_len;     // [B] i32: the pending token's index; draft i has kv_len + 1 + i
  ConstTensorView seeds;      // [S] i64
  ConstTensorView temperature;  // [S] f32
  int32_t number = 0;           // i
};
void draw_draft(Stream stream, const DrawDraftArgs& args);

namespace cpu {

void draw_draft(CpuContext& context, const DrawDraftArgs& args);

}  // namespace cpu

namespace cuda {

void draw_draft(CudaContext& context, const DrawDraftArgs& args);

}  // namespace cuda

}  // namespace talon::ops
