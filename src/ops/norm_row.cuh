// The norm of one row by one block, for rms_norm and the norms of draft_input. Two passes over the
// row: its few kilobytes stay in the cache between them.
#pragma once

#include "ops/cuda_kernel.cuh"

namespace talon::ops::cuda {

inline constexpr int kNormThreads = 256;

struct NormForm {
  int64_t size;
  float eps;
  float offset;  // 1 or 0
};

// value(c) gives element c as float. out[c] = value(c) / sqrt(mean square + eps) * (offset + gain).
template <class T, class G, int kWidth, class Value>
__device__ void norm_row(T* out, const G* gain, const NormForm& form, const Value& value) {
  __shared__ float shared[kNormThreads / kWarpSize];
  float squares = 0.0F;
  for (int64_t c = threadIdx.x * kWidth; c < form.size; c += kNormThreads * kWidth) {
    const Vector<float, kWidth> x = value(c);
    for (int i = 0; i < kWidth; ++i) {
      squares += x.at[i] * x.at[i];
    }
  }
  const float sum = block_sum<kNormThreads>(squares, shared);
  const float inverse = 1.0F / sqrtf(sum / static_cast<float>(form.size) + form.eps);
  for (int64_t c = threadIdx.x * kWidth; c < form.size; c += kNormThreads * kWidth) {
    const Vector<float, kWidth> x = value(c);
    Vector<T, kWidth> y;
    for (int i = 0; i < kWidth; ++i) {
      y.at[i] = rounded<T>((x.at[i] * inverse) * (form.offset + to_float(gain[c + i])));
    }
    *reinterpret_cast<Vector<T, kWidth>*>(out + c) = y;
  }
}

template <class T, int kWidth>
__device__ Vector<float, kWidth> load_floats(const T* from) {
  const auto x = *reinterpret_cast<const Vector<T, kWidth>*>(from);
  Vector<float, kWidth> y;
  for (int i = 0; i < kWidth; ++i) {
    y.at[i] = to_float(x.at[i]);
  }
  return y;
}

}  // namespace talon::ops::cuda
