// Philox 4x32-10 against the known answers of its authors (Random123, kat_vectors).
#include "base/rng.h"

#include <gtest/gtest.h>

namespace talon {
namespace {

using Words = std::array<uint32_t, 4>;

TEST(RngTest, PhiloxGivesTheKnownAnswers) {
  EXPECT_EQ(philox4x32({0, 0, 0, 0}, {0, 0}),
            (Words{0x6627e8d5U, 0xe169c58dU, 0xbc57ac4cU, 0x9b00dbd8U}));
  constexpr uint32_t kOnes = 0xffffffffU;
  EXPECT_EQ(philox4x32({kOnes, kOnes, kOnes, kOnes}, {kOnes, kOnes}),
            (Words{0x408f276dU, 0x41c83b0eU, 0xa20bc7c6U, 0x6d5451fdU}));
  EXPECT_EQ(
      philox4x32({0x243f6a88U, 0x85a308d3U, 0x13198a2eU, 0x03707344U}, {0xa4093822U, 0x299f31d0U}),
      (Words{0xd16cfe09U, 0x94fdccebU, 0x5001e420U, 0x24126ea1U}));
}

TEST(RngTest, UniformIsAPureFunctionInTheUnitInterval) {
  double sum = 0.0;
  for (uint64_t i = 0; i < 4096; ++i) {
    const float value = uniform_float(7, i, RngPurpose::kTest);
    ASSERT_GE(value, 0.0F);
    ASSERT_LT(value, 1.0F);
    ASSERT_EQ(value, uniform_float(7, i, RngPurpose::kTest));
    sum += value;
  }
  EXPECT_NEAR(sum / 4096, 0.5, 0.02);
  EXPECT_NE(uniform_float(7, 0, RngPurpose::kTest), uniform_float(8, 0, RngPurpose::kTest));
  EXPECT_NE(uniform_float(7, 0, RngPurpose::kTest), uniform_float(7, 0, RngPurpose::kToken));
}

}  // namespace
}  // namespace talon
