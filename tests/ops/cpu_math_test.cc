// The scalar building blocks against double precision. That the vector forms give the same bits is
// shown op by op, in the tests of the ops that use them.
#include "ops/cpu_math.h"

#include <gtest/gtest.h>

#include <array>
#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>

#include "tests/ops/op_test_util.h"

namespace talon::ops {
namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();
constexpr float kNan = std::numeric_limits<float>::quiet_NaN();

// Units in the last place of the float nearest to `exact`, subnormals included.
double ulps(float actual, double exact) {
  int exponent = 0;
  std::frexp(exact, &exponent);
  return std::abs(static_cast<double>(actual) - exact) /
         std::ldexp(1.0, std::max(exponent - 24, -149));
}

TEST(CpuExpTest, IsWithinItsBoundOverTheWholeRange) {
  double worst = 0.0;
  // Every 211th float; all of them take a minute and give 0.991 ulp, at x = 70.403.
  for (uint64_t bits = 0; bits <= 0xFFFFFFFFU; bits += 211) {
    const float x = std::bit_cast<float>(static_cast<uint32_t>(bits));
    const double exact = std::exp(static_cast<double>(x));
    if (std::isfinite(x) && x > -104.0F && exact < 0x1.fffffefp+127) {
      worst = std::max(worst, ulps(cpu_exp(x), exact));
    }
  }

  EXPECT_LE(worst, kExpMaxUlps);
  EXPECT_GT(worst, 0.5);  // the sweep did look at something
}

TEST(CpuExpTest, EndsAreExact) {
  EXPECT_EQ(cpu_exp(0.0F), 1.0F);
  EXPECT_EQ(cpu_exp(-0.0F), 1.0F);
  EXPECT_EQ(cpu_exp(kInfinity), kInfinity);
  EXPECT_EQ(cpu_exp(-kInfinity), 0.0F);
  EXPECT_EQ(cpu_exp(88.8F), kInfinity);
  EXPECT_EQ(cpu_exp(-104.0F), 0.0F);
  EXPECT_EQ(cpu_exp(-200.0F), 0.0F);
  EXPECT_EQ(cpu_exp(-103.2F), std::numeric_limits<float>::denorm_min());
  EXPECT_TRUE(std::isfinite(cpu_exp(88.7228F)));
  EXPECT_TRUE(std::isnan(cpu_exp(kNan)));
  EXPECT_TRUE(std::isnan(cpu_exp(-kNan)));
}

TEST(CpuSigmoidTest, IsWithinThreeUlps) {
  double worst = 0.0;
  for (int i = -870000; i <= 870000; ++i) {
    const float x = static_cast<float>(i) * 1e-4F;
    const double exact = 1.0 / (1.0 + std::exp(-static_cast<double>(x)));
    worst = std::max(worst, ulps(cpu_sigmoid(x), exact));
  }

  EXPECT_LE(worst, 3.0);
  EXPECT_EQ(cpu_sigmoid(0.0F), 0.5F);
  EXPECT_EQ(cpu_sigmoid(-kInfinity), 0.0F);
  EXPECT_EQ(cpu_sigmoid(kInfinity), 1.0F);
  EXPECT_TRUE(std::isnan(cpu_sigmoid(kNan)));
}

void expect_cos_sin(float angle) {
  float cosine = kNan;
  float sine = kNan;
  cpu_cos_sin(angle, cosine, sine);
  // Half an ulp is the correctly rounded float; the double before it is off by far less than 1e-6.
  ASSERT_LE(ulps(cosine, std::cos(static_cast<double>(angle))), 0.5 + 1e-6) << angle;
  ASSERT_LE(ulps(sine, std::sin(static_cast<double>(angle))), 0.5 + 1e-6) << angle;
}

TEST(CpuCosSinTest, IsCorrectlyRounded) {
  for (uint32_t position = 0; position <= (1U << 20); position += 7) {
    expect_cos_sin(static_cast<float>(position));
    expect_cos_sin(static_cast<float>(position) * 0.617F);
    expect_cos_sin(static_cast<float>(position) * -3e-4F);
  }
  for (const float angle : {0.0F, 1e-30F, 0x1p20F, 0x1.000002p20F, 3e9F, -3e9F, 1e30F}) {
    expect_cos_sin(angle);
  }
}

TEST(CpuCosSinTest, MultiplesOfAQuarterTurnFallInTheRightQuadrant) {
  for (int quarter = -9; quarter <= 9; ++quarter) {
    expect_cos_sin(static_cast<float>(quarter) * 1.57079637F);
    expect_cos_sin(static_cast<float>(quarter) * 1.57079637F + 0.78F);
  }
}

TEST(LaneSumTest, AddsLanesByIndexModulo32AndThenATree) {
  TALON_TRACE_SEED();
  TestRng rng(1);
  for (const int64_t count : {0, 1, 5, 31, 32, 33, 64, 95, 1000}) {
    std::vector<float> values(static_cast<size_t>(count));
    std::array<float, 32> lanes{};
    for (size_t i = 0; i < values.size(); ++i) {
      values[i] = rng.uniform(-1.0F, 1.0F);
      lanes[i % 32] += values[i];
    }
    for (const size_t half : {16U, 8U, 4U, 2U, 1U}) {
      for (size_t l = 0; l < half; ++l) {
        lanes[l] = lanes[l] + lanes[l + half];
      }
    }

    const float sum = lane_sum(count, [&](int64_t i) { return values[static_cast<size_t>(i)]; });

    EXPECT_EQ(std::bit_cast<uint32_t>(sum), std::bit_cast<uint32_t>(lanes[0])) << count;
  }
}

}  // namespace
}  // namespace talon::ops
