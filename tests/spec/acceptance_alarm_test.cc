// The alarm on made-up acceptance: one round in so many accepts its first draft.
#include "spec/acceptance_alarm.h"

#include <gtest/gtest.h>

namespace talon {
namespace {

// Feeds rounds of which every `period`-th accepts one draft; counts the alarms.
int count_alarms(AcceptanceAlarm& alarm, int num_rounds, int period) {
  int alarms = 0;
  for (int i = 1; i <= num_rounds; ++i) {
    alarms += alarm.observe(3, i % period == 0 ? 1 : 0).has_value() ? 1 : 0;
  }
  return alarms;
}

TEST(AcceptanceAlarmTest, WrongTapsAreReportedOnceWithTheirShare) {
  AcceptanceAlarm alarm;
  std::optional<double> share;
  for (int i = 1; i <= AcceptanceAlarm::kWindow; ++i) {
    ASSERT_FALSE(share.has_value()) << "before a whole window was seen";
    share = alarm.observe(3, i % 32 == 0 ? 1 : 0);
  }

  ASSERT_TRUE(share.has_value());
  EXPECT_DOUBLE_EQ(*share, 1.0 / 32);
  EXPECT_EQ(count_alarms(alarm, 100 * AcceptanceAlarm::kWindow, 32), 0) << "the same episode";
}

TEST(AcceptanceAlarmTest, AWorkingHeadIsNotReported) {
  AcceptanceAlarm alarm;

  EXPECT_EQ(count_alarms(alarm, 100 * AcceptanceAlarm::kWindow, 1), 0);
  EXPECT_EQ(count_alarms(alarm, 100 * AcceptanceAlarm::kWindow, 2), 0) << "hard text";
}

TEST(AcceptanceAlarmTest, ANewEpisodeAfterRecoveryIsReportedAgain) {
  AcceptanceAlarm alarm;

  EXPECT_EQ(count_alarms(alarm, AcceptanceAlarm::kWindow, 32), 1);
  EXPECT_EQ(count_alarms(alarm, AcceptanceAlarm::kWindow, 2), 0);
  EXPECT_EQ(count_alarms(alarm, AcceptanceAlarm::kWindow, 32), 1);
}

TEST(AcceptanceAlarmTest, RoundsWithoutDraftsSayNothing) {
  AcceptanceAlarm alarm;

  for (int i = 0; i < 10 * AcceptanceAlarm::kWindow; ++i) {
    EXPECT_FALSE(alarm.observe(0, 0).has_value());
  }
}

}  // namespace
}  // namespace talon
