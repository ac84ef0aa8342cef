// The running acceptance by hand-made rounds.
#include "spec/survival.h"

#include <gtest/gtest.h>

namespace talon {
namespace {

TEST(SurvivalTest, IsAProductThatFallsWithThePosition) {
  const Survival survival;

  EXPECT_DOUBLE_EQ(survival.at(1), 0.8);
  EXPECT_DOUBLE_EQ(survival.at(3), 0.8 * 0.75 * 0.7);
  for (int32_t i = 2; i <= kMaxDrafts; ++i) {
    EXPECT_LT(survival.at(i), survival.at(i - 1)) << "position " << i;
  }
}

TEST(SurvivalTest, OneUnluckyRoundDoesNotOverturnThePrior) {
  Survival survival;

  survival.observe(3, 0);

  EXPECT_NEAR(survival.at(1), 0.76, 1e-12);
}

TEST(SurvivalTest, PositionsPastTheFirstRejectionAreNotSeen) {
  Survival survival;
  const double third = survival.at(3) / survival.at(2);

  survival.observe(3, 1);

  EXPECT_GT(survival.at(1), 0.8) << "accepted";
  EXPECT_LT(survival.at(2) / survival.at(1), 0.75) << "rejected";
  EXPECT_NEAR(survival.at(3) / survival.at(2), third, 1e-12) << "not reached";
}

TEST(SurvivalTest, RoundsWithoutDraftsSayNothing) {
  Survival survival;

  survival.observe(0, 0);

  EXPECT_DOUBLE_EQ(survival.at(1), 0.8);
}

TEST(SurvivalTest, PositionsThatAreNotDraftedFollowTheOneBeforeThemSlowly) {
  Survival survival;

  for (int i = 0; i < 10; ++i) {
    survival.observe(1, 1);
  }
  EXPECT_NEAR(survival.at(2) / survival.at(1), 0.76, 0.01);
  for (int i = 0; i < 1000; ++i) {
    survival.observe(1, 1);
  }
  EXPECT_GT(survival.at(2) / survival.at(1), 0.99);
}

TEST(SurvivalTest, FollowsTheTruth) {
  Survival never;
  Survival always;
  for (int i = 0; i < 120; ++i) {
    never.observe(3, 0);
    always.observe(3, 3);
  }

  EXPECT_LT(never.at(1), 0.01);
  EXPECT_GT(always.at(3), 0.99);
}

TEST(SurvivalTest, ASlowerRateMovesLess) {
  Survival request;
  Survival pooled;

  request.observe(3, 0);
  pooled.observe(3, 0, Survival::kPooledRate);

  EXPECT_LT(request.at(1), pooled.at(1));
  EXPECT_LT(pooled.at(1), 0.8);
}

}  // namespace
}  // namespace talon
