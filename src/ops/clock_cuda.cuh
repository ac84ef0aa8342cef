// The device's clock, in nanoseconds: for .cu files of ops that stamp.
#pragma once

#include <cstdint>

namespace talon::ops::cuda {

__device__ inline int64_t now_ns() {
  uint64_t time = 0;
  asm volatile("mov.u64 %0, %globaltimer;" : "=l"(time));
  return static_cast<int64_t>(time);
}

}  // namespace talon::ops::cuda
