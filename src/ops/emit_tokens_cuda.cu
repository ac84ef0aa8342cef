// One block: it fills the places and then writes each sequence's tokens.
#include "ops/emit_tokens.h"

#include "ops/cuda_kernel.cuh"

namespace talon::ops::cuda {
namespace {

constexpr int kThreads = 256;

struct EmitParams {
  int32_t* emitted;             // [N]
  const int32_t* accepted;      // [B]
  const int32_t* next_token;    // [B]
  const int32_t* first_choice;  // [B]
  const int32_t* drafts;        // [B, K]
  int64_t drafts_stride;
  int num_places;
  int num_sequences;
};

__global__ void __launch_bounds__(kThreads) emit_kernel(const EmitParams p) {
  await_previous();
  for (int i = static_cast<int>(threadIdx.x); i < p.num_places; i += kThreads) {
    p.emitted[i] = -1;
  }
  __syncthreads();
  for (int b = static_cast<int>(threadIdx.x); b < p.num_sequences; b += kThreads) {
    const int first = p.first_choice[b];
    if (first < 0) {
      continue;
    }
    const int accepted = p.accepted[b];
    for (int j = 0; j < accepted; ++j) {
      p.emitted[first + j] = p.drafts[b * p.drafts_stride + j];
    }
    p.emitted[first + accepted] = p.next_token[b];
  }
}

}  // namespace

void emit_tokens(CudaContext& context, const EmitTokensArgs& args) {
  launch({.block = dim3(kThreads), .stream = context.stream_handle(), .dependent = true},
         emit_kernel,
         {.emitted = args.emitted.as<int32_t>(),
          .accepted = args.accepted.as<int32_t>(),
          .next_token = args.next_token.as<int32_t>(),
          .first_choice = args.first_choice.as<int32_t>(),
          .drafts = args.drafts.as<int32_t>(),
          .drafts_stride = args.drafts.stride(0),
          .num_places = static_cast<int>(args.emitted.size(0)),
          .num_sequences = static_cast<int>(args.first_choice.size(0))});
}

}  // namespace talon::ops::cuda
