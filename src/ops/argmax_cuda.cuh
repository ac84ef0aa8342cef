// The largest key of a part of a row by one block, for argmax and choose.
#pragma once

#include "ops/cuda_kernel.cuh"
#include "ops/order_key.cuh"

namespace talon::ops::cuda {

inline constexpr int kArgmaxThreads = 256;
inline constexpr int kArgmaxPart = 4096;  // columns of a block: 49 blocks for a row of M3

template <class T>
struct ArgmaxRow {
  const T* logits;         // [V]
  const uint8_t* allowed;  // [V], null: all are
  int64_t size;
  int32_t first_id;
};

// Raises *key to the largest of the part. The maximum does not mind the order of the blocks.
template <class T>
__device__ void raise_key(unsigned long long* key, const ArgmaxRow<T>& row, int part) {
  __shared__ uint64_t shared[kArgmaxThreads / kWarpSize];
  const int64_t begin = int64_t{part} * kArgmaxPart;
  const int64_t end = begin + kArgmaxPart < row.size ? begin + kArgmaxPart : row.size;
  uint64_t best = 0;
  for (int64_t c = begin + threadIdx.x; c < end; c += kArgmaxThreads) {
    if (row.allowed == nullptr || row.allowed[c] != 0) {
      const uint64_t own =
          order_key(to_float(row.logits[c]), row.first_id + static_cast<int32_t>(c));
      best = own > best ? own : best;
    }
  }
  best = warp_max(best);
  if (threadIdx.x % kWarpSize == 0) {
    shared[threadIdx.x / kWarpSize] = best;
  }
  __syncthreads();
  if (threadIdx.x == 0) {
    for (const uint64_t other : shared) {
      best = other > best ? other : best;
    }
    atomicMax(key, static_cast<unsigned long long>(best));
  }
}

}  // namespace talon::ops::cuda
