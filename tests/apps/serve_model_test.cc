// How `talon serve` ends, on the embedded pair: an engine that fails under live requests.
#include "apps/talon/serve_model.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <future>
#include <optional>
#include <string>

#include "apps/talon/arguments.h"
#include "base/error.h"
#include "support/http_client.h"
#include "support/running_service.h"

namespace talon {
namespace {

using test::HttpAnswer;
using test::HttpClient;
using testing::HasSubstr;
using testing::Not;

struct End {
  int exit_code = 0;
  std::string message{};
};

End serve_to_the_end(LocalModel& model, std::promise<uint16_t>& port) {
  server::ApiContext context;
  context.model_names = {"tiny"};
  context.tokenizer = model.tokenizer.get();
  context.vocab_size = model.engine->runner().model().limits().vocab_size;
  context.context_limit = model.engine->context_limit();
  server::ServiceOptions options;
  options.access_log = false;
  server::HttpServerOptions http;
  http.host = "127.0.0.1";
  http.port = 0;
  try {
    serve_model(model, context, options, http, [&](uint16_t taken) { port.set_value(taken); });
  } catch (const Error& error) {
    return {.exit_code = exit_code_of(error.code()), .message = error.what()};
  }
  return {};
}

std::string rest_of(HttpClient& client) {
  std::string rest;
  for (std::string bytes = client.read_some(); !bytes.empty(); bytes = client.read_some()) {
    rest += bytes;
  }
  return rest;
}

TEST(ServeModelTest, AnEngineThatFailsIsToldToAllAndEndsTheProcessWithOne) {
  LocalModel model = test::open_embedded_pair();
  std::atomic<bool> fails = false;
  model.engine->observe([&](const StepPlan&, const StepResult&) {
    if (fails) {
      throw Error(ErrorCode::kUnavailable, "the device is lost");
    }
  });
  std::promise<uint16_t> listening;
  std::future<End> end =
      std::async(std::launch::async, [&] { return serve_to_the_end(model, listening); });
  const uint16_t port = listening.get_future().get();
  const std::string body = R"({"prompt":"a","max_tokens":1900,"ignore_eos":true)";
  HttpClient streamed(port);
  streamed.send_request("POST", "/v1/completions", body + R"(,"stream":true})");
  ASSERT_TRUE(streamed.read_head().has_value());
  HttpClient whole(port);
  whole.send_request("POST", "/v1/completions", body + "}");

  fails = true;

  const std::string stream = rest_of(streamed);
  EXPECT_THAT(stream, HasSubstr(R"("code":"internal")"));
  EXPECT_THAT(stream, Not(HasSubstr("[DONE]")));
  const std::optional<HttpAnswer> answer = whole.read_answer();
  ASSERT_TRUE(answer.has_value());
  EXPECT_GE(answer->status, 500) << answer->body;
  const End told = end.get();
  EXPECT_EQ(told.exit_code, 1);
  EXPECT_EQ(told.message, "the engine failed: the device is lost");
}

TEST(ServeModelTest, AWrongFlagEndsTheProcessWithTwo) {
  EXPECT_EQ(exit_code_of(ErrorCode::kInvalidArgument), 2);
  EXPECT_EQ(exit_code_of(ErrorCode::kCorruptFile), 1);
}

}  // namespace
}  // namespace talon
