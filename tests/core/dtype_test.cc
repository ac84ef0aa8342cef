// Element conversions, exhaustively where the type is small: against arithmetic in double.
#include "core/dtype.h"

#include <gtest/gtest.h>

#include <cmath>

namespace talon {
namespace {

TEST(DTypeTest, Bf16RoundTripsEveryBitPattern) {
  for (uint32_t bits = 0; bits < 0x10000; ++bits) {
    const bf16 value{static_cast<uint16_t>(bits)};
    const float wide = to_float(value);
    if (std::isnan(wide)) {
      EXPECT_TRUE(std::isnan(to_float(to_bf16(wide))));
    } else {
      EXPECT_EQ(to_bf16(wide), value) << bits;
    }
  }
}

TEST(DTypeTest, Bf16RoundsToNearestEven) {
  EXPECT_EQ(to_bf16(1.0F + 0x1.0p-8F).bits, 0x3F80);              // a tie: down to even
  EXPECT_EQ(to_bf16(1.0F + 0x1.0p-7F + 0x1.0p-8F).bits, 0x3F82);  // a tie: up to even
  EXPECT_EQ(to_bf16(1.0F + 0x1.1p-8F).bits, 0x3F81);
  EXPECT_EQ(to_bf16(3.4e38F).bits, 0x7F80);  // past the largest: infinity
}

TEST(DTypeTest, E4m3DecodesEveryCode) {
  for (uint32_t code = 0; code < 256; ++code) {
    const int exponent = static_cast<int>((code >> 3) & 15U);
    const double mantissa = code & 7U;
    const double magnitude =
        exponent == 0 ? std::ldexp(mantissa, -9) : std::ldexp(8.0 + mantissa, exponent - 10);
    const float value = to_float(e4m3{static_cast<uint8_t>(code)});
    if ((code & 0x7FU) == 0x7F) {
      EXPECT_TRUE(std::isnan(value));
    } else {
      EXPECT_EQ(value, static_cast<float>((code & 0x80U) != 0 ? -magnitude : magnitude)) << code;
    }
  }
}

TEST(DTypeTest, E8m0IsAPowerOfTwo) {
  for (int scale = 0; scale < 255; ++scale) {
    EXPECT_EQ(static_cast<double>(e8m0_to_float(static_cast<uint8_t>(scale))),
              std::ldexp(1.0, scale - 127));
  }
  EXPECT_TRUE(std::isnan(e8m0_to_float(255)));
}

TEST(DTypeTest, E2m1HasTheEightMagnitudesAndASign) {
  EXPECT_EQ(e2m1_to_float(0x7), 6.0F);
  EXPECT_EQ(e2m1_to_float(0x9), -0.5F);
  EXPECT_EQ(e2m1_to_float(0x1), 0.5F);
  EXPECT_TRUE(std::signbit(e2m1_to_float(0x8)));
}

}  // namespace
}  // namespace talon
