// Which members usage has.
#include "server/api/usage_json.h"

#include <gtest/gtest.h>

#include "base/json.h"

namespace talon::server {
namespace {

TEST(UsageJsonTest, AddsUpAndHasDetails) {
  EXPECT_EQ(usage_json({.prompt_tokens = 5, .completion_tokens = 3, .cached_tokens = 2}).dump(),
            R"({"prompt_tokens":5,"completion_tokens":3,"total_tokens":8,)"
            R"("prompt_tokens_details":{"cached_tokens":2}})");
}

TEST(UsageJsonTest, HasReasoningAndTimingsIfGiven) {
  const Json usage = usage_json({.reasoning_tokens = 4}, UsageTimings{.ttft_s = 0.5});

  EXPECT_EQ(usage.at("completion_tokens_details").at("reasoning_tokens"), 4);
  EXPECT_EQ(usage.at("ttft_s"), 0.5);
  EXPECT_TRUE(usage.contains("latency_s"));
}

}  // namespace
}  // namespace talon::server
