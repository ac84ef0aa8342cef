// One block an entry: the largest logit and the sum of exponentials, then the largest logits one
// after the other, each a pass over the row in the L2 cache.
#include "ops/token_logprobs.h"

#include <cfloat>

#include "ops/cuda_kernel.cuh"
#include "ops/draw_row.cuh"

namespace talon::ops::cuda {
namespace {

struct LogprobParams {
  float* logprobs;         // [N]
  int32_t* top_ids;        // [N, M]
  float* top_logprobs;     // [N, M]
  const float* logits;     // [R, V]
  const uint8_t* allowed;  // [V]
  const int32_t* rows;     // [N]
  const int32_t* tokens;   // [N]
  const int32_t* num_top;  // [N]
  int64_t logits_stride;
  int size;  // V
  int most;  // M
};

// What a NaN and an id without a token count as. A finite stand-in for infinity keeps differences
// defined.
__device__ float value_of(const LogprobParams& p, const float* row, int id) {
  const float logit = row[id];
  return p.allowed[id] != 0 && logit == logit ? fminf(logit, FLT_MAX) : -INFINITY;
}

// log(sum of exp); minus infinity if there is nothing to sum.
__device__ double log_total(const LogprobParams& p, const float* row, DrawShared& shared) {
  double own = -INFINITY;
  for (int id = static_cast<int>(threadIdx.x); id < p.size; id += kDrawThreads) {
    own = fmax(own, static_cast<double>(value_of(p, row, id)));
  }
  const double largest = block_max(own, shared);
  if (largest == -INFINITY) {
    return largest;
  }
  double sum = 0.0;
  for (int id = static_cast<int>(threadIdx.x); id < p.size; id += kDrawThreads) {
    sum += exp(static_cast<double>(value_of(p, row, id)) - largest);
  }
  return largest + log(block_sum(sum, shared));
}

__device__ float logprob(float value, double total) {
  return value == -INFINITY ? value : static_cast<float>(static_cast<double>(value) - total);
}

// The largest value behind `last` in falling order, ties lower id first.
__device__ Candidate next_largest(const LogprobParams& p,
                                  const float* row,
                                  Candidate last,
                                  DrawShared& shared) {
  Candidate best = {0.0, -1};
  for (int id = static_cast<int>(threadIdx.x); id < p.size; id += kDrawThreads) {
    const auto value = static_cast<double>(value_of(p, row, id));
    const bool is_behind =
        last.id < 0 || value < last.value || (value == last.value && id > last.id);
    if (p.allowed[id] != 0 && is_behind) {
      best = better(best, {value, id});
    }
  }
  return block_best(best, shared);
}

__global__ void __launch_bounds__(kDrawThreads) logprob_kernel(const LogprobParams p) {
  await_previous();
  __shared__ DrawShared shared;
  const int64_t i = blockIdx.x;
  const int token = p.tokens[i];
  const int num_top = p.num_top[i];
  if (token < 0 || num_top < 0) {
    return;
  }
  const float* row = p.logits + p.rows[i] * p.logits_stride;
  const double total = log_total(p, row, shared);
  if (threadIdx.x == 0) {
    p.logprobs[i] = logprob(value_of(p, row, token), total);
  }
  Candidate last = {0.0, -1};
  bool ended = false;
  for (int j = 0; j < num_top; ++j) {
    if (!ended) {
      last = next_largest(p, row, last, shared);
      ended = last.id < 0;
    }
    if (threadIdx.x == 0) {
      p.top_ids[i * p.most + j] = last.id;
      p.top_logprobs[i * p.most + j] =
          ended ? -INFINITY : logprob(static_cast<float>(last.value), total);
    }
  }
}

}  // namespace

void token_logprobs(CudaContext& context, const TokenLogprobsArgs& args) {
  launch({.grid = dim3(static_cast<unsigned>(args.rows.size(0))),
          .block = dim3(kDrawThreads),
          .stream = context.stream_handle(),
          .dependent = true},
         logprob_kernel,
         {.logprobs = args.logprobs.as<float>(),
          .top_ids = args.top_ids.as<int32_t>(),
          .top_logprobs = args.top_logprobs.as<float>(),
          .logits = args.logits.as<float>(),
          .allowed = args.allowed.as<uint8_t>(),
          .rows = args.rows.as<int32_t>(),
          .tokens = args.tokens.as<int32_t>(),
          .num_top = args.num_top.as<int32_t>(),
          .logits_stride = args.logits.stride(0),
          .size = static_cast<int>(args.logits.size(1)),
          .most = static_cast<int>(args.top_ids.size(1))});
}

}  // namespace talon::ops::cuda
