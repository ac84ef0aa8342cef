// The experts on every path against the formula in double.
#include "ops/moe_experts.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <memory>
#include <string>
#include <vector>

#include "tests/ops/test_weight.h"

namespace talon::ops {
namespace {

struct MoeCase {
  WeightFormat format;
  int64_t rows;
  int64_t hidden;
  int64_t num_experts;
  int64_t per_token;
  int64_t width;
  int64_t shared_width;  // 0: none
  ActivationKind kind;
};

constexpr auto kOai = ActivationKind::kSwigluOai;
constexpr auto kSilu = ActivationKind::kSilu;

constexpr MoeCase kCases[] = {
    {WeightFormat::kBf16, 1, 256, 16, 4, 64, 128, kOai},
    {WeightFormat::kBf16, 9, 256, 16, 4, 64, 128, kOai},
    {WeightFormat::kBf16, 40, 100, 5, 2, 24, 40, kOai},  // width not of whole tiles
    {WeightFormat::kBf16, 3, 33, 3, 3, 7, 0, kSilu},
    {WeightFormat::kBf16, 5, 64, 1, 1, 16, 0, kOai},
    {WeightFormat::kBf16, 4, 48, 8, 0, 16, 32, kOai},  // the shared expert only
    {WeightFormat::kFp8Channel, 6, 130, 4, 2, 80, 80, kOai},
    {WeightFormat::kFp8Block, 6, 300, 4, 2, 144, 144, kOai},
    {WeightFormat::kMxfp8, 7, 96, 6, 2, 64, 96, kOai},
    {WeightFormat::kMxfp4, 7, 96, 6, 2, 64, 96, kSilu},
};

std::string name_of(const MoeCase& c, DType dtype) {
  return std::string(weight_format_name(c.format)) + ", rows " + std::to_string(c.rows) +
         ", hidden " + std::to_string(c.hidden) + ", experts " + std::to_string(c.num_experts) +
         ", width " + std::to_string(c.width) + ", " + std::string(dtype_name(dtype));
}

// An expert's weights in every form.
struct TestExpert {
  TestExpert(WeightFormat format, int64_t hidden, int64_t width, uint64_t purpose)
      : gate_up(format, 2 * width, hidden, purpose),
        down(format, hidden, width, purpose + 1),
        packed_gate_up(gate_up.packed()),
        packed_down(down.packed()),
        gate_up_values(gate_up.dequantised()),
        down_values(down.dequantised()),
        num_width(width) {}

  Expert expert() const {
    return {.gate_up = packed_gate_up.weight(), .down = packed_down.weight()};
  }

  TestWeight gate_up;
  TestWeight down;
  PackedWeight packed_gate_up;
  PackedWeight packed_down;
  std::vector<float> gate_up_values;
  std::vector<float> down_values;
  int64_t num_width;
};

class TestMoe {
 public:
  TestMoe(const MoeCase& c, DType dtype)
      : case_(c),
        x(TestTensor::random(dtype, {c.rows, c.hidden}, 31, 0.5F, /*padding=*/2)),
        ids(DType::kI32, {c.rows, c.per_token}),
        weights(TestTensor::random(DType::kF32, {c.rows, c.per_token}, 32)) {
    for (int64_t e = 0; e < c.num_experts; ++e) {
      experts.push_back(std::make_unique<TestExpert>(c.format, c.hidden, c.width,
                                                     100 + 2 * static_cast<uint64_t>(e)));
    }
    if (c.shared_width > 0) {
      shared = std::make_unique<TestExpert>(c.format, c.hidden, c.shared_width, 99);
    }
    TestRng rng(33);
    for (int64_t t = 0; t < c.rows; ++t) {
      std::vector<int32_t> order(static_cast<size_t>(c.num_experts));
      for (size_t e = 0; e < order.size(); ++e) {
        order[e] = static_cast<int32_t>(e);
        std::swap(order[e], order[static_cast<size_t>(rng.integer(0, static_cast<int64_t>(e)))]);
      }
      for (int64_t m = 0; m < c.per_token; ++m) {
        const bool dead = t % 5 == 3;
        ids.at<int32_t>(t * c.per_token + m) = dead ? -1 : order[static_cast<size_t>(m)];
      }
    }
  }

  int64_t scratch_bytes() const {
    return moe_experts_scratch_bytes(case_.rows, case_.per_token, case_.hidden, case_.width,
                                     case_.shared_width);
  }

  TestTensor run(Stream stream, Arena& arena) const {
    std::vector<Expert> all;
    for (const auto& expert : experts) {
      all.push_back(expert->expert());
    }
    const Expert shared_expert = shared ? shared->expert() : Expert{};
    TestTensor out(x.dtype(), {case_.rows, case_.hidden}, /*padding=*/3);
    moe_experts(stream, arena,
                {.out = out.view(),
                 .x = x.cview(),
                 .expert_ids = ids.cview(),
                 .weights = weights.cview(),
                 .experts = all,
                 .shared = shared ? &shared_expert : nullptr,
                 .activation = activation()});
    return out;
  }

  // Adds weight * expert(x[t]) to out and the magnitudes of its terms to `terms`.
  void add_expert(const TestExpert& e, int64_t t, double weight, double* out, double* terms) const {
    std::vector<double> act(static_cast<size_t>(e.num_width));
    for (int64_t w = 0; w < e.num_width; ++w) {
      act[static_cast<size_t>(w)] = activate(product(e, t, w), product(e, t, e.num_width + w));
    }
    for (int64_t c = 0; c < case_.hidden; ++c) {
      for (int64_t w = 0; w < e.num_width; ++w) {
        const double term =
            act[static_cast<size_t>(w)] *
            static_cast<double>(e.down_values[static_cast<size_t>(c * e.num_width + w)]);
        out[c] += weight * term;
        terms[c] += std::abs(weight * term);
      }
    }
  }

  // The formula, and the largest sum of magnitudes of an output.
  std::vector<double> exact(double& largest_terms) const {
    std::vector<double> out(static_cast<size_t>(case_.rows * case_.hidden), 0.0);
    std::vector<double> terms(out.size(), 0.0);
    for (int64_t t = 0; t < case_.rows; ++t) {
      double* row = out.data() + t * case_.hidden;
      double* row_terms = terms.data() + t * case_.hidden;
      for (int64_t m = 0; m < case_.per_token; ++m) {
        const int64_t i = t * case_.per_token + m;
        const auto id = static_cast<int64_t>(ids.value(i));
        if (id >= 0) {
          add_expert(*experts[static_cast<size_t>(id)], t, weights.value(i), row, row_terms);
        }
      }
      if (shared) {
        add_expert(*shared, t, 1.0, row, row_terms);
      }
    }
    largest_terms = terms.empty() ? 0.0 : *std::max_element(terms.begin(), terms.end());
    return out;
  }

 private:
  Activation activation() const { return {.kind = case_.kind}; }

  double product(const TestExpert& e, int64_t t, int64_t o) const {
    double sum = 0.0;
    for (int64_t i = 0; i < case_.hidden; ++i) {
      sum += x.value(t * case_.hidden + i) *
             static_cast<double>(e.gate_up_values[static_cast<size_t>(o * case_.hidden + i)]);
    }
    return sum;
  }

  double activate(double gate, double up) const {
    if (case_.kind == kSilu) {
      return gate / (1.0 + std::exp(-gate)) * up;
    }
    const auto limit = static_cast<double>(activation().limit);
    const double g = std::min(gate, limit);
    const double u = std::clamp(up, -limit, limit);
    return (u + 1.0) * g / (1.0 + std::exp(-static_cast<double>(activation().alpha) * g));
  }

  MoeCase case_;

 public:
  TestTensor x;
  TestTensor ids;
  TestTensor weights;
  std::vector<std::unique_ptr<TestExpert>> experts;
  std::unique_ptr<TestExpert> shared;
};

// Relative to the sum of magnitudes: the sums of both products in float32, and with bf16 half an
// ulp of each activation.
double bound_of(const MoeCase& c, DType dtype) {
  const double sums = static_cast<double>(2 * c.hidden + c.width + c.shared_width + 16) * 0x1p-24;
  return dtype == DType::kF32 ? sums : sums + 0x1p-9;
}

TEST(MoeExpertsTest, EveryPathIsWithinTheBoundOfTheFormula) {
  TALON_TRACE_SEED();
  for (const MoeCase& c : kCases) {
    for (const DType dtype : {DType::kF32, DType::kBf16}) {
      SCOPED_TRACE(name_of(c, dtype));
      const TestMoe moe(c, dtype);
      double terms = 0.0;
      const std::vector<double> exact = moe.exact(terms);
      for_each_run([&](Stream stream) {
        Arena arena(moe.scratch_bytes());

        const TestTensor out = moe.run(stream, arena);

        EXPECT_TRUE(is_near(out, exact, {0.0, bound_of(c, dtype) * terms}));
        EXPECT_EQ(arena.used(), 0);
        EXPECT_GT(arena.high_water(), 0);
      });
    }
  }
}

TEST(MoeExpertsTest, RowsTogetherHaveTheBitsOfSingleRows) {
  TALON_TRACE_SEED();
  for (const MoeCase& c : kCases) {
    for (const DType dtype : {DType::kF32, DType::kBf16}) {
      SCOPED_TRACE(name_of(c, dtype));
      const TestMoe moe(c, dtype);
      for_each_run([&](Stream stream) {
        Arena arena(moe.scratch_bytes());
        const TestTensor together = moe.run(stream, arena);
        std::vector<Expert> all;
        for (const auto& expert : moe.experts) {
          all.push_back(expert->expert());
        }
        const Expert shared = moe.shared ? moe.shared->expert() : Expert{};
        for (int64_t t = 0; t < c.rows; ++t) {
          TestTensor one(dtype, {1, c.hidden});
          moe_experts(stream, arena,
                      {.out = one.view(),
                       .x = moe.x.cview().rows(t, 1),
                       .expert_ids = moe.ids.cview().rows(t, 1),
                       .weights = moe.weights.cview().rows(t, 1),
                       .experts = all,
                       .shared = moe.shared ? &shared : nullptr,
                       .activation = {.kind = c.kind}});

          EXPECT_EQ(one.row_bytes(0), together.row_bytes(t)) << "row " << t;
        }
      });
    }
  }
}

TEST(MoeExpertsTest, DeadRowsWithoutASharedExpertAreZero) {
  const MoeCase c = {WeightFormat::kBf16, 5, 64, 4, 2, 32, 0, kOai};
  TestMoe moe(c, DType::kBf16);
  for (int64_t i = 0; i < 5 * 2; ++i) {
    moe.ids.at<int32_t>(i) = -1;
  }
  for_each_run([&](Stream stream) {
    Arena arena(moe.scratch_bytes());

    const TestTensor out = moe.run(stream, arena);

    for (int64_t i = 0; i < out.num_elements(); ++i) {
      EXPECT_EQ(out.value(i), 0.0);
    }
  });
}

TEST(MoeExpertsTest, NanStaysInItsRow) {
  const MoeCase c = {WeightFormat::kBf16, 5, 64, 4, 2, 32, 32, kOai};
  TestMoe moe(c, DType::kF32);
  moe.x.set(2 * 64 + 3, std::numeric_limits<float>::quiet_NaN());
  for_each_run([&](Stream stream) {
    Arena arena(moe.scratch_bytes());

    const TestTensor out = moe.run(stream, arena);

    for (int64_t i = 0; i < out.num_elements(); ++i) {
      EXPECT_EQ(std::isnan(out.value(i)), i / 64 == 2) << i;
    }
  });
}

TEST(MoeExpertsDeathTest, ForeignExpertsAreRefused) {
  const MoeCase c = {WeightFormat::kBf16, 1, 64, 4, 2, 32, 0, kOai};
  TestMoe moe(c, DType::kF32);
  CpuContext context(1);
  Arena arena(moe.scratch_bytes());
  moe.ids.at<int32_t>(0) = 4;

  EXPECT_DEATH(moe.run(Stream(context), arena), "expert 4 of 4");
}

}  // namespace
}  // namespace talon::ops
