// Eight elements of a plane of keys or values as bf16 in registers, exactly; those of e4m3 in the
// way of ops/weight_tile.cuh. The code 0x7F, a NaN, counts as 480.
#pragma once

#include <cstdint>

#include "ops/cuda_kernel.cuh"
#include "ops/weight_tile.cuh"

namespace talon::ops::cuda {

__device__ inline uint4 expand_e4m3(uint2 codes) {
  const uint32_t up = twice((120 + 127) << 7);  // 2^120
  return {times(e4m3_pair(codes.x, 0), up), times(e4m3_pair(codes.x, 1), up),
          times(e4m3_pair(codes.y, 0), up), times(e4m3_pair(codes.y, 1), up)};
}

// `from` is aligned to the eight.
template <class P>
__device__ inline uint4 load_eight(const P* from);
template <>
__device__ inline uint4 load_eight<bf16>(const bf16* from) {
  return __ldg(reinterpret_cast<const uint4*>(from));
}
template <>
__device__ inline uint4 load_eight<e4m3>(const e4m3* from) {
  return expand_e4m3(__ldg(reinterpret_cast<const uint2*>(from)));
}

}  // namespace talon::ops::cuda
