// Whole rows of any dtype, byte by byte, and float32 rows as bf16.
#include "ops/gather_rows.h"

#include <gtest/gtest.h>

#include <cstddef>
#include <vector>

#include "core/cpu_context.h"
#include "core/cpu_path.h"
#include "core/dtype.h"
#include "core/stream.h"
#include "tests/ops/op_test_util.h"

namespace talon::ops {
namespace {

constexpr int64_t kRows = 9;
constexpr int64_t kColumns = 13;

TestTensor numbered(DType dtype, int64_t padding) {
  TestTensor x(dtype, {kRows, kColumns}, padding);
  for (int64_t r = 0; r < kRows; ++r) {
    auto* row = x.view().data() + r * x.view().stride(0) * dtype_bytes(dtype);
    for (int64_t i = 0; i < kColumns * dtype_bytes(dtype); ++i) {
      row[i] = static_cast<std::byte>(r * 31 + i + 1);
    }
  }
  return x;
}

void expect_gathered(Stream stream,
                     DType dtype,
                     const std::vector<int32_t>& rows,
                     int64_t padding) {
  const TestTensor x = numbered(dtype, padding);
  const TestTensor row_array = TestTensor::of_i32(rows);
  TestTensor out(dtype, {static_cast<int64_t>(rows.size()), kColumns}, padding);

  gather_rows(stream, {.out = out.view(), .x = x.cview(), .rows = row_array.cview()});

  EXPECT_TRUE(out.guards_intact());
  const std::vector<std::byte> zeros(static_cast<size_t>(kColumns * dtype_bytes(dtype)));
  for (size_t r = 0; r < rows.size(); ++r) {
    const auto expected = rows[r] < 0 ? zeros : x.row_bytes(rows[r]);
    ASSERT_EQ(out.row_bytes(static_cast<int64_t>(r)), expected) << r;
  }
}

TEST(GatherRowsTest, CopiesRowsOfAnyDtype) {
  for (const DType dtype : {DType::kF32, DType::kBf16, DType::kU8, DType::kI64}) {
    for_each_run([&](Stream stream) {
      expect_gathered(stream, dtype, {}, 0);
      expect_gathered(stream, dtype, {8}, 0);
      expect_gathered(stream, dtype, {0, 8, -1, 3, 3, -7, 1}, 3);
      expect_gathered(stream, dtype, std::vector<int32_t>(5000, 4), 0);
    });
  }
}

TEST(GatherRowsTest, CopiesAllRowsWithoutAList) {
  const TestTensor x = numbered(DType::kBf16, 3);
  for_each_run([&](Stream stream) {
    TestTensor out(DType::kBf16, {kRows, kColumns}, 5);

    gather_rows(stream, {.out = out.view(), .x = x.cview(), .rows = {}});

    EXPECT_TRUE(out.guards_intact());
    for (int64_t r = 0; r < kRows; ++r) {
      ASSERT_EQ(out.row_bytes(r), x.row_bytes(r)) << r;
    }
  });
}

TEST(GatherRowsTest, RoundsFloatRowsToBf16) {
  TALON_TRACE_SEED();
  const auto x = TestTensor::random(DType::kF32, {kRows, kColumns}, 1, 1.0F, /*padding=*/3);
  const std::vector<int32_t> rows = {8, -1, 0, 5, 5};
  const TestTensor row_array = TestTensor::of_i32(rows);
  for_each_run([&](Stream stream) {
    TestTensor out(DType::kBf16, {std::ssize(rows), kColumns}, 5);

    gather_rows(stream, {.out = out.view(), .x = x.cview(), .rows = row_array.cview()});

    EXPECT_TRUE(out.guards_intact());
    for (int64_t i = 0; i < out.num_elements(); ++i) {
      const int64_t row = rows[static_cast<size_t>(i / kColumns)];
      const double from = row < 0 ? 0.0 : x.value(row * kColumns + i % kColumns);
      ASSERT_EQ(out.value(i), to_float(from_float<bf16>(static_cast<float>(from)))) << i;
    }
  });
}

TEST(GatherRowsDeathTest, RefusesARowThatDoesNotExist) {
  CpuContext context(1, CpuPath::kScalar, false);
  EXPECT_DEATH(expect_gathered(Stream(context), DType::kF32, {9}, 0), "row 9 of 9");
}

}  // namespace
}  // namespace talon::ops
