// The tensor-core product of 16 x 16 by 16 x 8 in bf16 with float32 sums, for every kernel that
// multiplies. Lane l holds, with g = l / 4 and t = l % 4: of A the rows g and g + 8, of B the
// column g, of C rows g and g + 8 at columns 2 t and 2 t + 1.
#pragma once

#include <cstdint>

#include "ops/cuda_kernel.cuh"

namespace talon::ops::cuda {

// a = {row g, row g + 8, row g, row g + 8} at k {2 t, 2 t, 2 t + 8, 2 t + 8} and one more.
__device__ inline void mma_16x8x16(float (&c)[4],
                                   const uint32_t (&a)[4],
                                   uint32_t b0,
                                   uint32_t b1) {
  asm volatile(
      "mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, "
      "{%0,%1,%2,%3};"
      : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])
      : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b0), "r"(b1));
}

__device__ inline uint32_t pack_pair(float low, float high) {
  uint32_t pair;
  asm("cvt.rn.bf16x2.f32 %0, %1, %2;" : "=r"(pair) : "f"(high), "f"(low));
  return pair;
}

// Four 8 x 8 matrices from shared memory, each transposed.
__device__ inline void load_transposed(uint32_t (&out)[4], const void* row) {
  const auto address = static_cast<uint32_t>(__cvta_generic_to_shared(row));
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0,%1,%2,%3}, [%4];"
               : "=r"(out[0]), "=r"(out[1]), "=r"(out[2]), "=r"(out[3])
               : "r"(address));
}

// Queues a copy of 16 bytes into shared memory; without `exists` it writes zeros and reads nothing.
__device__ inline void copy_piece(void* to, const void* from, bool exists) {
  const auto address = static_cast<uint32_t>(__cvta_generic_to_shared(to));
  asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;"
               :
               : "r"(address), "l"(from), "r"(exists ? 16 : 0)
               : "memory");
}

// Closes the group of the copies queued since the last one.
__device__ inline void commit_copies() { asm volatile("cp.async.commit_group;" ::: "memory"); }

// Until all groups of this thread but the last kPending are there.
template <int kPending>
__device__ inline void wait_for_copies() {
  asm volatile("cp.async.wait_group %0;" ::"n"(kPending) : "memory");
}

}  // namespace talon::ops::cuda
