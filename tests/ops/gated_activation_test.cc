// Both gates against double precision, the clamps on their edges, and equal bits on all paths over
// a sweep of gates that exercises the vector exponential.
#include "ops/gated_activation.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>
#include <vector>

#include "core/cpu_context.h"
#include "core/cpu_path.h"
#include "core/dtype.h"
#include "core/shape.h"
#include "core/stream.h"
#include "tests/ops/op_test_util.h"

namespace talon::ops {
namespace {

constexpr Activation kOai = {.kind = ActivationKind::kSwigluOai, .alpha = 1.702F, .limit = 7.0F};
constexpr Activation kSilu = {.kind = ActivationKind::kSilu};

// alpha * g is rounded before the exponential, which turns its relative error into one of
// |alpha g| times that: 20 * 2^-24 for the amplitude used, and a few roundings.
constexpr Bound kBound = {.relative = 2e-6, .absolute = 1e-37};
constexpr float kAmplitude = 12.0F;

constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
constexpr float kInfinity = std::numeric_limits<float>::infinity();

double exact(double gate, double up, const Activation& activation) {
  if (activation.kind == ActivationKind::kSilu) {
    return gate / (1.0 + std::exp(-gate)) * up;
  }
  const double limit = static_cast<double>(activation.limit);
  const double g = std::isnan(gate) ? gate : std::min(gate, limit);
  const double u = std::isnan(up) ? up : std::clamp(up, -limit, limit);
  return (u + 1.0) * g / (1.0 + std::exp(-static_cast<double>(activation.alpha) * g));
}

TestTensor run(Stream stream, DType dtype, const TestTensor& gate_up, const Activation& kind) {
  TestTensor out(dtype, {gate_up.shape()[0], gate_up.shape()[1] / 2}, 3);
  gated_activation(stream, {.out = out.view(), .gate_up = gate_up.cview(), .activation = kind});
  return out;
}

std::vector<double> exact_all(const TestTensor& gate_up, const Activation& activation) {
  const int64_t width = gate_up.shape()[1] / 2;
  std::vector<double> out;
  for (int64_t t = 0; t < gate_up.shape()[0]; ++t) {
    for (int64_t w = 0; w < width; ++w) {
      const double gate = gate_up.value(t * 2 * width + w);
      out.push_back(exact(gate, gate_up.value(t * 2 * width + width + w), activation));
    }
  }
  return out;
}

struct Types {
  DType out;
  DType in;
};

TEST(GatedActivationTest, MatchesDoublePrecision) {
  TALON_TRACE_SEED();
  for (const Types types : {Types{DType::kF32, DType::kF32}, Types{DType::kBf16, DType::kF32},
                            Types{DType::kBf16, DType::kBf16}}) {
    for (const Shape& shape :
         {Shape{0, 8}, Shape{1, 2}, Shape{3, 30}, Shape{2, 64}, Shape{5, 34}, Shape{40, 2048}}) {
      const auto gate_up = TestTensor::random(types.in, shape, 1, kAmplitude, 2);
      for (const Activation& activation : {kOai, kSilu}) {
        CpuContext scalar(1, CpuPath::kScalar, false);
        const TestTensor reference = run(Stream(scalar), types.out, gate_up, activation);

        for_each_run([&](Stream stream) {
          const TestTensor out = run(stream, types.out, gate_up, activation);

          ASSERT_TRUE(is_near(out, exact_all(gate_up, activation), kBound));
          ASSERT_TRUE(same_bits(out, reference));
        });
      }
    }
  }
}

// Runs pairs (gate, up) as one row.
std::vector<double> of_pairs(Stream stream, const std::vector<std::pair<float, float>>& pairs) {
  const auto width = static_cast<int64_t>(pairs.size());
  TestTensor gate_up(DType::kF32, {1, 2 * width});
  for (int64_t w = 0; w < width; ++w) {
    gate_up.set(w, pairs[static_cast<size_t>(w)].first);
    gate_up.set(width + w, pairs[static_cast<size_t>(w)].second);
  }
  return run(stream, DType::kF32, gate_up, kOai).values();
}

TEST(GatedActivationTest, ClampsTheGateFromAboveAndUpOnBothSides) {
  for_each_run([](Stream stream) {
    const auto out = of_pairs(stream, {{7.0F, 2.0F},
                                       {9.0F, 2.0F},
                                       {-7.0F, 2.0F},
                                       {-9.0F, 2.0F},
                                       {1.0F, 7.0F},
                                       {1.0F, 8.5F},
                                       {1.0F, -7.0F},
                                       {1.0F, -8.5F},
                                       {0.0F, 3.0F},
                                       {2.0F, -1.0F}});

    EXPECT_EQ(out[1], out[0]);  // g = 9 counts as 7
    EXPECT_NE(out[3], out[2]);  // g = -9 stays
    EXPECT_NEAR(out[3], 3.0 * -9.0 / (1.0 + std::exp(1.702 * 9.0)), 1e-9);
    EXPECT_EQ(out[5], out[4]);  // u = 8.5 counts as 7
    EXPECT_EQ(out[7], out[6]);  // u = -8.5 counts as -7
    EXPECT_LT(out[6], 0.0);     // and u + 1 is -6
    EXPECT_EQ(out[8], 0.0);
    EXPECT_EQ(out[9], 0.0);  // u + 1 is 0
  });
}

TEST(GatedActivationTest, NanStaysAndInfinityIsClamped) {
  for_each_run([](Stream stream) {
    const auto out = of_pairs(stream, {{kNan, 1.0F},
                                       {1.0F, kNan},
                                       {kInfinity, 1.0F},
                                       {7.0F, 1.0F},
                                       {1.0F, kInfinity},
                                       {1.0F, 7.0F},
                                       {1.0F, -kInfinity},
                                       {1.0F, -7.0F},
                                       {-kInfinity, 1.0F}});

    EXPECT_TRUE(std::isnan(out[0]));
    EXPECT_TRUE(std::isnan(out[1]));
    EXPECT_EQ(out[2], out[3]);
    EXPECT_EQ(out[4], out[5]);
    EXPECT_EQ(out[6], out[7]);
    EXPECT_TRUE(std::isnan(out[8]));  // -inf * 0, as the formula has it
  });
}

TEST(GatedActivationTest, AllPathsAgreeOverEveryExponentOfTheGate) {
  // Each 65521st float, NaN, infinities and subnormals among them; up = 1.
  std::vector<float> gates;
  for (uint64_t bits = 0; bits <= 0xFFFFFFFFU; bits += 65521) {
    gates.push_back(std::bit_cast<float>(static_cast<uint32_t>(bits)));
  }
  for (int i = -15000; i < 15000; ++i) {
    gates.push_back(static_cast<float>(i) * 0.0101F);
  }
  const auto width = static_cast<int64_t>(gates.size());
  TestTensor gate_up(DType::kF32, {1, 2 * width});
  for (int64_t w = 0; w < width; ++w) {
    gate_up.set(w, gates[static_cast<size_t>(w)]);
    gate_up.set(width + w, 1.0F);
  }
  for (const Activation& activation : {kOai, kSilu}) {
    CpuContext scalar(1, CpuPath::kScalar, false);
    const TestTensor reference = run(Stream(scalar), DType::kF32, gate_up, activation);

    for_each_run([&](Stream stream) {
      EXPECT_TRUE(same_bits(run(stream, DType::kF32, gate_up, activation), reference));
    });
  }
}

}  // namespace
}  // namespace talon::ops
