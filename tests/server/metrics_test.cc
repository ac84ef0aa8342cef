// Counters and histograms as Prometheus text.
#include "server/metrics.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

namespace talon::server {
namespace {

using testing::HasSubstr;
using testing::Not;

TEST(MetricsTest, BucketsAreCumulative) {
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

TEST(MetricsTest, CountsRequestsTokensAndDrafts) {
  Metrics metrics;
  SpecStats spec;
  spec.rounds = 4;
  spec.drafted = 12;
  spec.accepted = 9;
  spec.accepted_histogram = {1, 0, 0, 3};
  metrics.observe_request(
      {.total_s = 0.5,
       .usage = {.prompt_tokens = 10, .completion_tokens = 13, .cached_tokens = 2},
       .finish = {FinishReason::kStop, FinishReason::kLength},
       .spec = spec});
  metrics.count_answer("/v1/completions", 200);
  metrics.count_answer("/v1/completions", 200);
  metrics.count_cancelled();

  const std::string text = metrics.text(
      {.engine = {.num_running = 3, .num_pages = 8, .num_free_pages = 4, .num_cached_pages = 2},
       .model = "a\"b",
       .num_speculative_tokens = 3,
       .log_lines_dropped = 5});

  for (const char* line :
       {"talon:requests_running{model=\"a\\\"b\"} 3\n", "talon:kv_pages_used{model=\"a\\\"b\"} 2\n",
        "talon:kv_usage_ratio{model=\"a\\\"b\"} 0.25\n",
        "talon:prompt_tokens_total{model=\"a\\\"b\"} 10\n",
        "talon:generation_tokens_total{model=\"a\\\"b\"} 13\n",
        "talon:requests_finished_total{model=\"a\\\"b\",reason=\"stop\"} 1\n",
        "talon:requests_finished_total{model=\"a\\\"b\",reason=\"cancelled\"} 1\n",
        "talon:http_responses_total{model=\"a\\\"b\",route=\"/v1/completions\",code=\"200\"} 2\n",
        "talon:request_log_lines_dropped_total{model=\"a\\\"b\"} 5\n",
        "talon:spec_accepted_tokens_total{model=\"a\\\"b\"} 9\n",
        "talon:spec_steps_total{model=\"a\\\"b\",accepted=\"3\"} 3\n"}) {
    EXPECT_THAT(text, HasSubstr(line));
  }
  EXPECT_THAT(text, Not(HasSubstr("vllm:")));
}

TEST(MetricsTest, KnowsTheNamesOfOtherDashboards) {
  const std::string text = Metrics().text({.model = "m", .vllm_names = true});

  for (const char* name :
       {"vllm:num_requests_running", "vllm:kv_cache_usage_perc",
        "vllm:time_to_first_token_seconds_bucket", "vllm:spec_decode_num_accepted_tokens_total"}) {
    EXPECT_THAT(text, HasSubstr(std::string(name) + "{model_name=\"m\""));
  }
}

}  // namespace
}  // namespace talon::server
