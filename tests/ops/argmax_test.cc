// The greedy choice against a scalar model, with ties, infinities, NaN and disallowed ids; and that
// the largest key over slices of the vocabulary is the choice of the whole row.
#include "ops/argmax.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "core/dtype.h"
#include "core/shape.h"
#include "core/stream.h"
#include "core/tensor_view.h"
#include "tests/ops/op_test_util.h"

namespace talon::ops {
namespace {

constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
constexpr float kInfinity = std::numeric_limits<float>::infinity();

std::vector<uint64_t> keys_of(Stream stream,
                              const ConstTensorView& logits,
                              const ConstTensorView& allowed,
                              int32_t first_id = 0) {
  TestTensor keys(DType::kU64, {logits.size(0)});
  argmax(stream, {.keys = keys.view(), .logits = logits, .allowed = allowed, .first_id = first_id});
  EXPECT_TRUE(keys.guards_intact());
  std::vector<uint64_t> result;
  result.reserve(static_cast<size_t>(logits.size(0)));
  for (int64_t r = 0; r < logits.size(0); ++r) {
    result.push_back(keys.at<uint64_t>(r));
  }
  return result;
}

std::vector<int32_t> ids_of(const std::vector<uint64_t>& keys) {
  std::vector<int32_t> ids;
  ids.reserve(keys.size());
  for (const uint64_t key : keys) {
    ids.push_back(argmax_key_id(key));
  }
  return ids;
}

// The definition, on one row.
int32_t model(const TestTensor& logits, int64_t row, const std::vector<uint8_t>& allowed) {
  const int64_t size = logits.num_columns();
  int32_t best = -1;
  double best_value = 0.0;
  for (int64_t c = 0; c < size; ++c) {
    if (!allowed.empty() && allowed[static_cast<size_t>(c)] == 0) {
      continue;
    }
    double value = logits.value(row * size + c);
    value = std::isnan(value) ? -std::numeric_limits<double>::infinity() : value;
    if (best < 0 || value > best_value) {
      best = static_cast<int32_t>(c);
      best_value = value;
    }
  }
  return best;
}

TEST(ArgmaxKeyTest, OrdersAsTheLogitsAndThenTheLowerId) {
  const std::vector<float> rising = {-kInfinity, -3.0F, -1e-30F, 0.0F, 1e-30F, 2.0F, kInfinity};
  for (size_t i = 0; i + 1 < rising.size(); ++i) {
    EXPECT_LT(argmax_key(rising[i], 0), argmax_key(rising[i + 1], 200063));
    EXPECT_GT(argmax_key(rising[i], 4), argmax_key(rising[i], 5));
  }
  EXPECT_EQ(argmax_key(-0.0F, 3), argmax_key(0.0F, 3));
  EXPECT_EQ(argmax_key(kNan, 3), argmax_key(-kInfinity, 3));
  EXPECT_EQ(argmax_key(-kNan, 3), argmax_key(-kInfinity, 3));
  EXPECT_GT(argmax_key(kNan, 2147483646), 0U);  // any id beats "no allowed id"
  EXPECT_EQ(argmax_key_id(argmax_key(1.5F, 200063)), 200063);
  EXPECT_EQ(argmax_key_id(0), -1);
}

TEST(ArgmaxTest, HandCases) {
  for (const DType dtype : {DType::kF32, DType::kBf16}) {
    TestTensor logits(dtype, {7, 5});
    const std::vector<std::vector<float>> rows = {
        {1.0F, 3.0F, 3.0F, 2.0F, 3.0F},    // a tie: the lowest id
        {2.0F, 2.0F, 2.0F, 2.0F, 2.0F},    // all equal
        {kNan, -5.0F, kNan, -4.0F, kNan},  // NaN loses
        {kNan, kNan, kNan, kNan, kNan},    // nothing finite: the lowest id
        {kNan, -kInfinity, kNan, -kInfinity, kNan},
        {1.0F, kInfinity, 3.0F, kInfinity, 0.0F},
        {-1.0F, -0.0F, 0.0F, -0.0F, -2.0F}};  // zeros are equal
    for (size_t i = 0; i < 35; ++i) {
      logits.set(static_cast<int64_t>(i), rows[i / 5][i % 5]);
    }
    const TestTensor allowed = TestTensor::of(std::vector<uint8_t>{0, 0, 1, 1, 0}, {5});
    const TestTensor none = TestTensor::of(std::vector<uint8_t>(5, 0), {5});
    for_each_run([&](Stream stream) {
      EXPECT_EQ(ids_of(keys_of(stream, logits.cview(), {})),
                (std::vector<int32_t>{1, 0, 3, 0, 0, 1, 1}));
      EXPECT_EQ(ids_of(keys_of(stream, logits.cview(), allowed.cview())),
                (std::vector<int32_t>{2, 2, 3, 2, 2, 3, 2}));
      EXPECT_EQ(keys_of(stream, logits.cview(), none.cview()), std::vector<uint64_t>(7, 0));
      EXPECT_EQ(ids_of(keys_of(stream, logits.cview(), {}, 100)),
                (std::vector<int32_t>{101, 100, 103, 100, 100, 101, 101}));
      EXPECT_TRUE(keys_of(stream, logits.cview().rows(0, 0), {}).empty());
      EXPECT_EQ(keys_of(stream, logits.cview().columns(0, 0), {}), std::vector<uint64_t>(7, 0));
    });
  }
}

// Few distinct values, so that ties abound; some NaN and infinities.
TestTensor tied_logits(DType dtype, const Shape& shape, uint64_t purpose) {
  TestTensor logits(dtype, shape, /*padding=*/3);
  TestRng rng(purpose);
  for (int64_t i = 0; i < logits.num_elements(); ++i) {
    const int64_t kind = rng.integer(0, 99);
    const auto value = static_cast<float>(rng.integer(-6, 6));
    logits.set(i, kind == 0 ? kNan : kind == 1 ? -kInfinity : value);
  }
  return logits;
}

std::vector<uint8_t> random_allowed(int64_t size, uint64_t purpose) {
  std::vector<uint8_t> allowed(static_cast<size_t>(size));
  TestRng rng(purpose);
  for (uint8_t& a : allowed) {
    a = rng.integer(0, 3) == 0 ? 1 : 0;
  }
  return allowed;
}

TEST(ArgmaxTest, MatchesAScalarModelWithManyTies) {
  TALON_TRACE_SEED();
  for (const DType dtype : {DType::kF32, DType::kBf16}) {
    for (const int64_t rows : {1, 15, 16, 17}) {
      for (const int64_t size : {1, 7, 8, 17, 256, 300, 4001, 40000}) {
        SCOPED_TRACE(testing::Message() << rows << " x " << size);
        const TestTensor logits = tied_logits(dtype, {rows, size}, 1);
        const std::vector<uint8_t> mask = random_allowed(size, 2);
        const TestTensor allowed = TestTensor::of(mask, {size});
        std::vector<int32_t> expected;
        std::vector<int32_t> expected_masked;
        for (int64_t r = 0; r < rows; ++r) {
          expected.push_back(model(logits, r, {}));
          expected_masked.push_back(model(logits, r, mask));
        }

        for_each_run([&](Stream stream) {
          ASSERT_EQ(ids_of(keys_of(stream, logits.cview(), {})), expected);
          ASSERT_EQ(ids_of(keys_of(stream, logits.cview(), allowed.cview())), expected_masked);
        });
      }
    }
  }
}

TEST(ArgmaxTest, TheLargestKeyOverSlicesIsTheWholeRowsChoice) {
  TALON_TRACE_SEED();
  const int64_t rows = 17;
  const int64_t size = 1000;
  for (const DType dtype : {DType::kF32, DType::kBf16}) {
    TestTensor logits = tied_logits(dtype, {rows, size}, 3);
    for (int64_t c = 0; c < size; ++c) {
      logits.set(c, 1.0F);         // row 0: all equal
      logits.set(size + c, kNan);  // row 1: NaN throughout
      logits.set(2 * size + c, -kInfinity);
    }
    std::vector<uint8_t> mask = random_allowed(size, 4);
    std::fill(mask.begin() + 500, mask.end(), uint8_t{0});  // whole slices without an allowed id
    const TestTensor allowed = TestTensor::of(mask, {size});
    for_each_run([&](Stream stream) {
      const auto whole = keys_of(stream, logits.cview(), allowed.cview());
      for (const int64_t slices : {1, 2, 4, 8}) {
        std::vector<uint64_t> best(static_cast<size_t>(rows), 0);
        for (int64_t s = 0; s < slices; ++s) {
          const int64_t width = size / slices;
          const auto keys =
              keys_of(stream, logits.cview().columns(s * width, width),
                      allowed.cview().rows(s * width, width), static_cast<int32_t>(s * width));
          for (size_t r = 0; r < best.size(); ++r) {
            best[r] = std::max(best[r], keys[r]);
          }
        }
        EXPECT_EQ(best, whole) << slices;
      }
    });
  }
}

}  // namespace
}  // namespace talon::ops
