// Accepted counts against a scalar model, and hand cases. Exact integers.
#include "ops/accept.h"

#include <gtest/gtest.h>

#include <vector>

#include "core/cpu_context.h"
#include "core/cpu_path.h"
#include "core/dtype.h"
#include "core/stream.h"
#include "tests/ops/op_test_util.h"

namespace talon::ops {
namespace {

struct Round {
  std::vector<int32_t> choices;
  std::vector<int32_t> first_choice;
  std::vector<std::vector<int32_t>> drafts;  // one entry a sequence, of its number of drafts
  int64_t max_drafts = 0;
};

struct Outcome {
  std::vector<int32_t> accepted;
  std::vector<int32_t> next_token;
};

Outcome run(Stream stream, const Round& round) {
  const auto num_sequences = static_cast<int64_t>(round.drafts.size());
  TestTensor accepted(DType::kI32, {num_sequences});
  TestTensor next(DType::kI32, {num_sequences});
  TestTensor drafts(DType::kI32, {num_sequences, round.max_drafts});
  TestTensor num_drafts(DType::kI32, {num_sequences});
  for (int64_t b = 0; b < num_sequences; ++b) {
    const auto& own = round.drafts[static_cast<size_t>(b)];
    num_drafts.at<int32_t>(b) = static_cast<int32_t>(own.size());
    for (size_t j = 0; j < own.size(); ++j) {
      drafts.at<int32_t>(b * round.max_drafts + static_cast<int64_t>(j)) = own[j];
    }
  }
  const TestTensor choices = TestTensor::of_i32(round.choices);
  const TestTensor first = TestTensor::of_i32(round.first_choice);
  accept(stream, {.accepted = accepted.view(),
                  .next_token = next.view(),
                  .choices = choices.cview(),
                  .first_choice = first.cview(),
                  .drafts = drafts.cview(),
                  .num_drafts = num_drafts.cview()});
  EXPECT_TRUE(accepted.guards_intact() && next.guards_intact());
  Outcome outcome;
  for (int64_t b = 0; b < num_sequences; ++b) {
    outcome.accepted.push_back(accepted.at<int32_t>(b));
    outcome.next_token.push_back(next.at<int32_t>(b));
  }
  return outcome;
}

TEST(AcceptTest, CountsTheLeadingDraftsThatStand) {
  for_each_run([](Stream stream) {
    const Round round = {.choices = {5, 6, 7, 8,  // all stand: 8 is the bonus
                                     5, 6, 9, 8,  // the third falls: 9 corrects
                                     1, 6, 7, 8,  // the first falls, later matches do not count
                                     4,           // no drafts: plain sampling
                                     3, 3},       // one draft of at most three
                         .first_choice = {0, 4, 8, -1, 12, 13},
                         .drafts = {{5, 6, 7}, {5, 6, 7}, {5, 6, 7}, {5, 6, 7}, {}, {3}},
                         .max_drafts = 3};

    const Outcome outcome = run(stream, round);

    EXPECT_EQ(outcome.accepted, (std::vector<int32_t>{3, 2, 0, -1, 0, 1}));
    EXPECT_EQ(outcome.next_token, (std::vector<int32_t>{8, 9, 1, -1, 4, 3}));
  });
}

TEST(AcceptTest, NoDraftsAtAllAndNoSequences) {
  for_each_run([](Stream stream) {
    const Outcome one =
        run(stream, {.choices = {42}, .first_choice = {0}, .drafts = {{}}, .max_drafts = 0});
    EXPECT_EQ(one.accepted, std::vector<int32_t>{0});
    EXPECT_EQ(one.next_token, std::vector<int32_t>{42});

    EXPECT_TRUE(run(stream, {.choices = {}, .first_choice = {}, .drafts = {}}).accepted.empty());
  });
}

TEST(AcceptTest, MatchesAScalarModelOnRandomRounds) {
  TALON_TRACE_SEED();
  TestRng rng(1);
  CpuContext context(1, CpuPath::kScalar, false);
  for (int trial = 0; trial < 500; ++trial) {
    Round round;
    round.max_drafts = rng.integer(0, 7);
    Outcome expected;
    for (int64_t b = rng.integer(0, 9); b > 0; --b) {
      const auto count = static_cast<size_t>(rng.integer(0, round.max_drafts));
      std::vector<int32_t> drafts(count);
      std::vector<int32_t> choices(count + 1);
      for (int32_t& draft : drafts) {
        draft = static_cast<int32_t>(rng.integer(0, 1));
      }
      for (int32_t& choice : choices) {
        choice = static_cast<int32_t>(rng.integer(0, 1));
      }
      round.drafts.push_back(drafts);
      if (rng.integer(0, 4) == 0) {
        round.first_choice.push_back(-1);
        expected.accepted.push_back(-1);
        expected.next_token.push_back(-1);
        continue;
      }
      round.first_choice.push_back(static_cast<int32_t>(round.choices.size()));
      round.choices.insert(round.choices.end(), choices.begin(), choices.end());
      size_t accepted = 0;
      while (accepted < count && drafts[accepted] == choices[accepted]) {
        ++accepted;
      }
      expected.accepted.push_back(static_cast<int32_t>(accepted));
      expected.next_token.push_back(choices[accepted]);
    }

    const Outcome outcome = run(Stream(context), round);

    ASSERT_EQ(outcome.accepted, expected.accepted);
    ASSERT_EQ(outcome.next_token, expected.next_token);
  }
}

TEST(AcceptDeathTest, RefusesCountsBeyondTheArrays) {
  CpuContext context(1, CpuPath::kScalar, false);
  const Round short_choices = {
      .choices = {5, 6}, .first_choice = {0}, .drafts = {{5, 6}}, .max_drafts = 2};
  EXPECT_DEATH(run(Stream(context), short_choices), "has choices 0 \\+ 2 of 2");
}

}  // namespace
}  // namespace talon::ops
