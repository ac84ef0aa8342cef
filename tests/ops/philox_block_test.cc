// Blocks of generator words are the words of philox4x32, at every lane, on each vector path.
#include "ops/philox_block.h"

#include <gtest/gtest.h>

#include <array>
#include <cstdint>

#include "base/rng.h"
#include "core/cpu_path.h"

namespace talon::ops::cpu {
namespace {

TEST(PhiloxBlockTest, IsTheGeneratorLaneByLane) {
  EXPECT_EQ(philox_kernel(CpuPath::kScalar), nullptr);
  for (const CpuPath path : {CpuPath::kAvx2, CpuPath::kAvx512, CpuPath::kAmx}) {
    if (!cpu_path_available(path)) {
      continue;
    }
    for (uint32_t trial = 0; trial < 1000; ++trial) {
      const auto random = philox4x32({trial, 1, 2, 3}, {4, 5});
      const PhiloxBlock block = {.low = random[0],
                                 .high = random[1],
                                 .purpose = trial % 5,
                                 .lane = trial == 0 ? 0xFFFFFFFCU : random[2],  // it wraps
                                 .key = {random[3], ~random[0]}};
      std::array<uint32_t, 4 * kPhiloxLanes> words{};

      philox_kernel(path)(words.data(), block);

      for (uint32_t i = 0; i < kPhiloxLanes; ++i) {
        const auto expected = philox4x32({block.low, block.high, block.purpose, block.lane + i},
                                         {block.key[0], block.key[1]});
        for (size_t j = 0; j < 4; ++j) {
          ASSERT_EQ(words[4 * i + j], expected[j])
              << cpu_path_name(path) << " trial " << trial << " lane " << i << " word " << j;
        }
      }
    }
  }
}

}  // namespace
}  // namespace talon::ops::cpu
