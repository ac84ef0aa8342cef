// The tokens that a step adds, at the places of the choices: for a sequence with a accepted drafts,
// emitted[first_choice + j] is draft j for j < a, the next token for j == a, and -1 past it. The
// rule of acceptance does not matter here.
#pragma once

#include "core/stream.h"
#include "core/tensor_view.h"

namespace talon::ops {

struct EmitTokensArgs {
  TensorView emitted;            // [N] i32; places of no sequence: -1
  ConstTensorView accepted;      // [B] i32
  ConstTensorView next_token;    // [B] i32
  ConstTensorView first_choice;  // [B] i32: -1: the sequence chooses nothing
  ConstTensorView drafts;        // [B, K] i32, K may be 0
  ConstTensorView num_drafts;    // [B] i32, <= K
};
void emit_tokens(Stream stream, const EmitTokensArgs& args);

namespace cpu {

void emit_tokens(CpuContext& context, const EmitTokensArgs& args);

}  // namespace cpu

namespace cuda {

void emit_tokens(CudaContext& context, const EmitTokensArgs& args);

}  // namespace cuda

}  // namespace talon::ops
