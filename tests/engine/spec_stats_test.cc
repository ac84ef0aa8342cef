// Counters of speculation on a hand-made history: five rounds at K = 3, the last cut after one of
// its three tokens.
#include "engine/spec_stats.h"

#include <gtest/gtest.h>

#include <vector>

namespace talon {
namespace {

KeptRound round_of(int32_t drafted, int32_t accepted, int64_t kept) {
  return {.round = {.is_prefill = false, .drafted = drafted, .accepted = accepted},
          .num_kept = kept};
}

TEST(SpecStatsTest, CountsAsVerifiedAndAsKept) {
  const std::vector<KeptRound> rounds = {
      {.round = {.is_prefill = true, .drafted = 0, .accepted = 0}, .num_kept = 1},
      round_of(3, 3, 4),
      round_of(3, 0, 1),
      round_of(3, 1, 2),
      round_of(3, 3, 4),
      round_of(3, 2, 1)};

  const SpecStats stats = summarise(rounds);

  EXPECT_EQ(stats.rounds, 5);
  EXPECT_EQ(stats.drafted, 15);
  EXPECT_EQ(stats.accepted, 9);
  EXPECT_DOUBLE_EQ(stats.acceptance_rate(), 9.0 / 15.0);
  EXPECT_DOUBLE_EQ(stats.tokens_per_forward(), 1.0 + 9.0 / 5.0);
  EXPECT_DOUBLE_EQ(stats.survival(1), 4.0 / 5.0);
  EXPECT_DOUBLE_EQ(stats.survival(2), 3.0 / 5.0);
  EXPECT_DOUBLE_EQ(stats.survival(3), 2.0 / 5.0);
  EXPECT_EQ(stats.kept.rounds, 5);
  EXPECT_EQ(stats.kept.tokens, 12);
  EXPECT_EQ(stats.kept.accepted, 3 + 0 + 1 + 3 + 1);
}

TEST(SpecStatsTest, NoRoundsGiveZeros) {
  const SpecStats stats = summarise({});

  EXPECT_EQ(stats.acceptance_rate(), 0.0);
  EXPECT_EQ(stats.tokens_per_forward(), 0.0);
  EXPECT_EQ(stats.survival(1), 0.0);
}

}  // namespace
}  // namespace talon
