// The whole server over sockets, on the embedded pair: routes, keys, answers whole and streamed,
// clients that leave, limits, health and draining.
#include "server/service.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <future>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "base/error.h"
#include "base/json.h"
#include "support/http_client.h"
#include "support/running_service.h"
#include "text/grammar.h"

namespace talon::server {
namespace {

using test::http_get;
using test::http_post;
using test::HttpAnswer;
using test::HttpClient;
using test::RunningService;
using testing::HasSubstr;
using testing::Not;

constexpr const char* kPrompt = "Question: Tom has 3 apples and buys 4 more.\\nAnswer:";

std::string completion(const std::string& more) {
  return fmt::format(R"({{"prompt":"{}","temperature":0{}}})", kPrompt, more);
}

// The text of all frames of a stream.
std::string text_of(const std::string& stream) {
  std::string text;
  size_t at = 0;
  while ((at = stream.find("data: {", at)) != std::string::npos) {
    const size_t end = stream.find("\n\n", at);
    const Json frame = parse_json(stream.substr(at + 6, end - at - 6)).value();
    for (const Json& choice : frame.at("choices")) {
      text += choice.at("text").get<std::string>();
    }
    at = end;
  }
  return text;
}

// Metrics change a moment after what they count.
bool eventually(const std::function<bool()>& condition) {
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(10);
  while (!condition()) {
    if (std::chrono::steady_clock::now() > deadline) {
      return false;
    }
    std::this_thread::yield();
  }
  return true;
}

TEST(ServiceTest, StreamedAndWholeAnswersAreTheSame) {
  RunningService service;

  const HttpAnswer whole =
      http_post(service.port(), "/v1/completions", completion(R"(,"max_tokens":40)"));
  const HttpAnswer streamed =
      http_post(service.port(), "/v1/completions", completion(R"(,"max_tokens":40,"stream":true)"));

  ASSERT_EQ(whole.status, 200) << whole.body;
  const Json body = parse_json(whole.body).value();
  EXPECT_EQ(streamed.headers.at("content-type"), "text/event-stream; charset=utf-8");
  EXPECT_TRUE(streamed.is_whole);
  EXPECT_THAT(streamed.body, testing::EndsWith("data: [DONE]\n\n"));
  EXPECT_EQ(text_of(streamed.body), body.at("choices").at(0).at("text").get<std::string>());
  EXPECT_EQ(body.at("id").get<std::string>(), "cmpl-" + whole.headers.at("x-request-id"));
}

TEST(ServiceTest, ManyAtOnceGetTheirOwnAnswers) {
  RunningService service;
  const auto ask = [&](int i) {
    const std::string body = fmt::format(
        R"({{"prompt":"Question: Ann has {} pens. How many pens does Ann have?\nAnswer:",)"
        R"("max_tokens":30,"temperature":0}})",
        i);
    const HttpAnswer answer = http_post(service.port(), "/v1/completions", body);
    return parse_json(answer.body).value().at("choices").at(0).at("text").get<std::string>();
  };
  std::vector<std::string> alone;
  for (int i = 0; i < 12; ++i) {
    alone.push_back(ask(i));
  }

  std::vector<std::future<std::string>> together;
  for (int i = 0; i < 12; ++i) {
    together.push_back(std::async(std::launch::async, ask, i));
  }

  for (size_t i = 0; i < together.size(); ++i) {
    EXPECT_EQ(together[i].get(), alone[i]) << i;
  }
}

TEST(ServiceTest, AClientThatLeavesFreesItsPages) {
  RunningService service;
  HttpClient client(service.port());
  client.send_request("POST", "/v1/completions",
                      completion(R"(,"max_tokens":1900,"ignore_eos":true,"stream":true)"));
  ASSERT_TRUE(client.read_head().has_value());

  client.close();

  EXPECT_TRUE(eventually([&] {
    const std::string text = http_get(service.port(), "/metrics").body;
    return text.find("talon:requests_running{model=\"tiny\"} 0") != std::string::npos &&
           text.find("reason=\"cancelled\"} 1") != std::string::npos &&
           text.find("talon:kv_pages_used{model=\"tiny\"} 0") != std::string::npos;
  }));
}

TEST(ServiceTest, AFullQueueIsAnAnswer) {
  RunningService service({}, 1);
  const std::string body = completion(R"(,"max_tokens":1900,"ignore_eos":true,"stream":true)");
  std::vector<std::unique_ptr<HttpClient>> clients;
  for (int i = 0; i < 4; ++i) {  // as many as run at once
    clients.push_back(std::make_unique<HttpClient>(service.port()));
    clients.back()->send_request("POST", "/v1/completions", body);
    ASSERT_TRUE(clients.back()->read_head().has_value());
  }
  HttpClient waiting(service.port());
  waiting.send_request("POST", "/v1/completions", body);
  ASSERT_TRUE(eventually([&] {
    return http_get(service.port(), "/metrics").body.find("requests_waiting{model=\"tiny\"} 1") !=
           std::string::npos;
  }));

  HttpAnswer refused = http_post(service.port(), "/v1/completions", body);

  EXPECT_EQ(refused.status, 429);
  EXPECT_EQ(refused.headers["retry-after"], "1");
  EXPECT_THAT(refused.body, HasSubstr("queue_full"));
}

TEST(ServiceTest, ADeadlineEndsARequest) {
  RunningService service;
  const std::string body = R"(,"max_tokens":1900,"ignore_eos":true,"timeout":0.05)";

  const HttpAnswer whole = http_post(service.port(), "/v1/completions", completion(body));
  const HttpAnswer streamed = http_post(service.port(), "/v1/completions",
                                        completion(body + std::string(R"(,"stream":true)")));

  EXPECT_EQ(whole.status, 408);
  EXPECT_THAT(whole.body, HasSubstr("deadline_exceeded"));
  EXPECT_THAT(streamed.body, HasSubstr("deadline_exceeded"));
  EXPECT_THAT(streamed.body, Not(HasSubstr("[DONE]")));
  // On a slow machine it strikes before the first frame, and the answer has a status of its own.
  EXPECT_TRUE(!streamed.is_whole || streamed.status == 408);
}

TEST(ServiceTest, AnswersCanBeConstrained) {
  if (!text::GrammarCompiler::is_available()) {
    GTEST_SKIP() << "built without xgrammar";
  }
  RunningService service;

  const HttpAnswer chosen = http_post(service.port(), "/v1/completions",
                                      completion(R"(,"n":3,"guided_choice":["yes","no"])"));
  const HttpAnswer bad =
      http_post(service.port(), "/v1/completions", completion(R"(,"guided_regex":"(a")"));

  ASSERT_EQ(chosen.status, 200) << chosen.body;
  const Json body = parse_json(chosen.body).value();
  for (const Json& choice : body.at("choices")) {
    EXPECT_THAT(choice.at("text").get<std::string>(), testing::AnyOf("yes", "no"));
  }
  EXPECT_EQ(bad.status, 400);
  EXPECT_THAT(bad.body, HasSubstr("invalid_schema"));
}

TEST(ServiceTest, AnEngineThatFailsEndsEveryRequestWithTheReason) {
  std::atomic<bool> fails = false;
  std::atomic<int> num_told = 0;
  ServiceOptions options;
  options.on_failure = [&] { ++num_told; };
  RunningService service(options, 64, [&](Engine& engine) {
    engine.observe([&](const StepPlan&, const StepResult&) {
      if (fails) {
        throw Error(ErrorCode::kUnavailable, "the device is lost");
      }
    });
  });
  const std::string body = R"(,"max_tokens":1900,"ignore_eos":true)";
  HttpClient streamed(service.port());
  streamed.send_request("POST", "/v1/completions", completion(body + R"(,"stream":true)"));
  ASSERT_TRUE(streamed.read_head().has_value());
  HttpClient whole(service.port());
  whole.send_request("POST", "/v1/completions", completion(body));

  fails = true;

  std::string stream;
  for (std::string bytes = streamed.read_some(); !bytes.empty(); bytes = streamed.read_some()) {
    stream += bytes;
  }
  EXPECT_THAT(stream, HasSubstr(R"("code":"internal")"));
  EXPECT_THAT(stream, Not(HasSubstr("[DONE]")));
  const std::optional<HttpAnswer> answer = whole.read_answer();
  ASSERT_TRUE(answer.has_value());
  EXPECT_GE(answer->status, 500) << answer->body;
  const HttpAnswer health = http_get(service.port(), "/health");
  EXPECT_EQ(health.status, 503);
  EXPECT_THAT(health.body, HasSubstr("unhealthy"));
  EXPECT_EQ(http_get(service.port(), "/health/live").status, 200);
  const HttpAnswer later = http_post(service.port(), "/v1/completions", completion(""));
  EXPECT_EQ(later.status, 503);
  EXPECT_EQ((*service).failure(), "the device is lost");
  EXPECT_EQ(num_told, 1);
}

TEST(ServiceTest, DrainingFinishesStreamsAndRefusesOthers) {
  RunningService service;
  HttpClient client(service.port());
  client.send_request("POST", "/v1/completions",
                      completion(R"(,"max_tokens":300,"ignore_eos":true,"stream":true)"));
  const std::optional<HttpAnswer> head = client.read_head();
  ASSERT_TRUE(head.has_value());

  (*service).drain();

  std::string stream;
  for (std::string bytes = client.read_some(); !bytes.empty(); bytes = client.read_some()) {
    stream += bytes;
  }
  EXPECT_THAT(stream, HasSubstr("[DONE]"));
}

}  // namespace
}  // namespace talon::server
