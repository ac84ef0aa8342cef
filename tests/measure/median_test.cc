#include "measure/median.h"

#include <gtest/gtest.h>

namespace talon {
namespace {

TEST(MedianTest, OfEvenAndOddCounts) {
  EXPECT_EQ(median({}), 0.0);
  EXPECT_EQ(median({3.0, 1.0, 2.0}), 2.0);
  EXPECT_EQ(median({4.0, 1.0, 2.0, 3.0}), 2.5);
}

TEST(TrimmedMeanTest, LeavesATenthAtEitherEnd) {
  EXPECT_EQ(trimmed_mean({1000.0, 1.0, 1.0, 1.0, 1.0, 3.0, 3.0, 3.0, 3.0, -1000.0}), 2.0);
  EXPECT_EQ(trimmed_mean({1.0, 5.0}), 3.0);
}

TEST(PercentileTest, IsAValueThatTheShareDoesNotExceed) {
  std::vector<double> values;
  for (int i = 200; i > 0; --i) {
    values.push_back(i);
  }
  EXPECT_EQ(percentile(values, 0.99), 198.0);
  EXPECT_EQ(percentile(values, 1.0), 200.0);
  EXPECT_EQ(percentile(values, 0.001), 1.0);
  EXPECT_EQ(percentile({7.0}, 0.5), 7.0);
  EXPECT_EQ(percentile({}, 0.5), 0.0);
}

}  // namespace
}  // namespace talon
