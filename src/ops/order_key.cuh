// Keys whose order as integers is that of values: for choices in which ties go to the lower id.
#pragma once

#include <cstdint>

namespace talon::ops::cuda {

// Rises with x; a NaN counts as minus infinity, -0 as 0.
__device__ inline uint32_t ordered_bits(float x) {
  const uint32_t bits = __float_as_uint(x == x ? x + 0.0F : -INFINITY);
  return (bits >> 31) != 0 ? ~bits : bits | 0x80000000U;
}

// As ops::argmax_key. Above 0, which stands for nothing.
__device__ inline uint64_t order_key(float x, int32_t id) {
  return (uint64_t{ordered_bits(x)} << 32) | (0xFFFFFFFFU - static_cast<uint32_t>(id));
}

__device__ inline int32_t order_key_id(uint64_t key) {
  return static_cast<int32_t>(0xFFFFFFFFU - static_cast<uint32_t>(key));
}

}  // namespace talon::ops::cuda
