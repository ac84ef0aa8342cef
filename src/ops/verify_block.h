// Which drafts stand if they were drawn from laws of their own: block verification (Sun et al.,
// arXiv 2403.10444; spec/eagle3.md 10.3). With drafts d_1..d_k, the target's laws p_0..p_k (p_i
// after i drafts) and the laws q_0..q_(k-1) that the drafts were drawn from:
//
//   P_0 = 1, P_i = min(P_(i-1) p_(i-1)(d_i) / q_(i-1)(d_i), 1)
//   Z_i = sum over x of max(P_i p_i(x) - q_i(x), 0)
//   h_i = Z_i / (Z_i + 1 - P_i) for i < k,  h_k = P_k
//
// The accepted number is the largest i >= 1 with u_i < h_i, else 0. All i are tried: an earlier
// u_i >= h_i does not end the search. The next token is drawn from max(P_i p_i - q_i, 0) for i < k
// and from p_k for i = k, with the noise of ops::choose for its index, so that for i = k it is that
// op's choice. What is emitted has the law of the target's own tokens exactly, but not, for a seed,
// the very tokens. u_i is keyed by seed, index of d_i, kAccept and i, which names the round.
#pragma once

#include <array>
#include <cstdint>
#include <span>

#include "base/ids.h"
#include "core/stream.h"
#include "core/tensor_view.h"

namespace talon::ops {

// Sequences that are greedy (temperature 0), have no drafts or choose nothing are left alone.
struct VerifyBlockArgs {
  TensorView accepted;           // [B] i32, replaced for sampled sequences
  TensorView next_token;         // [B] i32, likewise
  ConstTensorView target_laws;   // [N, V] f32 of ops::choose
  ConstTensorView draft_laws;    // [S, K, V] f32 of ops::draw_draft, K as in `drafts` or more
  ConstTensorView choices;       // [N] i32 of ops::choose
  ConstTensorView first_choice;  // [B] i32, -1: chooses nothing
  ConstTensorView indices;       // [N] i32: absolute index of the token of each choice
  ConstTensorView drafts;        // [B, K] i32
  ConstTensorView num_drafts;    // [B] i32
  ConstTensorView slots;         // [B] i32
  ConstTensorView seeds;         // [S] i64
  ConstTensorView temperature;   // [S] f32
};
void verify_block(Stream stream, const VerifyBlockArgs& args);

namespace cpu {

void verify_block(CpuContext& context, const VerifyBlockArgs& args);

// P_i and h_i for i = 0..k, of k drafts; h_0 is 1.
struct BlockChances {
  std::array<double, kMaxDrafts + 1> weight{};
  std::array<double, kMaxDrafts + 1> chance{};
};
// target_laws [k + 1, V] and draft_laws [>= k, V] f32.
BlockChances block_chances(const ConstTensorView& target_laws,
                           const ConstTensorView& draft_laws,
                           std::span<const int32_t> drafts);

}  // namespace cpu

namespace cuda {

void verify_block(CudaContext& context, const VerifyBlockArgs& args);

}  // namespace cuda

}  // namespace talon::ops
