// The line of the request log.
#include "server/request_record.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/json.h"

namespace talon::server {
namespace {

RequestRecord record() {
  return {.id = "the-id",
          .route = "/v1/completions",
          .status = 200,
          .stream = true,
          .num_choices = 2,
          .seed = 7,
          .time = std::chrono::system_clock::time_point(std::chrono::milliseconds(1'000'000'123)),
          .admitted_s = 0.5,
          .first_token_s = 1.0,
          .last_token_s = 5.0,
          .total_s = 5.5,
          .usage = {.prompt_tokens = 10, .completion_tokens = 42, .cached_tokens = 8},
          .finish = {FinishReason::kStop, FinishReason::kLength},
          .spec = {.rounds = 4, .drafted = 12, .accepted = 6, .accepted_histogram = {}, .kept = {}},
          .num_speculative_tokens = 3,
          .trace = {.trace_id = "0af7"}};
}

TEST(RequestRecordTest, TheLineHasCountsAndTimes) {
  const std::string text = request_line(record());
  const Json line = parse_json(text).value();

  EXPECT_EQ(text.find('\n'), std::string::npos);
  EXPECT_EQ(line.at("time"), "1970-01-12T13:46:40.123Z");
  EXPECT_EQ(line.at("id"), "the-id");
  EXPECT_EQ(line.at("status"), 200);
  EXPECT_TRUE(line.at("error").is_null());
  EXPECT_EQ(line.at("trace_id"), "0af7");
  EXPECT_EQ(line.at("seed"), 7);
  EXPECT_EQ(line.at("prompt_tokens"), 10);
  EXPECT_EQ(line.at("cached_tokens"), 8);
  EXPECT_EQ(line.at("completion_tokens"), 42);
  EXPECT_EQ(line.at("finish_reasons"), Json({"stop", "length"}));
  EXPECT_EQ(line.at("queue_s"), 0.5);
  EXPECT_EQ(line.at("ttft_s"), 1.0);
  EXPECT_EQ(line.at("tpot_s"), 0.1);  // 4 seconds for the 40 tokens after two first ones
  EXPECT_EQ(line.at("latency_s"), 5.5);
  EXPECT_EQ(line.at("spec").at("acceptance_rate"), 0.5);
  EXPECT_FALSE(line.contains("prompt"));
}

TEST(RequestRecordTest, WhatDidNotHappenIsNull) {
  RequestRecord refused{.id = "a", .status = 400, .error_code = "invalid_json"};

  const Json line = parse_json(request_line(refused)).value();

  EXPECT_EQ(line.at("error"), "invalid_json");
  for (const char* name : {"queue_s", "ttft_s", "tpot_s", "spec"}) {
    EXPECT_TRUE(line.at(name).is_null()) << name;
  }
}

TEST(RequestRecordTest, PromptsAreThereIfTheyAreLogged) {
  RequestRecord with_prompt = record();
  with_prompt.prompt = "half a character: \xC3";

  const Result<Json> line = parse_json(request_line(with_prompt));

  ASSERT_TRUE(line.ok()) << line.message();
  EXPECT_THAT(line.value().at("prompt").get<std::string>(), testing::StartsWith("half"));
}

}  // namespace
}  // namespace talon::server
