// Counting by hand: repeated tokens, dead entries, slots that count nothing.
#include "ops/count_tokens.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <vector>

#include "ops/choose.h"
#include "tests/ops/op_test_util.h"

namespace talon::ops {
namespace {

TestTensor run(Stream stream,
               const std::vector<int32_t>& tokens,
               const std::vector<int32_t>& slots) {
  TestTensor counts =
      TestTensor::of(std::vector<int32_t>{0, 1, 4, 0, 7, 7, 7, 7, 0, 0, 0, 5}, {3, 4});
  const TestTensor flags = TestTensor::of_i32({kSlotPenalises, kSlotBiases, kSlotPenalises | 1});
  const TestTensor token_array = TestTensor::of_i32(tokens);
  const TestTensor slot_array = TestTensor::of_i32(slots);
  count_tokens(stream, {.counts = counts.view(),
                        .flags = flags.cview(),
                        .tokens = token_array.cview(),
                        .slots = slot_array.cview()});
  EXPECT_TRUE(counts.guards_intact());
  return counts;
}

TEST(CountTokensTest, AddsTwoForEachTokenOfASlotWithPenalties) {
  for_each_run([](Stream stream) {
    const TestTensor counts = run(stream, {1, 1, 3, -1, 2, 0, 3}, {0, 0, 0, 0, 1, -1, 2});

    EXPECT_EQ(counts.values(), (std::vector<double>{0, 5, 4, 2, 7, 7, 7, 7, 0, 0, 0, 7}));
    EXPECT_EQ(run(stream, {}, {}).value(1), 1.0);
  });
}

TEST(CountTokensDeathTest, RefusesIndicesBeyondTheCounts) {
  CpuContext context(1, CpuPath::kScalar, false);
  EXPECT_DEATH(run(Stream(context), {4}, {0}), "token 4 of 4");
  EXPECT_DEATH(run(Stream(context), {0}, {3}), "slot 3 of 3");
}

}  // namespace
}  // namespace talon::ops
