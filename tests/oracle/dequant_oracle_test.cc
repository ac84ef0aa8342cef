// Codes by hand from the format definitions (OCP 8-bit floating point 1.0, OCP microscaling 1.0).
#include "oracle/dequant_oracle.h"

#include <gtest/gtest.h>

#include <cmath>
#include <vector>

namespace talon::oracle {
namespace {

TEST(DequantTest, E4m3Codes) {
  EXPECT_EQ(e4m3_value(0x00), 0.0);
  EXPECT_TRUE(std::signbit(e4m3_value(0x80)));
  EXPECT_EQ(e4m3_value(0x01), std::ldexp(1.0, -9));  // smallest subnormal
  EXPECT_EQ(e4m3_value(0x07), std::ldexp(7.0, -9));  // largest subnormal
  EXPECT_EQ(e4m3_value(0x08), std::ldexp(1.0, -6));  // smallest normal
  EXPECT_EQ(e4m3_value(0x38), 1.0);
  EXPECT_EQ(e4m3_value(0xBC), -1.5);
  EXPECT_EQ(e4m3_value(0x7E), 448.0);
  EXPECT_TRUE(std::isnan(e4m3_value(0x7F)));
  EXPECT_TRUE(std::isnan(e4m3_value(0xFF)));
}

TEST(DequantTest, E8m0Codes) {
  EXPECT_EQ(e8m0_value(127), 1.0);
  EXPECT_EQ(e8m0_value(0), std::ldexp(1.0, -127));
  EXPECT_EQ(e8m0_value(254), std::ldexp(1.0, 127));
  EXPECT_TRUE(std::isnan(e8m0_value(255)));
}

TEST(DequantTest, E2m1Codes) {
  const std::vector<double> expected = {0.0, 0.5, 1.0, 1.5, 2.0, 3.0, 4.0, 6.0};
  for (uint8_t code = 0; code < 8; ++code) {
    EXPECT_EQ(e2m1_value(code), expected[code]);
    EXPECT_EQ(e2m1_value(static_cast<uint8_t>(code | 8)), -expected[code]);
  }
}

TEST(DequantTest, Bf16IsTheUpperHalfOfAFloat) {
  EXPECT_EQ(bf16_value(0x3F80), 1.0);
  EXPECT_EQ(bf16_value(0xC040), -3.0);
}

TEST(DequantTest, Mxfp8ScalesThirtyTwoChannelsEach) {
  const std::vector<uint8_t> codes(128, 0x38);  // two rows of 64 ones
  const std::vector<uint8_t> scales = {127, 128, 126, 130};

  const std::vector<double> values = dequant_mxfp8(codes, scales, 64);

  EXPECT_EQ(values[31], 1.0);
  EXPECT_EQ(values[32], 2.0);
  EXPECT_EQ(values[64], 0.5);
  EXPECT_EQ(values[127], 8.0);
}

TEST(DequantTest, Mxfp4LowNibbleIsTheEvenChannel) {
  std::vector<uint8_t> codes(32, 0);  // two rows of 32
  codes[0] = 0xA3;                    // channel 0: 1.5, channel 1: -1
  codes[16] = 0x72;                   // next row: 1 and 6
  const std::vector<uint8_t> scales = {128, 126};

  const std::vector<double> values = dequant_mxfp4(codes, scales, 32);

  EXPECT_EQ(values[0], 3.0);
  EXPECT_EQ(values[1], -2.0);
  EXPECT_EQ(values[32], 0.5);
  EXPECT_EQ(values[33], 3.0);
}

TEST(DequantTest, Fp8ScalePerChannelAndPerBlock) {
  const std::vector<uint8_t> pair(2 * 3, 0x38);
  const std::vector<double> channel = dequant_fp8_channel(pair, std::vector<float>{0.25F, 3.0F}, 3);
  EXPECT_EQ(channel, (std::vector<double>{0.25, 0.25, 0.25, 3.0, 3.0, 3.0}));

  const std::vector<uint8_t> matrix(130 * 129, 0x38);  // blocks of 128 x 128, ragged at the end
  const std::vector<double> block =
      dequant_fp8_block(matrix, std::vector<float>{1.0F, 2.0F, 3.0F, 4.0F}, 129);
  EXPECT_EQ(block[127], 1.0);
  EXPECT_EQ(block[128], 2.0);
  EXPECT_EQ(block[128 * 129], 3.0);
  EXPECT_EQ(block.back(), 4.0);
}

}  // namespace
}  // namespace talon::oracle
