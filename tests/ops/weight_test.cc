// Dequantisation against values written out in double from the formats' definitions (OCP 8-bit
// floating point v1.0, OCP Microscaling v1.0): exact in double, rounded once to float32.
#include "ops/weight.h"

#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <limits>
#include <vector>

#include "tests/ops/test_weight.h"

namespace talon::ops {
namespace {

constexpr int kScales[] = {0, 1, 2, 126, 127, 128, 253, 254, 255};

double e4m3_value(int code) {
  const double sign = (code & 0x80) != 0 ? -1.0 : 1.0;
  const int exponent = (code >> 3) & 15;
  const int mantissa = code & 7;
  if (exponent == 15 && mantissa == 7) {
    return std::numeric_limits<double>::quiet_NaN();
  }
  return sign * (exponent == 0 ? std::ldexp(mantissa / 8.0, -6)
                               : std::ldexp(1.0 + mantissa / 8.0, exponent - 7));
}

double e2m1_value(int code) {
  const double sign = (code & 8) != 0 ? -1.0 : 1.0;
  const int exponent = (code >> 1) & 3;
  const int mantissa = code & 1;
  return sign * (exponent == 0 ? mantissa * 0.5 : std::ldexp(1.0 + mantissa * 0.5, exponent - 1));
}

double e8m0_value(int scale) {
  return scale == 255 ? std::numeric_limits<double>::quiet_NaN() : std::ldexp(1.0, scale - 127);
}

// The conversion of a double that IEEE asks for: one rounding, subnormals kept.
void expect_rounded(double exact, float actual) {
  const auto expected = static_cast<float>(exact);
  if (std::isnan(exact)) {
    EXPECT_TRUE(std::isnan(actual));
  } else {
    EXPECT_EQ(std::bit_cast<uint32_t>(actual), std::bit_cast<uint32_t>(expected))
        << actual << ", expected " << expected;
  }
}

TEST(WeightTest, Mxfp8GivesEveryCodeTimesEveryScale) {
  for (const int scale : kScales) {
    SCOPED_TRACE(scale);
    TestWeight weight(WeightFormat::kMxfp8, 1, 256, 1);
    for (int code = 0; code < 256; ++code) {
      weight.values().at<e4m3>(code).bits = static_cast<uint8_t>(code);
    }
    for (int64_t i = 0; i < 8; ++i) {
      weight.scales().at<uint8_t>(i) = static_cast<uint8_t>(scale);
    }

    const std::vector<float> row = weight.dequantised();

    for (int code = 0; code < 256; ++code) {
      SCOPED_TRACE(code);
      expect_rounded(e4m3_value(code) * e8m0_value(scale), row[static_cast<size_t>(code)]);
    }
  }
}

TEST(WeightTest, Mxfp4GivesEveryPairOfCodesTimesEveryScale) {
  for (const int scale : kScales) {
    SCOPED_TRACE(scale);
    TestWeight weight(WeightFormat::kMxfp4, 1, 512, 1);
    for (int pair = 0; pair < 256; ++pair) {
      weight.values().at<uint8_t>(pair) = static_cast<uint8_t>(pair);
    }
    for (int64_t i = 0; i < 16; ++i) {
      weight.scales().at<uint8_t>(i) = static_cast<uint8_t>(scale);
    }

    const std::vector<float> row = weight.dequantised();

    for (int pair = 0; pair < 256; ++pair) {
      SCOPED_TRACE(pair);
      const auto even = static_cast<size_t>(2 * pair);
      expect_rounded(e2m1_value(pair & 15) * e8m0_value(scale), row[even]);
      expect_rounded(e2m1_value(pair >> 4) * e8m0_value(scale), row[even + 1]);
    }
  }
}

TEST(WeightTest, WordsForCudaHaveTheEvenInputsInTheirLowHalf) {
  // Input i of each word is i, then 15 - i.
  const std::vector<uint32_t> words = {0x76543210U, 0x89ABCDEFU};
  std::vector<uint32_t> halved(2);

  halve_words(reinterpret_cast<const std::byte*>(words.data()),
              reinterpret_cast<std::byte*>(halved.data()), 8);

  EXPECT_EQ(halved, (std::vector<uint32_t>{0x75316420U, 0x8ACE9BDFU}));
}

TEST(WeightTest, SmallScalesGiveSubnormalsAndLargeOnesInfinity) {
  TestWeight weight(WeightFormat::kMxfp8, 1, 64, 1);
  weight.values().at<e4m3>(0).bits = 0x01;   // 2^-9, the smallest
  weight.values().at<e4m3>(32).bits = 0x7E;  // 448, the largest
  weight.scales().at<uint8_t>(0) = 0;
  weight.scales().at<uint8_t>(1) = 254;

  const std::vector<float> row = weight.dequantised();

  EXPECT_EQ(row[0], 0x1p-136F);
  EXPECT_EQ(row[32], std::numeric_limits<float>::infinity());
}

TEST(WeightTest, Fp8ChannelHasAScaleForEachRow) {
  TestWeight weight(WeightFormat::kFp8Channel, 3, 256, 2);
  for (int64_t o = 0; o < 3; ++o) {
    weight.scales().at<float>(o) = 0.1F * static_cast<float>(o + 1);
    for (int code = 0; code < 256; ++code) {
      weight.values().at<e4m3>(o * 256 + code).bits = static_cast<uint8_t>(code);
    }
  }

  const std::vector<float> rows = weight.dequantised();

  for (int64_t o = 0; o < 3; ++o) {
    for (int code = 0; code < 256; ++code) {
      expect_rounded(e4m3_value(code) * static_cast<double>(weight.scales().at<float>(o)),
                     rows[static_cast<size_t>(o * 256 + code)]);
    }
  }
}

TEST(WeightTest, Fp8BlockChangesItsScaleEvery128RowsAndColumns) {
  TestWeight weight(WeightFormat::kFp8Block, 130, 300, 3);
  for (int64_t i = 0; i < weight.values().num_elements(); ++i) {
    weight.values().at<e4m3>(i).bits = 0x38;  // 1
  }

  const std::vector<float> rows = weight.dequantised();

  const auto at = [&](int64_t o, int64_t i) { return rows[static_cast<size_t>(o * 300 + i)]; };
  const auto scale = [&](int64_t i) { return weight.scales().at<float>(i); };
  EXPECT_EQ(at(127, 127), scale(0));
  EXPECT_EQ(at(127, 128), scale(1));
  EXPECT_EQ(at(0, 299), scale(2));
  EXPECT_EQ(at(128, 0), scale(3));
  EXPECT_EQ(at(129, 299), scale(5));
}

TEST(WeightTest, Bf16IsWidened) {
  const TestWeight weight(WeightFormat::kBf16, 2, 5, 4);
  TestTensor values = TestTensor(DType::kBf16, {2, 5});
  for (int64_t i = 0; i < 10; ++i) {
    values.at<bf16>(i) = weight.weight().values.as<bf16>()[i];
  }

  const std::vector<float> rows = weight.dequantised();

  for (int64_t i = 0; i < 10; ++i) {
    EXPECT_EQ(static_cast<double>(rows[static_cast<size_t>(i)]), values.value(i));
  }
}

TEST(WeightTest, BytesAreThoseOfTheCheckpoint) {
  EXPECT_EQ(weight_bytes(WeightFormat::kBf16, 3072, 6144), 2 * 3072 * 6144);
  EXPECT_EQ(weight_bytes(WeightFormat::kFp8Channel, 3072, 6144), 3072 * 6144 + 4 * 3072);
  EXPECT_EQ(weight_bytes(WeightFormat::kFp8Block, 3072, 6144), 3072 * 6144 + 4 * 24 * 48);
  EXPECT_EQ(weight_bytes(WeightFormat::kMxfp8, 3072, 6144), 3072 * (6144 + 192));
  EXPECT_EQ(weight_bytes(WeightFormat::kMxfp4, 3072, 6144), 3072 * (3072 + 192));
  // An expert of M3 in MXFP8 and in MXFP4 (spec/minimax_m3.md 1.2).
  EXPECT_EQ(3 * weight_bytes(WeightFormat::kMxfp8, 3072, 6144), 58392576);
  EXPECT_EQ(3 * weight_bytes(WeightFormat::kMxfp4, 3072, 6144), 30081024);
}

}  // namespace
}  // namespace talon::ops
