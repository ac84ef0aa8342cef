// How likely the target found a token and what it found likeliest: log-softmax of raw logits, over
// the ids that have a token. For entry i with row r = rows[i] and token t = tokens[i]:
//
//   logprobs[i]      logits[r, t] - log(sum over allowed ids of exp(logits[r, id]))
//   top_ids[i, j]    the id with the j-th largest logit among the allowed, ties lower id first
//
// Sums run in double, in the order of ids. NaN counts as minus infinity; an id without a token, and
// any id of a row without a finite logit, has the logprob minus infinity. What an op that chooses
// does to a row later changes nothing here: it reads the same raw logits.
#pragma once

#include "core/stream.h"
#include "core/tensor_view.h"

namespace talon::ops {

struct TokenLogprobsArgs {
  TensorView logprobs;      // [N] f32
  TensorView top_ids;       // [N, M] i32; places past num_top: not written
  TensorView top_logprobs;  // [N, M] f32, likewise; -1 and minus infinity past the allowed ids
  ConstTensorView logits;   // [R, V] f32; rows may be strided
  ConstTensorView allowed;  // [V] u8: 1, the id has a token
  ConstTensorView rows;     // [N] i32
  ConstTensorView tokens;   // [N] i32; -1: the entry is passed over and nothing of it written
  ConstTensorView num_top;  // [N] i32, 0..M; -1: likewise
};
void token_logprobs(Stream stream, const TokenLogprobsArgs& args);

namespace cpu {

void token_logprobs(CpuContext& context, const TokenLogprobsArgs& args);

}  // namespace cpu

namespace cuda {

void token_logprobs(CudaContext& context, const TokenLogprobsArgs& args);

}  // namespace cuda

}  // namespace talon::ops
