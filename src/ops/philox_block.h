// Many words of the generator of base/rng.h at once, for draws that need noise for each id of a
// vocabulary. The words are those of philox4x32, on every path. Plain pointers only, as in
// tile_product.h.
#pragma once

#include <cstdint>

#include "core/cpu_path.h"

namespace talon::ops::cpu {

inline constexpr uint32_t kPhiloxLanes = 8;

// The counter is (low, high, purpose, lane) for kPhiloxLanes lanes from `lane` on.
struct PhiloxBlock {
  uint32_t low = 0;
  uint32_t high = 0;
  uint32_t purpose = 0;
  uint32_t lane = 0;
  uint32_t key[2] = {0, 0};
};

// words[4 * i + j] is word j of lane `lane` + i.
using PhiloxKernel = void (*)(uint32_t* words, const PhiloxBlock& block);

void philox_block_avx2(uint32_t* words, const PhiloxBlock& block);
void philox_block_avx512(uint32_t* words, const PhiloxBlock& block);

// Null on the scalar path, where a block is no cheaper than its lanes one by one.
inline PhiloxKernel philox_kernel(CpuPath path) {
  switch (path) {
    case CpuPath::kScalar:
      return nullptr;
    case CpuPath::kAvx2:
      return philox_block_avx2;
    case CpuPath::kAvx512:
    case CpuPath::kAmx:
      return philox_block_avx512;
  }
  return nullptr;
}

}  // namespace talon::ops::cpu
