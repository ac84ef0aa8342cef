// Requests as spans.
#include "server/otlp.h"

#include <gtest/gtest.h>

#include <map>
#include <string>
#include <vector>

#include "base/json.h"

namespace talon::server {
namespace {

std::shared_ptr<const RequestRecord> record(RequestRecord given) {
  given.time = std::chrono::system_clock::time_point(std::chrono::seconds(1000));
  given.trace = {.trace_id = "0af7651916cd43dd8448eb211c80319c",
                 .span_id = "1111111111111111",
                 .parent_id = "b7ad6b7169203331",
                 .state = "a=1"};
  given.route = "/v1/completions";
  return std::make_shared<const RequestRecord>(std::move(given));
}

Json spans_of(const RequestRecord& given) {
  const std::vector<std::shared_ptr<const RequestRecord>> records = {record(given)};
  const Json body = parse_json(otlp_body(records, "m", "1.0")).value();
  const Json& resource = body.at("resourceSpans").at(0);
  EXPECT_EQ(resource.at("resource").at("attributes").at(0).at("key"), "service.name");
  EXPECT_EQ(resource.at("scopeSpans").at(0).at("scope").at("version"), "1.0");
  return resource.at("scopeSpans").at(0).at("spans");
}

std::map<std::string, std::string> attributes_of(const Json& span) {
  std::map<std::string, std::string> out;
  for (const Json& attribute : span.at("attributes")) {
    out[attribute.at("key").get<std::string>()] = attribute.at("value").begin().value().dump();
  }
  return out;
}

TEST(OtlpTest, ARequestIsASpanWithItsPhases) {
  const Json spans = spans_of(
      {.status = 200,
       .num_choices = 1,
       .admitted_s = 0.5,
       .first_token_s = 2.0,
       .last_token_s = 3.0,
       .total_s = 3.25,
       .usage = {.prompt_tokens = 10, .completion_tokens = 4},
       .finish = {FinishReason::kLength},
       .spec = {.rounds = 2, .drafted = 6, .accepted = 3, .accepted_histogram = {}, .kept = {}},
       .num_speculative_tokens = 3});

  ASSERT_EQ(spans.size(), 4U);
  const Json& request = spans.at(0);
  EXPECT_EQ(request.at("traceId"), "0af7651916cd43dd8448eb211c80319c");
  EXPECT_EQ(request.at("spanId"), "1111111111111111");
  EXPECT_EQ(request.at("parentSpanId"), "b7ad6b7169203331");
  EXPECT_EQ(request.at("traceState"), "a=1");
  EXPECT_EQ(request.at("kind"), 2);
  EXPECT_EQ(request.at("startTimeUnixNano"), "1000000000000");
  EXPECT_EQ(request.at("endTimeUnixNano"), "1003250000000");
  EXPECT_FALSE(request.contains("status"));
  std::map<std::string, std::string> attributes = attributes_of(request);
  EXPECT_EQ(attributes["http.response.status_code"], "\"200\"");
  EXPECT_EQ(attributes["gen_ai.request.model"], "\"m\"");
  EXPECT_EQ(attributes["gen_ai.usage.output_tokens"], "\"4\"");
  EXPECT_EQ(attributes["talon.finish_reason"], "\"length\"");
  EXPECT_EQ(attributes["talon.spec.acceptance_rate"], "0.5");
  const std::vector<std::string> names = {"queue", "prefill", "decode"};
  const std::vector<std::string> ends = {"1000500000000", "1002000000000", "1003000000000"};
  for (size_t i = 0; i < names.size(); ++i) {
    const Json& phase = spans.at(i + 1);
    EXPECT_EQ(phase.at("name"), names[i]);
    EXPECT_EQ(phase.at("parentSpanId"), "1111111111111111");
    EXPECT_EQ(phase.at("startTimeUnixNano"), i == 0 ? "1000000000000" : ends[i - 1]);
    EXPECT_EQ(phase.at("endTimeUnixNano"), ends[i]);
  }
}

TEST(OtlpTest, ErrorsOfTheServerAreErrorsOfTheSpan) {
  const Json refused = spans_of({.status = 400, .error_code = "invalid_json"});
  EXPECT_EQ(refused.size(), 1U);
  EXPECT_FALSE(refused.at(0).contains("status"));
  EXPECT_EQ(attributes_of(refused.at(0))["error.type"], "\"invalid_json\"");

  const Json failed = spans_of({.status = 500, .error_code = "internal"});
  EXPECT_EQ(failed.at(0).at("status").at("code"), 2);
  const Json broken_stream = spans_of({.status = 200, .error_code = "internal"});
  EXPECT_EQ(broken_stream.at(0).at("status").at("code"), 2);
}

}  // namespace
}  // namespace talon::server
