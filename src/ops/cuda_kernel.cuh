// What the CUDA kernels of ops share: sizes, loads of 16 bytes, roundings, and reductions whose
// order is fixed, so that a result depends on its own row alone.
#pragma once

#include <cuda_bf16.h>
#include <cuda_runtime.h>

#include <cstdint>

#include "base/checked_int.h"
#include "core/cuda/context.h"
#include "core/cuda/launch.h"
#include "core/dtype.h"
#include "core/tensor_view.h"

namespace talon::ops::cuda {

inline constexpr int kWarpSize = 32;
inline constexpr unsigned kAllLanes = 0xFFFFFFFFU;

// First thing in every kernel: the launch may overlap the end of the kernel in front, whose writes
// are there from here on (LaunchShape::dependent). The kernel behind may be launched as soon as all
// blocks have come past here; any sooner, kernels would queue up on the multiprocessors.
__device__ inline void await_previous() {
#if __CUDA_ARCH__ >= 900
  asm volatile("griddepcontrol.wait;\ngriddepcontrol.launch_dependents;" ::: "memory");
#endif
}

// Elements that one thread loads at once.
template <class T>
inline constexpr int kVector = 16 / static_cast<int>(sizeof(T));

template <class T, int kCount>
struct alignas(sizeof(T) * kCount) Vector {
  T at[kCount];
};

template <class T>
__device__ inline T rounded(float x);
template <>
__device__ inline float rounded<float>(float x) {
  return x;
}
template <>
__device__ inline bf16 rounded<bf16>(float x) {
  return {__bfloat16_as_ushort(__float2bfloat16_rn(x))};
}

// 1 / (1 + e^-x).
__device__ inline float sigmoid(float x) { return 1.0F / (1.0F + expf(-x)); }

__device__ inline float warp_sum(float x) {
  for (int step = kWarpSize / 2; step > 0; step /= 2) {
    x += __shfl_xor_sync(kAllLanes, x, step);
  }
  return x;
}

template <class T>
__device__ inline T warp_max(T x) {
  for (int step = kWarpSize / 2; step > 0; step /= 2) {
    const T other = __shfl_xor_sync(kAllLanes, x, step);
    x = other > x ? other : x;
  }
  return x;
}

// The sum over the block's threads, for all of them. `shared` has a place for each warp.
template <int kThreads>
__device__ inline float block_sum(float x, float* shared) {
  x = warp_sum(x);
  __syncthreads();  // a former sum may still be read
  if (threadIdx.x % kWarpSize == 0) {
    shared[threadIdx.x / kWarpSize] = x;
  }
  __syncthreads();
  float sum = 0.0F;
  for (int w = 0; w < kThreads / kWarpSize; ++w) {
    sum += shared[w];
  }
  return sum;
}

// Whether all rows of a view can be read and written by kVector elements.
template <class T, bool kConst>
bool has_vector_rows(const BasicTensorView<kConst>& view) {
  const auto address = reinterpret_cast<uintptr_t>(view.data());
  return address % 16 == 0 && view.stride(0) % kVector<T> == 0 && view.size(1) % kVector<T> == 0;
}

template <class T, bool kConst>
bool has_vectors(const BasicTensorView<kConst>& view, int64_t row_size) {
  return reinterpret_cast<uintptr_t>(view.data()) % 16 == 0 && row_size % kVector<T> == 0;
}

inline unsigned grid_size(int64_t items, int64_t per_block) {
  return static_cast<unsigned>(ceil_div(items, per_block));
}

template <class T>
const T* pointer_or_null(const ConstTensorView& view) {
  return view.empty() ? nullptr : view.as<T>();
}

}  // namespace talon::ops::cuda
