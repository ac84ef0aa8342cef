// A thread a sequence; a few integers.
#include "ops/accept.h"

#include "ops/cuda_kernel.cuh"

namespace talon::ops::cuda {
namespace {

constexpr int kThreads = 128;

struct AcceptParams {
  int32_t* accepted;            // [B]
  int32_t* next_token;          // [B]
  const int32_t* choices;       // [R]
  const int32_t* first_choice;  // [B]
  const int32_t* drafts;        // [B, K]
  const int32_t* num_drafts;    // [B]
  int64_t drafts_stride;
  int num_sequences;
};

__global__ void __launch_bounds__(kThreads) accept_kernel(const AcceptParams p) {
  await_previous();
  const int b = static_cast<int>(blockIdx.x) * kThreads + static_cast<int>(threadIdx.x);
  if (b >= p.num_sequences) {
    return;
  }
  const int first = p.first_choice[b];
  if (first < 0) {
    p.accepted[b] = -1;
    p.next_token[b] = -1;
    return;
  }
  const int32_t* drafts = p.drafts + b * p.drafts_stride;
  const int num_drafts = p.num_drafts[b];
  int count = 0;
  while (count < num_drafts && drafts[count] == p.choices[first + count]) {
    ++count;
  }
  p.accepted[b] = count;
  p.next_token[b] = p.choices[first + count];
}

}  // namespace

void accept(CudaContext& context, const AcceptArgs& args) {
  const int64_t num_sequences = args.first_choice.size(0);
  launch({.grid = dim3(grid_size(num_sequences, kThreads)),
          .block = dim3(kThreads),
          .stream = context.stream_handle(),
          .dependent = true},
         accept_kernel,
         {.accepted = args.accepted.as<int32_t>(),
          .next_token = args.next_token.as<int32_t>(),
          .choices = args.choices.as<int32_t>(),
          .first_choice = args.first_choice.as<int32_t>(),
          .drafts = args.drafts.as<int32_t>(),
          .num_drafts = args.num_drafts.as<int32_t>(),
          .drafts_stride = args.drafts.stride(0),
          .num_sequences = static_cast<int>(num_sequences)});
}

}  // namespace talon::ops::cuda
