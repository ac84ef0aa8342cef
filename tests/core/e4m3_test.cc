// Rounding to e4m3 against a search through all codes.
#include "core/e4m3.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstdint>
#include <limits>

namespace talon {
namespace {

// The nearest of all codes, by trying them; of two the even one.
uint8_t nearest_e4m3(double value) {
  int best = 0;
  for (int code = 0; code < 0x7F; ++code) {
    const auto error = [&](int of) {
      return std::abs(static_cast<double>(to_float(e4m3{static_cast<uint8_t>(of)})) -
                      std::abs(value));
    };
    if (error(code) < error(best) || (error(code) == error(best) && code % 2 == 0)) {
      best = code;
    }
  }
  return static_cast<uint8_t>(best | (std::signbit(value) ? 0x80 : 0));
}

// All bf16: ties and both neighbours of each are among them.
TEST(E4m3Test, RoundsToTheNearestCode) {
  for (uint32_t bits = 0; bits < 0x10000; ++bits) {
    const float value = to_float(bf16{static_cast<uint16_t>(bits)});
    if (!std::isnan(value) && std::abs(value) < 1e30F) {
      ASSERT_EQ(to_e4m3(value).bits, nearest_e4m3(static_cast<double>(value))) << value;
    }
  }
  EXPECT_EQ(to_e4m3(1.0625F).bits, 0x38);  // a tie: down to even
  EXPECT_EQ(to_e4m3(std::nextafter(1.0625F, 2.0F)).bits, 0x39);
  EXPECT_EQ(to_e4m3(0x1.0p-10F).bits, 0x00);  // half of the smallest: down to even
  EXPECT_EQ(to_e4m3(std::nextafter(0x1.0p-10F, 1.0F)).bits, 0x01);
  EXPECT_EQ(to_e4m3(0x1.Fp-7F).bits, 0x08);  // up to the smallest normal code
}

TEST(E4m3Test, SaturatesAndKeepsNan) {
  EXPECT_EQ(to_e4m3(448.0F).bits, 0x7E);
  EXPECT_EQ(to_e4m3(1e30F).bits, 0x7E);
  EXPECT_EQ(to_e4m3(-std::numeric_limits<float>::infinity()).bits, 0xFE);
  EXPECT_EQ(to_e4m3(std::numeric_limits<float>::quiet_NaN()).bits & 0x7F, 0x7F);
  EXPECT_EQ(to_e4m3(-0.0F).bits, 0x80);
}

}  // namespace
}  // namespace talon
