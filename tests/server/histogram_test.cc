// Buckets as Prometheus counts them.
#include "server/histogram.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

namespace talon::server {
namespace {

using testing::HasSubstr;

TEST(HistogramTest, BucketsAreCumulative) {
  Histogram histogram;
  histogram.observe(0.001);  // a bound belongs to its bucket
  histogram.observe(0.004);
  histogram.observe(1000.0);

  std::string text;
  histogram.write("t", "model=\"m\"", text);

  EXPECT_THAT(text, HasSubstr("t_bucket{model=\"m\",le=\"0.001\"} 1\n"));
  EXPECT_THAT(text, HasSubstr("t_bucket{model=\"m\",le=\"0.002\"} 1\n"));
  EXPECT_THAT(text, HasSubstr("t_bucket{model=\"m\",le=\"0.005\"} 2\n"));
  EXPECT_THAT(text, HasSubstr("t_bucket{model=\"m\",le=\"120\"} 2\n"));
  EXPECT_THAT(text, HasSubstr("t_bucket{model=\"m\",le=\"+Inf\"} 3\n"));
  EXPECT_THAT(text, HasSubstr("t_count{model=\"m\"} 3\n"));
}

TEST(HistogramTest, SizesHaveBoundsOfTheirOwn) {
  Histogram histogram(Histogram::kCounts);
  histogram.observe(100.0);

  std::string text;
  histogram.write("t", "", text);

  EXPECT_THAT(text, HasSubstr("le=\"64\"} 0\n"));
  EXPECT_THAT(text, HasSubstr("le=\"128\"} 1\n"));
  EXPECT_THAT(text, HasSubstr("le=\"1048576\"} 1\n"));
}

}  // namespace
}  // namespace talon::server
