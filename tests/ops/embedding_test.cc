// Rows of the table, exactly.
#include "ops/embedding.h"

#include <gtest/gtest.h>

#include <vector>

#include "core/dtype.h"
#include "core/stream.h"
#include "tests/ops/op_test_util.h"

namespace talon::ops {
namespace {

void expect_rows(Stream stream, DType dtype, const std::vector<int32_t>& ids, int64_t padding) {
  const int64_t vocabulary = 11;
  const int64_t hidden = 37;
  const auto table = TestTensor::random(DType::kBf16, {vocabulary, hidden}, 1);
  const TestTensor id_array = TestTensor::of_i32(ids);
  TestTensor out(dtype, {static_cast<int64_t>(ids.size()), hidden}, padding);

  embedding(stream, {.out = out.view(), .ids = id_array.cview(), .table = table.cview()});

  EXPECT_TRUE(out.guards_intact());
  for (size_t t = 0; t < ids.size(); ++t) {
    const bool exists = ids[t] >= 0 && ids[t] < vocabulary;
    for (int64_t c = 0; c < hidden; ++c) {
      const double expected = exists ? table.value(ids[t] * hidden + c) : 0.0;
      ASSERT_EQ(out.value(static_cast<int64_t>(t) * hidden + c), expected) << t << " " << c;
    }
  }
}

TEST(EmbeddingTest, CopiesRowsAndGivesZerosForIdsOutsideTheTable) {
  for (const DType dtype : {DType::kF32, DType::kBf16}) {
    for_each_run([&](Stream stream) {
      expect_rows(stream, dtype, {}, 0);
      expect_rows(stream, dtype, {10}, 0);
      expect_rows(stream, dtype, {3, -1, 3, 0, 11, 10, -2147483647 - 1, 2147483647}, 5);
      expect_rows(stream, dtype, std::vector<int32_t>(2000, 7), 0);
    });
  }
}

}  // namespace
}  // namespace talon::ops
