// What the request log says of requests over sockets: answered, refused, streamed, left.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <map>
#include <string>
#include <vector>

#include "base/json.h"
#include "support/http_client.h"
#include "support/http_sink.h"
#include "support/running_service.h"
#include "support/temp_dir.h"

namespace talon::server {
namespace {

using test::http_post;
using test::HttpAnswer;
using test::HttpClient;
using test::RunningService;
using testing::HasSubstr;

constexpr const char* kBody = R"({"prompt":"Tom has 3 apples","max_tokens":20,"ignore_eos":true)";

// The lines by id.
std::map<std::string, Json> lines_of(const std::filesystem::path& file) {
  std::map<std::string, Json> lines;
  std::ifstream in(file);
  for (std::string text; std::getline(in, text);) {
    const Json line = parse_json(text).value();
    lines.emplace(line.at("id").get<std::string>(), line);
  }
  return lines;
}

TEST(ServiceGenerateTest, EachRequestHasALineInTheLog) {
  const test::TempDir dir;
  ServiceOptions options;
  options.request_log = (dir / "log").string();
  {
    RunningService service(options);
    const auto post = [&](const std::string& id, const std::string& more) {
      (void)http_post(service.port(), "/v1/completions", kBody + more,
                      "x-request-id: " + id + "\r\n");
    };
    post("whole", R"(,"seed":7,"n":2})");
    post("streamed", R"(,"stream":true})");
    post("refused", R"(,"n":0})");
    HttpClient leaves(service.port());
    leaves.send_request("POST", "/v1/completions",
                        R"({"prompt":"a","max_tokens":1900,"ignore_eos":true,"stream":true})",
                        "x-request-id: left\r\n");
    ASSERT_TRUE(leaves.read_head().has_value());
    leaves.close();
  }

  std::map<std::string, Json> lines = lines_of(dir / "log");
  ASSERT_EQ(lines.size(), 4U);
  EXPECT_EQ(lines["whole"].at("status"), 200);
  EXPECT_EQ(lines["whole"].at("route"), "/v1/completions");
  EXPECT_EQ(lines["whole"].at("seed"), 7);
  EXPECT_EQ(lines["whole"].at("completion_tokens"), 40);
  EXPECT_EQ(lines["whole"].at("finish_reasons"), Json({"length", "length"}));
  EXPECT_GT(lines["whole"].at("prompt_tokens"), 0);
  EXPECT_GE(lines["whole"].at("ttft_s"), lines["whole"].at("queue_s"));
  EXPECT_GT(lines["whole"].at("latency_s"), lines["whole"].at("ttft_s"));
  EXPECT_GT(lines["whole"].at("spec").at("rounds"), 0);
  EXPECT_EQ(lines["streamed"].at("stream"), true);
  EXPECT_EQ(lines["refused"].at("status"), 400);
  EXPECT_EQ(lines["refused"].at("error"), "invalid_value");
  EXPECT_EQ(lines["left"].at("status"), 499);
  EXPECT_EQ(lines["left"].at("error"), "client_closed");
  for (const auto& [id, line] : lines) {
    EXPECT_FALSE(line.contains("prompt")) << id;
  }
}

TEST(ServiceGenerateTest, PromptsAreLoggedIfAskedFor) {
  const test::TempDir dir;
  ServiceOptions options;
  options.request_log = (dir / "log").string();
  options.log_prompts = true;
  {
    RunningService service(options);
    (void)http_post(service.port(), "/v1/completions", kBody + std::string("}"),
                    "x-request-id: a\r\n");
  }

  EXPECT_THAT(lines_of(dir / "log")["a"].at("prompt").get<std::string>(),
              HasSubstr("Tom has 3 apples"));
}

TEST(ServiceGenerateTest, ARequestGoesOnWithItsTrace) {
  const std::string trace = "0af7651916cd43dd8448eb211c80319c";
  const std::string parent = "b7ad6b7169203331";
  test::HttpSink sink;
  const test::TempDir dir;
  ServiceOptions options;
  options.request_log = (dir / "log").string();
  options.otlp_traces_endpoint = sink.address();
  std::string response;
  {
    RunningService service(options);
    const HttpAnswer answer =
        http_post(service.port(), "/v1/completions", kBody + std::string("}"),
                  "x-request-id: a\r\ntraceparent: 00-" + trace + "-" + parent + "-01\r\n");
    response = answer.headers.at("traceresponse");
    const HttpAnswer unsampled =
        http_post(service.port(), "/v1/completions", kBody + std::string("}"),
                  "traceparent: 00-" + trace + "-" + parent + "-00\r\n");
    EXPECT_EQ(unsampled.status, 200);
    EXPECT_FALSE(http_post(service.port(), "/v1/completions", kBody + std::string("}"))
                     .headers.contains("traceresponse"));
  }

  EXPECT_THAT(response, testing::StartsWith("00-" + trace + "-"));
  EXPECT_EQ(lines_of(dir / "log")["a"].at("trace_id"), trace);
  std::vector<Json> spans;
  for (const std::string& body : sink.bodies()) {
    const Json sent = parse_json(body).value();
    const Json& list = sent.at("resourceSpans").at(0).at("scopeSpans").at(0).at("spans");
    spans.insert(spans.end(), list.begin(), list.end());
  }
  // The sampled request and the one without a trace, each with three phases.
  ASSERT_EQ(spans.size(), 8U);
  EXPECT_EQ(spans[0].at("traceId"), trace);
  EXPECT_EQ(spans[0].at("parentSpanId"), parent);
  EXPECT_EQ("00-" + trace + "-" + spans[0].at("spanId").get<std::string>() + "-01", response);
  EXPECT_EQ(spans[3].at("name"), "decode");
  EXPECT_NE(spans[4].at("traceId"), trace);
}

}  // namespace
}  // namespace talon::server
