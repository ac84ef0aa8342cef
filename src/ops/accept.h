// Which drafts of a verify step stand (spec/eagle3.md 9.2): for sequence b with choices y and
// drafts d, accepted a = number of leading j with d[b, j] == y[b, j], j < num_drafts[b]; the new
// tokens are y[b, 0..a], the last of them the next pending token. Sampling is the same with zero
// drafts. Exact integers.
#pragma once

#include "core/stream.h"
#include "core/tensor_view.h"

namespace talon::ops {

struct AcceptArgs {
  TensorView accepted;           // [B] i32
  TensorView next_token;         // [B] i32: y[b, a]
  ConstTensorView choices;       // [R] i32: the choices of all rows with logits
  ConstTensorView first_choice;  // [B] i32: index in `choices` of sequence b's row 0; -1: the
                                 //   sequence has no logits in this step (accepted and next -1)
  ConstTensorView drafts;        // [B, K] i32, K may be 0
  ConstTensorView num_drafts;    // [B] i32, <= K
};
void accept(Stream stream, const AcceptArgs& args);

namespace cpu {

void accept(CpuContext& context, const AcceptArgs& args);

}  // namespace cpu

namespace cuda {

void accept(CudaContext& context, const AcceptArgs& args);

}  // namespace cuda

}  // namespace talon::ops
