// Debug routes over a socket, while a request runs and after it.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <functional>
#include <future>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "base/error.h"
#include "base/json.h"
#include "support/http_client.h"
#include "support/running_service.h"

namespace talon::server {
namespace {

using test::http_get;
using test::http_post;
using test::HttpAnswer;
using test::HttpClient;
using test::RunningService;
using testing::HasSubstr;
using testing::Not;

constexpr const char* kLong =
    R"({"prompt":"a secret prompt","max_tokens":1900,"ignore_eos":true,"stream":true)";

Json json_of(const HttpAnswer& answer) {
  EXPECT_EQ(answer.status, 200) << answer.body;
  return parse_json(answer.body).value();
}

bool eventually(const std::function<bool()>& condition) {
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(10);
  while (!condition() && std::chrono::steady_clock::now() < deadline) {
    std::this_thread::yield();
  }
  return condition();
}

TEST(ServiceDebugTest, RequestsAreShownWithoutText) {
  RunningService service;
  HttpClient client(service.port());
  client.send_request("POST", "/v1/completions", kLong + std::string(R"(,"request_id":"mine"})"));
  ASSERT_TRUE(client.read_head().has_value());

  std::string text;
  EXPECT_TRUE(eventually([&] {
    text = http_get(service.port(), "/debug/requests").body;
    return text.find("\"running\"") != std::string::npos;
  }));

  EXPECT_THAT(text, Not(HasSubstr("secret")));
  const Json request = parse_json(text).value().at("requests").at(0);
  EXPECT_EQ(request.at("id"), "mine");
  EXPECT_EQ(request.at("route"), "/v1/completions");
  EXPECT_EQ(request.at("phase"), "decode");
  EXPECT_EQ(request.at("stream"), true);
  EXPECT_GT(request.at("completion_tokens"), 0);
  const Json& sequence = request.at("sequences").at(0);
  EXPECT_GT(sequence.at("num_tokens"), sequence.at("prompt_len"));
  EXPECT_GT(sequence.at("pages"), 0);
  client.close();
  EXPECT_TRUE(eventually(
      [&] { return json_of(http_get(service.port(), "/debug/requests")).at("requests").empty(); }));
}

TEST(ServiceDebugTest, TheSchedulerSaysWhatTheQueueWaitsFor) {
  RunningService service;
  std::vector<std::unique_ptr<HttpClient>> clients;
  for (int i = 0; i < 4; ++i) {  // as many as run at once
    clients.push_back(std::make_unique<HttpClient>(service.port()));
    clients.back()->send_request("POST", "/v1/completions", kLong + std::string("}"));
    ASSERT_TRUE(clients.back()->read_head().has_value());
  }
  HttpClient waiting(service.port());
  waiting.send_request("POST", "/v1/completions", kLong + std::string("}"),
                       "x-request-id: the-waiting\r\n");

  Json scheduler;
  EXPECT_TRUE(eventually([&] {
    scheduler = json_of(http_get(service.port(), "/debug/scheduler"));
    return scheduler.at("waiting") == 1 && scheduler.at("head_waits_for") == "slots" &&
           !scheduler.at("queue").empty();
  }));

  EXPECT_EQ(scheduler.at("running"), 4);
  EXPECT_EQ(scheduler.at("queue").at(0).at("id"), "the-waiting");
  EXPECT_GT(scheduler.at("queue").at(0).at("waits_s"), 0.0);
  EXPECT_GT(scheduler.at("last_step").at("rows"), 0);
  EXPECT_GT(scheduler.at("steps"), 0);
}

TEST(ServiceDebugTest, AnsweredWhileTheEngineHangs) {
  std::promise<void> gate;
  std::shared_future<void> open = gate.get_future().share();
  RunningService service({}, 64, [open](Engine& engine) {
    engine.observe([open](const StepPlan&, const StepResult&) { open.wait(); });
  });
  HttpClient client(service.port());
  client.send_request("POST", "/v1/completions", kLong + std::string("}"));

  EXPECT_TRUE(eventually([&] {
    return json_of(http_get(service.port(), "/debug/scheduler")).at("stalled_s") > 0.05;
  }));
  EXPECT_EQ(json_of(http_get(service.port(), "/debug/requests")).at("requests").size(), 1U);
  EXPECT_EQ(http_get(service.port(), "/metrics").status, 200);
  client.close();
  gate.set_value();
}

TEST(ServiceDebugTest, GraphsAreNoneOnTheCpu) {
  RunningService service;
  (void)http_post(service.port(), "/v1/completions", R"({"prompt":"a","max_tokens":5})");

  EXPECT_TRUE(eventually(
      [&] { return json_of(http_get(service.port(), "/debug/graphs")).at("misses") > 0; }));
  const Json graphs = json_of(http_get(service.port(), "/debug/graphs"));
  EXPECT_TRUE(graphs.at("captured").empty());
  EXPECT_EQ(graphs.at("memory_bytes"), 0);
}

TEST(ServiceDebugTest, AnIdInABodyIsThatOfOneLiveRequest) {
  RunningService service;
  HttpClient client(service.port());
  client.send_request("POST", "/v1/completions", kLong + std::string(R"(,"request_id":"mine"})"));
  const std::optional<HttpAnswer> head = client.read_head();
  ASSERT_TRUE(head.has_value());
  EXPECT_EQ(head->headers.at("x-request-id"), "mine");
  const std::string again = R"({"prompt":"a","max_tokens":5,"request_id":"mine"})";

  const HttpAnswer refused = http_post(service.port(), "/v1/completions", again);
  client.close();

  EXPECT_EQ(refused.status, 400);
  EXPECT_THAT(refused.body, HasSubstr(R"("param":"request_id")"));
  HttpAnswer later;
  EXPECT_TRUE(eventually([&] {
    later = http_post(service.port(), "/v1/completions", again);
    return later.status == 200;
  }));
  EXPECT_EQ(parse_json(later.body).value().at("id"), "cmpl-mine");
}

TEST(ServiceDebugTest, ProfilingIsThereIfAskedFor) {
  RunningService without;
  EXPECT_EQ(http_post(without.port(), "/start_profile", "").status, 404);

  ServiceOptions options;
  options.enable_profiling = true;
  RunningService on_cpu(options);
  const HttpAnswer refused = http_post(on_cpu.port(), "/start_profile", "");
  EXPECT_EQ(refused.status, 501);
  EXPECT_THAT(refused.body, HasSubstr("no CUDA profiler"));

  std::vector<bool> calls;
  options.profile = [&](bool starts) {
    calls.push_back(starts);
    if (calls.size() > 2) {
      throw Error(ErrorCode::kUnavailable, "no profiler");
    }
  };
  RunningService service(options);
  EXPECT_EQ(json_of(http_post(service.port(), "/start_profile", "")).at("profiling"), true);
  EXPECT_EQ(json_of(http_post(service.port(), "/stop_profile", "")).at("profiling"), false);
  EXPECT_THAT(calls, testing::ElementsAre(true, false));
  EXPECT_EQ(http_post(service.port(), "/start_profile", "").status, 500);
  EXPECT_EQ(http_get(service.port(), "/health").status, 200);
}

}  // namespace
}  // namespace talon::server
