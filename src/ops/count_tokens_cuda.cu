// A thread a token. Two may be the same token of the same slot: the additions are atomic, and of
// integers, so their order does not matter.
#include "ops/count_tokens.h"

#include "ops/choose.h"
#include "ops/cuda_kernel.cuh"

namespace talon::ops::cuda {
namespace {

constexpr int kThreads = 128;

struct CountParams {
  int32_t* counts;        // [S, V]
  const int32_t* flags;   // [S]
  const int32_t* tokens;  // [N]
  const int32_t* slots;   // [N]
  int64_t vocabulary;
  int num_slots;
  int num_tokens;
};

__global__ void __launch_bounds__(kThreads) count_kernel(const CountParams p) {
  await_previous();
  const int i = static_cast<int>(blockIdx.x) * kThreads + static_cast<int>(threadIdx.x);
  if (i >= p.num_tokens) {
    return;
  }
  const int token = p.tokens[i];
  const int slot = p.slots[i];
  if (token >= 0 && token < p.vocabulary && slot >= 0 && slot < p.num_slots &&
      (p.flags[slot] & kSlotPenalises) != 0) {
    atomicAdd(p.counts + slot * p.vocabulary + token, 2);
  }
}

}  // namespace

void count_tokens(CudaContext& context, const CountTokensArgs& args) {
  const int64_t num_tokens = args.tokens.size(0);
  launch({.grid = dim3(grid_size(num_tokens, kThreads)),
          .block = dim3(kThreads),
          .stream = context.stream_handle(),
          .dependent = true},
         count_kernel,
         {.counts = args.counts.as<int32_t>(),
          .flags = args.flags.as<int32_t>(),
          .tokens = args.tokens.as<int32_t>(),
          .slots = args.slots.as<int32_t>(),
          .vocabulary = args.counts.size(1),
          .num_slots = static_cast<int>(args.counts.size(0)),
          .num_tokens = static_cast<int>(num_tokens)});
}

}  // namespace talon::ops::cuda
