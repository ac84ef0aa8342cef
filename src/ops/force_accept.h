// Acceptance by decree, for throughput runs with a given mean (spec/serving.md 3.3, 9.4): of
// `extra` expected drafts a round the first floor(extra) stand always, the next one with the
// fraction that is left, by a draw keyed by seed and absolute index, the rest never; no more than
// there are. The law of the least variance for its mean. What comes out has no meaning as text.
#pragma once

#include "core/stream.h"
#include "core/tensor_view.h"

namespace talon::ops {

struct ForceAcceptArgs {
  TensorView accepted;           // [B] i32: a; -1 where first_choice is -1
  TensorView next_token;         // [B] i32: choices[first_choice[b] + a], or -1
  ConstTensorView choices;       // [N] i32
  ConstTensorView first_choice;  // [B] i32: -1: the sequence chooses nothing
  ConstTensorView num_drafts;    // [B] i32
  ConstTensorView slots;         // [B] i32
  ConstTensorView seeds;         // [S] i64
  ConstTensorView indices;       // [N] i32: absolute index of the token of each choice
  double extra = 0.0;            // accepted drafts a round, >= 0
};
void force_accept(Stream stream, const ForceAcceptArgs& args);

namespace cpu {

void force_accept(CpuContext& context, const ForceAcceptArgs& args);

}  // namespace cpu

namespace cuda {

void force_accept(CudaContext& context, const ForceAcceptArgs& args);

}  // namespace cuda

}  // namespace talon::ops
