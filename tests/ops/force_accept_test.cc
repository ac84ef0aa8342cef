// Forced acceptance: whole numbers exactly, a fraction by draws that depend on seed and index
// alone.
#include "ops/force_accept.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <vector>

#include "base/rng.h"
#include "tests/ops/op_test_util.h"

namespace talon::ops {
namespace {

struct Outcome {
  std::vector<double> accepted;
  std::vector<double> next_token;
};

// Three sequences: 3 drafts of slot 1 from choice 1, none of slot 0, 1 draft of slot 2 from
// choice 5.
Outcome run(Stream stream, double extra, int32_t index) {
  TestTensor accepted(DType::kI32, {3});
  TestTensor next_token(DType::kI32, {3});
  const TestTensor choices = TestTensor::of_i32({9, 10, 11, 12, 13, 14, 15});
  const TestTensor first_choice = TestTensor::of_i32({1, -1, 5});
  const TestTensor num_drafts = TestTensor::of_i32({3, 0, 1});
  const TestTensor slots = TestTensor::of_i32({1, 0, 2});
  const TestTensor seeds = TestTensor::of(std::vector<int64_t>{4, 5, 6}, {3});
  const TestTensor indices = TestTensor::of_i32({0, index, 0, 0, 0, index, 0});
  force_accept(stream, {.accepted = accepted.view(),
                        .next_token = next_token.view(),
                        .choices = choices.cview(),
                        .first_choice = first_choice.cview(),
                        .num_drafts = num_drafts.cview(),
                        .slots = slots.cview(),
                        .seeds = seeds.cview(),
                        .indices = indices.cview(),
                        .extra = extra});
  EXPECT_TRUE(accepted.guards_intact());
  EXPECT_TRUE(next_token.guards_intact());
  return {.accepted = accepted.values(), .next_token = next_token.values()};
}

TEST(ForceAcceptTest, WholeNumbersUpToWhatThereIs) {
  for_each_run([](Stream stream) {
    EXPECT_EQ(run(stream, 0.0, 3).accepted, (std::vector<double>{0, -1, 0}));
    EXPECT_EQ(run(stream, 0.0, 3).next_token, (std::vector<double>{10, -1, 14}));
    EXPECT_EQ(run(stream, 2.0, 3).accepted, (std::vector<double>{2, -1, 1}));
    EXPECT_EQ(run(stream, 2.0, 3).next_token, (std::vector<double>{12, -1, 15}));
    EXPECT_EQ(run(stream, 3.0, 3).accepted, (std::vector<double>{3, -1, 1}));
    EXPECT_EQ(run(stream, 8.0, 3).accepted, (std::vector<double>{3, -1, 1}));
  });
}

TEST(ForceAcceptTest, AFractionIsAKeyedDraw) {
  for_each_run([](Stream stream) {
    for (int32_t index = 0; index < 200; ++index) {
      const float u = uniform_float(5, static_cast<uint64_t>(index), RngPurpose::kSynthetic);
      ASSERT_EQ(run(stream, 1.25, index).accepted[0], u < 0.25F ? 2.0 : 1.0) << index;
    }
  });
}

}  // namespace
}  // namespace talon::ops
