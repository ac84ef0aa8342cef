// The router: exact hand cases (bias, ties, factor, dead rows, NaN), a double-precision model on
// random rows, and equal bits on all paths.
#include "ops/route.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <vector>

#include "core/cpu_context.h"
#include "core/cpu_path.h"
#include "core/dtype.h"
#include "core/stream.h"
#include "tests/ops/op_test_util.h"

namespace talon::ops {
namespace {

// Absolute, of a weight up to 2. A logit of 6144 terms is off by some 1e-6, a sigmoid by a quarter
// of that.
constexpr double kBound = 1e-6;

constexpr float kNan = std::numeric_limits<float>::quiet_NaN();

struct Inputs {
  TestTensor x;
  TestTensor gate;
  TestTensor bias;
  TestTensor positions;
  int64_t num_chosen;
  float scale;
};

struct Choice {
  TestTensor ids;
  TestTensor weights;
};

Choice run(Stream stream, const Inputs& in) {
  const int64_t rows = in.x.shape()[0];
  Choice choice = {.ids = TestTensor(DType::kI32, {rows, in.num_chosen}),
                   .weights = TestTensor(DType::kF32, {rows, in.num_chosen})};
  route(stream, {.expert_ids = choice.ids.view(),
                 .weights = choice.weights.view(),
                 .x = in.x.cview(),
                 .gate = in.gate.cview(),
                 .bias = in.bias.cview(),
                 .positions = in.positions.cview(),
                 .scale = in.scale});
  EXPECT_TRUE(choice.ids.guards_intact());
  EXPECT_TRUE(choice.weights.guards_intact());
  return choice;
}

std::vector<int32_t> row_ids(Choice& choice, int64_t row) {
  const int64_t count = choice.ids.num_columns();
  std::vector<int32_t> ids;
  for (int64_t m = 0; m < count; ++m) {
    ids.push_back(choice.ids.at<int32_t>(row * count + m));
  }
  return ids;
}

// One row whose logits are exactly `logits`: x = 1 0 0 ..., the gate's first column.
Inputs with_logits(const std::vector<float>& logits,
                   const std::vector<float>& bias,
                   int64_t num_chosen,
                   float scale = 1.0F) {
  const auto num_experts = static_cast<int64_t>(logits.size());
  Inputs in = {.x = TestTensor(DType::kF32, {1, 3}),
               .gate = TestTensor(DType::kF32, {num_experts, 3}),
               .bias = TestTensor::of(bias, {num_experts}),
               .positions = TestTensor::of_i32({0}),
               .num_chosen = num_chosen,
               .scale = scale};
  in.x.fill(0.0F);
  in.x.set(0, 1.0F);
  in.gate.fill(0.0F);
  for (int64_t e = 0; e < num_experts; ++e) {
    in.gate.set(e * 3, logits[static_cast<size_t>(e)]);
  }
  return in;
}

TEST(RouteTest, BiasSteersTheChoiceAndNotTheWeights) {
  for_each_run([](Stream stream) {
    // Without bias 3 and 1 win; the bias lifts 0 to the first place.
    Choice plain = run(stream, with_logits({-2.0F, 1.0F, 0.0F, 2.0F}, {0, 0, 0, 0}, 2));
    Choice biased = run(stream, with_logits({-2.0F, 1.0F, 0.0F, 2.0F}, {5, 0, 0, 0}, 2));

    EXPECT_EQ(row_ids(plain, 0), (std::vector<int32_t>{3, 1}));
    EXPECT_EQ(row_ids(biased, 0), (std::vector<int32_t>{0, 3}));
    const double s0 = 1.0 / (1.0 + std::exp(2.0));
    const double s3 = 1.0 / (1.0 + std::exp(-2.0));
    EXPECT_NEAR(biased.weights.value(0), s0 / (s0 + s3), 1e-7);
    EXPECT_NEAR(biased.weights.value(1), s3 / (s0 + s3), 1e-7);

    // A bias that is the same for all changes nothing at all.
    Choice shifted = run(stream, with_logits({-2.0F, 1.0F, 0.0F, 2.0F}, {1, 1, 1, 1}, 2));
    EXPECT_TRUE(same_bits(shifted.ids, plain.ids));
    EXPECT_TRUE(same_bits(shifted.weights, plain.weights));
  });
}

TEST(RouteTest, TheFactorMultipliesTheNormalisedWeights) {
  for_each_run([](Stream stream) {
    Choice one = run(stream, with_logits({0.5F, 0.5F, 0.5F, 0.5F}, {0, 0, 0, 0}, 4, 1.0F));
    Choice two = run(stream, with_logits({0.5F, 0.5F, 0.5F, 0.5F}, {0, 0, 0, 0}, 4, 2.0F));

    for (int64_t m = 0; m < 4; ++m) {
      EXPECT_EQ(one.weights.value(m), 0.25);
      EXPECT_EQ(two.weights.value(m), 0.5);
    }
    EXPECT_EQ(row_ids(two, 0), row_ids(one, 0));
  });
}

TEST(RouteTest, TiesGoToTheLowerExpertAndTheListFalls) {
  for_each_run([](Stream stream) {
    Choice choice =
        run(stream, with_logits({1.0F, 2.0F, 1.0F, 2.0F, 1.0F, 2.0F}, {0, 0, 0, 0, 0, 0}, 4));
    EXPECT_EQ(row_ids(choice, 0), (std::vector<int32_t>{1, 3, 5, 0}));

    // Sigmoid is 1 in float32 from 17 on: a tie of scores though not of logits.
    Choice saturated = run(stream, with_logits({30.0F, 40.0F, 50.0F}, {0, 0, 0}, 2));
    EXPECT_EQ(row_ids(saturated, 0), (std::vector<int32_t>{0, 1}));
    EXPECT_EQ(saturated.weights.value(0), 0.5);
  });
}

TEST(RouteTest, NanScoresLoseAndIdsStayDifferent) {
  for_each_run([](Stream stream) {
    Choice some = run(stream, with_logits({kNan, -1.0F, kNan, 1.0F}, {0, 0, 0, 0}, 2));
    EXPECT_EQ(row_ids(some, 0), (std::vector<int32_t>{3, 1}));
    EXPECT_TRUE(std::isfinite(some.weights.value(0)));

    Choice more = run(stream, with_logits({kNan, -1.0F, kNan, 1.0F}, {0, 0, 0, 0}, 3));
    EXPECT_EQ(row_ids(more, 0), (std::vector<int32_t>{3, 1, 0}));
    EXPECT_TRUE(std::isnan(more.weights.value(0)));

    Choice all = run(stream, with_logits({kNan, kNan, kNan}, {0, 0, 0}, 3));
    EXPECT_EQ(row_ids(all, 0), (std::vector<int32_t>{0, 1, 2}));
  });
}

Inputs random_inputs(DType dtype, int64_t rows, int64_t size, int64_t num_experts) {
  Inputs in = {.x = TestTensor::random(dtype, {rows, size}, 1, 1.0F, /*padding=*/3),
               .gate = TestTensor::random(DType::kF32, {num_experts, size}, 2),
               .bias = TestTensor::random(DType::kF32, {num_experts}, 3, 0.3F),
               .positions = TestTensor(DType::kI32, {rows}),
               .num_chosen = std::min<int64_t>(4, num_experts),
               .scale = 2.0F};
  TestRng rng(4);
  for (int64_t t = 0; t < rows; ++t) {
    in.positions.at<int32_t>(t) = rows > 1 && rng.integer(0, 3) == 0 ? -1 : 7;
  }
  return in;
}

// Checks one live row against double precision. Where two scores are closer than float32 tells
// apart, either order is right, so scores are compared and not ids. Returns false for such a row.
bool check_row(const Inputs& in, Choice& choice, int64_t row) {
  const int64_t size = in.x.num_columns();
  const auto num_experts = static_cast<size_t>(in.bias.num_elements());
  std::vector<double> sigmoids(num_experts);
  std::vector<double> scores(num_experts);
  for (size_t e = 0; e < num_experts; ++e) {
    double logit = 0.0;
    for (int64_t c = 0; c < size; ++c) {
      logit += in.x.value(row * size + c) * in.gate.value(static_cast<int64_t>(e) * size + c);
    }
    sigmoids[e] = 1.0 / (1.0 + std::exp(-logit));
    scores[e] = sigmoids[e] + in.bias.value(static_cast<int64_t>(e));
  }
  std::vector<size_t> order(num_experts);
  std::iota(order.begin(), order.end(), size_t{0});
  std::stable_sort(order.begin(), order.end(),
                   [&](size_t a, size_t b) { return scores[a] > scores[b]; });
  const auto num_chosen = static_cast<size_t>(in.num_chosen);
  double sum = 0.0;
  for (size_t m = 0; m < num_chosen; ++m) {
    if (m + 1 < num_experts && scores[order[m]] - scores[order[m + 1]] < 1e-5) {
      return false;
    }
    sum += sigmoids[order[m]];
  }
  for (size_t m = 0; m < num_chosen; ++m) {
    const int64_t i = row * in.num_chosen + static_cast<int64_t>(m);
    EXPECT_EQ(choice.ids.at<int32_t>(i), static_cast<int32_t>(order[m])) << row;
    EXPECT_NEAR(choice.weights.value(i), 2.0 * sigmoids[order[m]] / sum, kBound) << row;
  }
  return true;
}

TEST(RouteTest, MatchesDoublePrecisionAndGivesDeadRowsNothing) {
  TALON_TRACE_SEED();
  struct Dimensions {
    int64_t rows, size, experts;
  };
  int64_t live = 0;
  int64_t near_ties = 0;
  for (const DType dtype : {DType::kF32, DType::kBf16}) {
    for (const Dimensions d :
         {Dimensions{0, 16, 8}, Dimensions{1, 16, 1}, Dimensions{1, 64, 8}, Dimensions{7, 33, 5},
          Dimensions{3, 6144, 128}, Dimensions{37, 70, 128}}) {
      const Inputs in = random_inputs(dtype, d.rows, d.size, d.experts);
      CpuContext scalar(1, CpuPath::kScalar, false);
      Choice reference = run(Stream(scalar), in);
      for (int64_t t = 0; t < d.rows; ++t) {
        if (in.positions.value(t) < 0) {
          EXPECT_EQ(row_ids(reference, t),
                    std::vector<int32_t>(static_cast<size_t>(in.num_chosen), -1));
          EXPECT_EQ(reference.weights.value(t * in.num_chosen), 0.0);
          continue;
        }
        ++live;
        near_ties += check_row(in, reference, t) ? 0 : 1;
      }

      for_each_run([&](Stream stream) {
        Choice choice = run(stream, in);
        ASSERT_TRUE(same_bits(choice.ids, reference.ids));
        ASSERT_TRUE(same_bits(choice.weights, reference.weights));
      });
    }
  }
  EXPECT_GT(live, 50);
  EXPECT_LE(near_ties, live / 20);
}

}  // namespace
}  // namespace talon::ops
