// The table of cosines and sines against double precision of the same float32 angle.
#include "ops/rope.h"

#include <gtest/gtest.h>

#include <cmath>
#include <vector>

#include "core/dtype.h"
#include "core/stream.h"
#include "tests/ops/op_test_util.h"

namespace talon::ops {
namespace {

// Correctly rounded but for angles next to a tie.
constexpr Bound kBound = {.relative = 0x1.0001p-24, .absolute = 0.0};

TEST(RopeInvFreqTest, IsThePowerOfThetaRoundedOnce) {
  const std::vector<float> inv_freq = rope_inv_freq(5e6, 64);

  ASSERT_EQ(inv_freq.size(), 32U);
  EXPECT_EQ(inv_freq[0], 1.0F);
  EXPECT_EQ(inv_freq[16], static_cast<float>(1.0 / std::sqrt(5e6)));
  EXPECT_EQ(inv_freq[31], static_cast<float>(std::pow(5e6, -62.0 / 64.0)));
  EXPECT_TRUE(rope_inv_freq(1e4, 0).empty());
}

TEST(RopeTableTest, MatchesDoublePrecisionOfTheFloatAngle) {
  std::vector<int32_t> positions = {0, 1, -1, 127, 128, 2047, 131071, 1048575, 2147483647};
  for (int32_t p = 0; p < 400; ++p) {
    positions.push_back(p * 2621);
  }
  for (const int64_t rotary_dim : {2, 6, 16, 64}) {
    const auto half = static_cast<size_t>(rotary_dim / 2);
    const std::vector<float> frequencies = rope_inv_freq(5e6, rotary_dim);
    const TestTensor inv_freq = TestTensor::of(frequencies, {rotary_dim / 2});
    const TestTensor position_array = TestTensor::of_i32(positions);
    std::vector<double> exact;
    for (const int32_t position : positions) {
      for (size_t i = 0; i < 2 * half; ++i) {
        const auto p = static_cast<float>(position < 0 ? 0 : position);
        const auto angle = static_cast<double>(p * frequencies[i % half]);
        exact.push_back(i < half ? std::cos(angle) : std::sin(angle));
      }
    }

    for_each_run([&](Stream stream) {
      const auto rows = static_cast<int64_t>(positions.size());
      TestTensor table(DType::kF32, {rows, 2, rotary_dim / 2});
      rope_table(stream, {.cos_sin = table.view(),
                          .positions = position_array.cview(),
                          .inv_freq = inv_freq.cview()});

      EXPECT_TRUE(is_near(table, exact, kBound));
    });
  }
}

TEST(RopeTableTest, NoRowsAndNoChannelsAreLegal) {
  for_each_run([](Stream stream) {
    const TestTensor none = TestTensor::of_i32({});
    const TestTensor three = TestTensor::of_i32({1, 2, 3});
    const TestTensor inv_freq = TestTensor::of(rope_inv_freq(1e4, 8), {4});
    const TestTensor no_freq = TestTensor::of(std::vector<float>{}, {0});
    TestTensor no_rows(DType::kF32, {0, 2, 4});
    TestTensor no_channels(DType::kF32, {3, 2, 0});

    rope_table(
        stream,
        {.cos_sin = no_rows.view(), .positions = none.cview(), .inv_freq = inv_freq.cview()});
    rope_table(
        stream,
        {.cos_sin = no_channels.view(), .positions = three.cview(), .inv_freq = no_freq.cview()});

    EXPECT_TRUE(no_rows.guards_intact());
    EXPECT_TRUE(no_channels.guards_intact());
  });
}

}  // namespace
}  // namespace talon::ops
