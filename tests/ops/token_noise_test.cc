// Noise of ids: the generator's words and no others, bounds that hold, and keys that tell draws
// apart.
#include "ops/token_noise.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstdint>

#include "base/rng.h"
#include "core/cpu_path.h"
#include "ops/philox_block.h"
#include "ops/token_noise_block.h"

namespace talon::ops {
namespace {

TEST(TokenNoiseTest, IsAWordOfTheGeneratorForEachIdInAnyOrder) {
  TokenNoise noise(-3, 70000, RngPurpose::kAccept, 5);
  for (const int32_t id : {0, 1, 2, 3, 4, 9, 8, 3, 200063}) {
    const auto words = philox4x32({70000, 5U << 16, static_cast<uint32_t>(RngPurpose::kAccept),
                                   static_cast<uint32_t>(id / 4)},
                                  {0xFFFFFFFDU, 0xFFFFFFFFU});
    const double u = (words[static_cast<uint32_t>(id) % 4] + 0.5) / 4294967296.0;
    EXPECT_EQ(noise.uniform(id), u);
    EXPECT_EQ(noise.gumbel(id), -std::log(-std::log(u)));
  }
}

TEST(TokenNoiseTest, BlocksOfIdsGetTheSameNumbers) {
  for (const CpuPath path : {CpuPath::kScalar, CpuPath::kAvx2, CpuPath::kAvx512, CpuPath::kAmx}) {
    if (!cpu_path_available(path)) {
      continue;
    }
    TokenNoise alone(-3, 70000, RngPurpose::kToken, 5);
    BlockTokenNoise block(-3, 70000, RngPurpose::kToken, 5, cpu::philox_kernel(path));
    for (const int32_t id : {0, 1, 3, 4, 31, 32, 33, 500, 2, 200063}) {
      EXPECT_EQ(block.gumbel(id), alone.gumbel(id)) << id;
      EXPECT_EQ(block.gumbel_bound(id), alone.gumbel_bound(id)) << id;
    }
  }
}

TEST(TokenNoiseTest, BoundsHoldAndFollowTheNoise) {
  TokenNoise noise(1, 2, RngPurpose::kToken);
  double sum = 0.0;
  constexpr int32_t kIds = 200000;
  for (int32_t id = 0; id < kIds; ++id) {
    const double gumbel = noise.gumbel(id);
    ASSERT_LE(gumbel, noise.gumbel_bound(id));
    ASSERT_LE(noise.gumbel_bound(id), TokenNoise::kLargestGumbel);
    sum += gumbel;
  }
  EXPECT_NEAR(sum / kIds, 0.5772, 0.01);  // Euler's constant is the mean
}

TEST(TokenNoiseTest, SeedIndexPurposeAndPartTellDrawsApart) {
  const double u = TokenNoise(1, 2, RngPurpose::kToken).uniform(3);
  EXPECT_NE(TokenNoise(2, 2, RngPurpose::kToken).uniform(3), u);
  EXPECT_NE(TokenNoise(1, 3, RngPurpose::kToken).uniform(3), u);
  EXPECT_NE(TokenNoise(1, 2, RngPurpose::kAccept).uniform(3), u);
  EXPECT_NE(TokenNoise(1, 2, RngPurpose::kToken, 1).uniform(3), u);
}

}  // namespace
}  // namespace talon::ops
