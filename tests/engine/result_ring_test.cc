// Results read back from what the last op of a round leaves in the ring: verifies and chunks,
// log-probabilities by choice and by prompt row, and what a ring that does not fit its plan does.
#include "engine/result_ring.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <utility>
#include <vector>

namespace talon {
namespace {

using Ints = std::vector<int32_t>;

constexpr StepSizes kSizes = {
    .max_rows = 64, .max_sequences = 4, .max_drafts = 2, .context_limit = 1000};

PlanRow verify(int64_t sequence, int64_t position, int32_t num_drafts) {
  PlanRow row;
  row.sequence = SeqId{sequence};
  row.first_position = position;
  row.num_drafts = num_drafts;
  return row;
}

PlanRow chunk(int64_t sequence, int64_t position, const Ints& tokens) {
  PlanRow row;
  row.sequence = SeqId{sequence};
  row.first_position = position;
  for (const int32_t token : tokens) {
    row.tokens.emplace_back(token);
  }
  return row;
}

StepPlan plan_of(int64_t round, std::vector<PlanRow> rows) {
  StepPlan plan;
  plan.round = round;
  plan.rows = std::move(rows);
  return plan;
}

class ResultRingTest : public testing::Test {
 protected:
  void write(int64_t launch, const std::vector<Ints>& rows) {
    auto* header = ring_.headers().row<int64_t>(launch % ops::kRingEntries);
    const int64_t start_ns = 20000 * launch;
    std::ranges::copy(
        std::vector<int64_t>{launch, start_ns, start_ns + 2000, start_ns + 5000, start_ns + 9000},
        header);
    for (size_t b = 0; b < rows.size(); ++b) {
      auto* words =
          ring_.rows().at(launch % ops::kRingEntries).row<int32_t>(static_cast<int64_t>(b));
      std::ranges::copy(rows[b], words);
    }
  }

  ResultRing ring_{kSizes};
};

Ints values(const std::vector<TokenId>& tokens) {
  Ints all;
  for (const TokenId token : tokens) {
    all.push_back(token.value);
  }
  return all;
}

TEST_F(ResultRingTest, ReadsBothEntries) {
  StepPlan plan = plan_of(9, {verify(5, 40, 2), chunk(6, 0, {1, 2, 3})});
  const LaunchedStep first(plan);
  plan.round = 10;
  plan.ahead = true;
  plan.rows = {verify(5, 41, 2)};  // a lower bound
  const LaunchedStep second(plan);
  write(2, {{1, 42, 2, 81, 82, 70, 71, -1}, {-1, 3, 0, -1, -1, -1, -1, -1}});
  write(3, {{2, 45, 0, -1, -1, 81, 82, 72}});

  const StepResult old = ring_.read(2, first);
  const StepResult last = ring_.read(3, second);

  EXPECT_EQ(old.round, 9);
  ASSERT_EQ(old.rows.size(), 2U);
  EXPECT_EQ(old.rows[0].sequence, SeqId{5});
  EXPECT_EQ(values(old.rows[0].tokens), (Ints{70, 71}));
  EXPECT_EQ(old.rows[0].drafted, 2);
  EXPECT_EQ(old.rows[0].accepted, 1);
  EXPECT_EQ(old.rows[0].kv_len, 42);
  EXPECT_EQ(values(old.rows[0].drafts), (Ints{81, 82}));
  EXPECT_TRUE(old.rows[1].tokens.empty());
  EXPECT_EQ(old.rows[1].accepted, 0);
  EXPECT_EQ(old.rows[1].kv_len, 3);
  EXPECT_DOUBLE_EQ(old.times.verify_us, 2.0);
  EXPECT_DOUBLE_EQ(old.times.extend_us, 3.0);
  EXPECT_DOUBLE_EQ(old.times.draft_us, 4.0);
  EXPECT_DOUBLE_EQ(old.times.gap_us, 0.0);
  EXPECT_DOUBLE_EQ(last.times.gap_us, 11.0);
  EXPECT_EQ(values(last.rows[0].tokens), (Ints{81, 82, 72}));
  EXPECT_EQ(last.rows[0].kv_len, 45);
}

TEST_F(ResultRingTest, FindsLogprobsByChoiceAndByPromptRow) {
  PlanRow sampled = verify(2, 10, 1);
  sampled.num_logprobs = 1;
  PlanRow middle = chunk(3, 0, {4, 5, 6});
  middle.next_token = TokenId{7};
  middle.num_prompt_logprobs = 0;
  PlanRow end = chunk(4, 8, {8, 9});
  end.sample = true;
  end.num_logprobs = 2;
  end.num_prompt_logprobs = 1;
  const LaunchedStep step(plan_of(1, {verify(1, 20, 2), sampled, middle, end}));
  write(0, {{0, 21, 0, -1, -1, 50, -1, -1},
            {0, 11, 0, -1, -1, 51, -1, -1},
            {-1, 3, 0, -1, -1, -1, -1, -1},
            {0, 10, 0, -1, -1, 52, -1, -1}});
  const StepLogprobs& logprobs = ring_.logprobs(0);
  const auto fill = [](const LogprobViews& views, int64_t count) {
    for (int64_t i = 0; i < count; ++i) {
      views.logprobs.as<float>()[i] = -static_cast<float>(i);
      std::fill_n(views.top_ids.row<int32_t>(i), kMaxTopLogprobs, static_cast<int32_t>(i) + 100);
      std::fill_n(views.top_logprobs.row<float>(i), kMaxTopLogprobs, -0.5F);
    }
  };
  fill(logprobs.chosen, 6);  // of 3 + 2 + 1 choices
  fill(logprobs.prompt, 4);

  const StepResult result = ring_.read(0, step);

  EXPECT_TRUE(result.rows[0].logprobs.empty());
  ASSERT_EQ(result.rows[1].logprobs.size(), 1U);
  EXPECT_EQ(result.rows[1].logprobs[0].chosen.logprob, -3.0F);
  EXPECT_EQ(result.rows[1].logprobs[0].chosen.token, TokenId{51});
  ASSERT_EQ(result.rows[1].logprobs[0].top.size(), 1U);
  EXPECT_EQ(result.rows[1].logprobs[0].top[0].token, TokenId{103});
  ASSERT_EQ(result.rows[2].prompt_logprobs.size(), 3U);
  EXPECT_EQ(result.rows[2].prompt_logprobs[2].chosen.token, TokenId{7});
  EXPECT_EQ(result.rows[2].prompt_logprobs[2].chosen.logprob, -2.0F);
  EXPECT_TRUE(result.rows[2].prompt_logprobs[2].top.empty());
  ASSERT_EQ(result.rows[3].prompt_logprobs.size(), 1U);
  EXPECT_EQ(result.rows[3].prompt_logprobs[0].chosen.token, TokenId{9});
  EXPECT_EQ(result.rows[3].prompt_logprobs[0].chosen.logprob, -3.0F);
  ASSERT_EQ(result.rows[3].logprobs.size(), 1U);
  EXPECT_EQ(result.rows[3].logprobs[0].chosen.logprob, -5.0F);
  EXPECT_EQ(result.rows[3].logprobs[0].top.size(), 2U);
}

using ResultRingDeathTest = ResultRingTest;

TEST_F(ResultRingDeathTest, RefusesWhatThePlanCannotHaveGiven) {
  const LaunchedStep step(plan_of(1, {verify(1, 20, 2)}));
  write(0, {{1, 22, 0, -1, -1, 50, 51, -1}});
  EXPECT_EQ(ring_.read(0, step).rows[0].kv_len, 22);

  EXPECT_DEATH((void)ring_.read(2, step), "launch 0 where 2 should be");
  write(0, {{1, 23, 0, -1, -1, 50, 51, -1}});
  EXPECT_DEATH((void)ring_.read(0, step), "23 positions, 22 planned");
  write(0, {{3, 24, 0, -1, -1, 50, 51, 52}});
  EXPECT_DEATH((void)ring_.read(0, step), "3 of 2 drafts accepted");
}

}  // namespace
}  // namespace talon
