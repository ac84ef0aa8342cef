// Emitted tokens by hand: accepted drafts, the token after them, nothing past it.
#include "ops/emit_tokens.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <vector>

#include "tests/ops/op_test_util.h"

namespace talon::ops {
namespace {

struct Round {
  int64_t num_choices;
  std::vector<int32_t> accepted;
  std::vector<int32_t> next_token;
  std::vector<int32_t> first_choice;
  std::vector<int32_t> drafts;  // [B, K]
  std::vector<int32_t> num_drafts;
};

std::vector<double> run(Stream stream, const Round& round) {
  const int64_t count = std::ssize(round.accepted);
  TestTensor emitted(DType::kI32, {round.num_choices});
  const TestTensor accepted = TestTensor::of_i32(round.accepted);
  const TestTensor next_token = TestTensor::of_i32(round.next_token);
  const TestTensor first_choice = TestTensor::of_i32(round.first_choice);
  const TestTensor drafts =
      TestTensor::of(round.drafts, {count, count == 0 ? 0 : std::ssize(round.drafts) / count});
  const TestTensor num_drafts = TestTensor::of_i32(round.num_drafts);
  emit_tokens(stream, {.emitted = emitted.view(),
                       .accepted = accepted.cview(),
                       .next_token = next_token.cview(),
                       .first_choice = first_choice.cview(),
                       .drafts = drafts.cview(),
                       .num_drafts = num_drafts.cview()});
  EXPECT_TRUE(emitted.guards_intact());
  return emitted.values();
}

TEST(EmitTokensTest, HandCases) {
  for_each_run([](Stream stream) {
    EXPECT_EQ(run(stream, {.num_choices = 8,
                           .accepted = {2, -1, 0, 1},
                           .next_token = {9, -1, 8, 7},
                           .first_choice = {0, -1, 3, 5},
                           .drafts = {1, 2, -1, -1, 3, 4, 5, 6},
                           .num_drafts = {2, 0, 1, 2}}),
              (std::vector<double>{1, 2, 9, 8, -1, 5, 7, -1}));
    EXPECT_EQ(run(stream, {.num_choices = 1,
                           .accepted = {0},
                           .next_token = {4},
                           .first_choice = {0},
                           .drafts = {},
                           .num_drafts = {0}}),
              std::vector<double>{4});
    EXPECT_TRUE(run(stream, {}).empty());
  });
}

TEST(EmitTokensDeathTest, RefusesMoreThanThereAre) {
  CpuContext context(1, CpuPath::kScalar, false);
  const Round round = {.num_choices = 2,
                       .accepted = {2},
                       .next_token = {4},
                       .first_choice = {0},
                       .drafts = {1},
                       .num_drafts = {1}};
  EXPECT_DEATH(run(Stream(context), round), "2 of 1 drafts stand");
}

}  // namespace
}  // namespace talon::ops
