// Hopper's bulk tensor copies into shared memory, and the barriers that they complete on.
#pragma once

#include <cuda.h>

#include <cstdint>

namespace talon::ops::cuda {

__device__ inline uint32_t shared_address(const void* pointer) {
  return static_cast<uint32_t>(__cvta_generic_to_shared(pointer));
}

// A barrier in shared memory whose phases take turns: a phase ends once its arrivals have come and
// the bytes that were announced with them.
struct CopyBarrier {
  uint64_t state;

  // By one thread; `fence_barriers` and a barrier of the block stand between this and any use.
  __device__ void init(uint32_t arrivals) {
    asm volatile("mbarrier.init.shared::cta.b64 [%0], %1;" ::"r"(shared_address(this)),
                 "r"(arrivals)
                 : "memory");
  }
  __device__ void arrive() {
    asm volatile("mbarrier.arrive.shared::cta.b64 _, [%0];" ::"r"(shared_address(this)) : "memory");
  }
  __device__ void arrive_and_expect(uint32_t bytes) {
    asm volatile(
        "mbarrier.arrive.expect_tx.shared::cta.b64 _, [%0], %1;" ::"r"(shared_address(this)),
        "r"(bytes)
        : "memory");
  }
  // Until the phase with this parity has ended; the one in front of the first counts as ended with
  // parity 1.
  __device__ void wait(uint32_t parity) {
    uint32_t ended = 0;
    while (ended == 0) {
      asm volatile(
          "{\n.reg .pred p;\n"
          "mbarrier.try_wait.parity.shared::cta.b64 p, [%1], %2;\n"
          "selp.u32 %0, 1, 0, p;\n}"
          : "=r"(ended)
          : "r"(shared_address(this)), "r"(parity)
          : "memory");
    }
  }
};

__device__ inline void fence_barriers() {
  asm volatile("fence.mbarrier_init.release.cluster;" ::: "memory");
}

// Copies the tile that begins at (column, row) of a map's matrix; its bytes count for `barrier`.
__device__ inline void copy_tile(
    void* to, const CUtensorMap& map, int column, int row, CopyBarrier& barrier) {
  asm volatile(
      "cp.async.bulk.tensor.2d.shared::cluster.global.tile.mbarrier::complete_tx::bytes [%0], "
      "[%1, {%2, %3}], [%4];" ::"r"(shared_address(to)),
      "l"(&map), "r"(column), "r"(row), "r"(shared_address(&barrier))
      : "memory");
}

}  // namespace talon::ops::cuda
