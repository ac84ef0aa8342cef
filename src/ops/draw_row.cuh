// What the kernels that draw a token share: reductions over a block of kDrawThreads, keys of
// doubles, and noise. Sums of doubles are added in one order, whatever the timing.
#pragma once

#include <cstdint>

#include "ops/cuda_kernel.cuh"
#include "ops/token_noise.h"

namespace talon::ops::cuda {

inline constexpr int kDrawThreads = 512;
inline constexpr int kDrawWarps = kDrawThreads / kWarpSize;

// Rises with x; -0 counts as 0. x is not NaN.
__device__ inline uint64_t ordered_bits(double x) {
  const auto bits = static_cast<uint64_t>(__double_as_longlong(x + 0.0));
  return (bits >> 63) != 0 ? ~bits : bits | 0x8000000000000000U;
}

// The largest value, ties to the lower id. An id of -1 is nothing.
struct Candidate {
  double value;
  int32_t id;
};

__device__ inline Candidate better(const Candidate& a, const Candidate& b) {
  if (a.id < 0 || b.id < 0) {
    return a.id < 0 ? b : a;
  }
  return b.value > a.value || (b.value == a.value && b.id < a.id) ? b : a;
}

struct DrawShared {
  double doubles[kDrawWarps];
  int64_t integers[kDrawWarps];
  int32_t ids[kDrawWarps];
};

// The best of all threads' candidates, for all of them.
__device__ inline Candidate block_best(Candidate own, DrawShared& shared) {
  for (int step = kWarpSize / 2; step > 0; step /= 2) {
    const Candidate other = {__shfl_xor_sync(kAllLanes, own.value, step),
                             __shfl_xor_sync(kAllLanes, own.id, step)};
    own = better(own, other);
  }
  __syncthreads();
  if (threadIdx.x % kWarpSize == 0) {
    shared.doubles[threadIdx.x / kWarpSize] = own.value;
    shared.ids[threadIdx.x / kWarpSize] = own.id;
  }
  __syncthreads();
  Candidate best = {shared.doubles[0], shared.ids[0]};
  for (int w = 1; w < kDrawWarps; ++w) {
    best = better(best, {shared.doubles[w], shared.ids[w]});
  }
  return best;
}

__device__ inline double block_sum(double own, DrawShared& shared) {
  for (int step = kWarpSize / 2; step > 0; step /= 2) {
    own += __shfl_xor_sync(kAllLanes, own, step);
  }
  __syncthreads();
  if (threadIdx.x % kWarpSize == 0) {
    shared.doubles[threadIdx.x / kWarpSize] = own;
  }
  __syncthreads();
  double sum = 0.0;
  for (const double part : shared.doubles) {
    sum += part;
  }
  return sum;
}

__device__ inline int64_t block_sum(int64_t own, DrawShared& shared) {
  for (int step = kWarpSize / 2; step > 0; step /= 2) {
    own += __shfl_xor_sync(kAllLanes, own, step);
  }
  __syncthreads();
  if (threadIdx.x % kWarpSize == 0) {
    shared.integers[threadIdx.x / kWarpSize] = own;
  }
  __syncthreads();
  int64_t sum = 0;
  for (const int64_t part : shared.integers) {
    sum += part;
  }
  return sum;
}

__device__ inline double block_max(double own, DrawShared& shared) {
  return block_best({own, 0}, shared).value;
}

// As TokenNoise::gumbel, with the device's logarithm.
__device__ inline double gumbel(TokenNoise& noise, int32_t id) {
  return -log(-log(noise.uniform(id)));
}

}  // namespace talon::ops::cuda
