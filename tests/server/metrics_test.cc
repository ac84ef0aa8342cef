// Counters and histograms as Prometheus text.
#include "server/metrics.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

namespace talon::server {
namespace {

using testing::HasSubstr;
using testing::Not;

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
       .log_lines_dropped = 5,
       .own_lines_dropped = 6});

  for (const char* line :
       {"talon:requests_running{model=\"a\\\"b\"} 3\n", "talon:kv_pages_used{model=\"a\\\"b\"} 2\n",
        "talon:kv_usage_ratio{model=\"a\\\"b\"} 0.25\n",
        "talon:prompt_tokens_total{model=\"a\\\"b\"} 10\n",
        "talon:generation_tokens_total{model=\"a\\\"b\"} 13\n",
        "talon:requests_finished_total{model=\"a\\\"b\",reason=\"stop\"} 1\n",
        "talon:requests_finished_total{model=\"a\\\"b\",reason=\"cancelled\"} 1\n",
        "talon:http_responses_total{model=\"a\\\"b\",route=\"/v1/completions\",code=\"200\"} 2\n",
        "talon:request_log_lines_dropped_total{model=\"a\\\"b\"} 5\n",
        "talon:log_lines_dropped_total{model=\"a\\\"b\"} 6\n",
        "talon:spec_accepted_tokens_total{model=\"a\\\"b\"} 9\n",
        "talon:spec_steps_total{model=\"a\\\"b\",accepted=\"3\"} 3\n"}) {
    EXPECT_THAT(text, HasSubstr(line));
  }
  EXPECT_THAT(text, Not(HasSubstr("vllm:")));
}

TEST(MetricsTest, PhasesDisconnectsAndRefusalsAreCounted) {
  Metrics metrics;
  metrics.observe_request({.num_choices = 1,
                           .admitted_s = 0.25,
                           .first_token_s = 0.5,
                           .last_token_s = 4.5,
                           .total_s = 5.0,
                           .usage = {.prompt_tokens = 100, .completion_tokens = 5},
                           .spec = {.rounds = 3, .accepted_histogram = {0, 1, 2}, .kept = {}}});
  metrics.count_end({.status = 400, .error_code = "invalid_json"});
  metrics.count_end({.status = 499, .admitted_s = 0.1});
  metrics.count_end({.status = 200});
  metrics.observe_frame(3);
  metrics.observe_frame(40);

  const std::string text =
      metrics.text({.engine = {.num_prefilling = 2, .invariant_failures = {0, 1, 0}},
                    .model = "m",
                    .num_speculative_tokens = 2,
                    .is_ready = false,
                    .oldest_waiting_s = 1.5,
                    .num_streams = 4,
                    .version = "v",
                    .commit = "abc",
                    .device = "cpu",
                    .vllm_names = true});

  for (const char* line :
       {"talon:request_queue_time_seconds_sum{model=\"m\"} 0.25\n",
        "talon:request_prefill_time_seconds_sum{model=\"m\"} 0.25\n",
        "talon:request_decode_time_seconds_sum{model=\"m\"} 4\n",
        "talon:time_per_output_token_seconds_sum{model=\"m\"} 1\n",
        "talon:request_prompt_tokens_bucket{model=\"m\",le=\"128\"} 1\n",
        "talon:requests_rejected_total{model=\"m\",code=\"invalid_json\"} 1\n",
        "talon:client_disconnects_total{model=\"m\",phase=\"prefill\"} 1\n",
        "talon:spec_accepted_per_position_total{model=\"m\",position=\"1\"} 3\n",
        "talon:spec_accepted_per_position_total{model=\"m\",position=\"2\"} 2\n",
        "talon:requests_prefilling{model=\"m\"} 2\n",
        "talon:ready{model=\"m\"} 0\n",
        "talon:oldest_waiting_seconds{model=\"m\"} 1.5\n",
        "talon:streams_open{model=\"m\"} 4\n",
        "talon:build_info{model=\"m\",version=\"v\",commit=\"abc\",device=\"cpu\"} 1\n",
        "talon:invariant_failures_total{model=\"m\",name=\"idle_pages\"} 1\n",
        "talon:invariant_failures_total{model=\"m\",name=\"stuck_queue\"} 0\n",
        "talon:frame_chars_bucket{model=\"m\",le=\"4\"} 1\n",
        "talon:frame_chars_sum{model=\"m\"} 43\n",
        "talon:step_seconds_count{model=\"m\",kind=\"mixed\"} 0\n",
        "vllm:request_prefill_time_seconds_sum{model_name=\"m\"} 0.25\n"}) {
    EXPECT_THAT(text, HasSubstr(line));
  }
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
