// Each route over a socket: who may ask, what comes back, and what another path or method gets.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "base/json.h"
#include "support/http_client.h"
#include "support/running_service.h"

namespace talon::server {
namespace {

using test::http_get;
using test::http_post;
using test::HttpAnswer;
using test::RunningService;
using testing::HasSubstr;

Json json_of(const HttpAnswer& answer) {
  EXPECT_EQ(answer.status, 200) << answer.body;
  return parse_json(answer.body).value();
}

TEST(ServiceRoutesTest, KeysGuardAllButHealthAndThePage) {
  ServiceOptions options;
  options.api_keys = {"secret"};
  RunningService service(options);
  const uint16_t port = service.port();

  for (const char* path : {"/health", "/health/live", "/ready", "/", "/page/app.js"}) {
    EXPECT_EQ(http_get(port, path).status, 200) << path;
  }
  for (const char* path : {"/metrics", "/debug/mtp_stats", "/server_info", "/no/such/path"}) {
    EXPECT_EQ(http_get(port, path).status, 401) << path;
    EXPECT_NE(http_get(port, path, "Authorization: Bearer secret\r\n").status, 401) << path;
  }
  const HttpAnswer refused = http_post(port, "/v1/completions", R"({"prompt":"a"})");
  EXPECT_EQ(refused.status, 401);
  EXPECT_THAT(refused.body, HasSubstr("invalid_api_key"));
}

TEST(ServiceRoutesTest, PathsAndMethodsThatAreNotThere) {
  RunningService service;

  const HttpAnswer path = http_get(service.port(), "/v2/completions");
  const HttpAnswer method = http_get(service.port(), "/v1/completions");

  EXPECT_EQ(path.status, 404);
  EXPECT_THAT(path.body, HasSubstr("not_found"));
  EXPECT_EQ(method.status, 405);
  EXPECT_EQ(method.headers.at("allow"), "POST");
}

TEST(ServiceRoutesTest, EachKindOfAnswerHasItsShape) {
  RunningService service;
  const uint16_t port = service.port();
  const std::string messages = R"("messages":[{"role":"user","content":"Hello, how are you?"}])";

  const Json chat = json_of(http_post(port, "/v1/chat/completions", "{" + messages + "}"));
  EXPECT_EQ(chat.at("object"), "chat.completion");
  EXPECT_FALSE(chat.at("choices").at(0).at("message").at("content").get<std::string>().empty());

  const Json message = json_of(
      http_post(port, "/v1/messages", R"({"model":"tiny","max_tokens":50,)" + messages + "}"));
  EXPECT_EQ(message.at("type"), "message");
  EXPECT_EQ(message.at("content").at(0).at("type"), "text");

  const Json response = json_of(
      http_post(port, "/v1/responses", R"({"model":"tiny","input":"Hello, how are you?"})"));
  EXPECT_EQ(response.at("object"), "response");
  EXPECT_EQ(response.at("status"), "completed");
}

TEST(ServiceRoutesTest, StreamsOfEachKindEnd) {
  RunningService service;
  const uint16_t port = service.port();
  const std::string messages =
      R"("stream":true,"messages":[{"role":"user","content":"Hello, how are you?"}])";

  EXPECT_THAT(http_post(port, "/v1/chat/completions", "{" + messages + "}").body,
              testing::EndsWith("data: [DONE]\n\n"));
  EXPECT_THAT(
      http_post(port, "/v1/messages", R"({"model":"tiny","max_tokens":50,)" + messages + "}").body,
      HasSubstr("event: message_stop"));
  EXPECT_THAT(http_post(port, "/v1/responses",
                        R"({"model":"tiny","stream":true,"input":"Hello, how are you?"})")
                  .body,
              HasSubstr("response.completed"));
}

TEST(ServiceRoutesTest, ErrorsHaveTheShapeOfTheirRoute) {
  RunningService service;

  const HttpAnswer openai = http_post(service.port(), "/v1/chat/completions", "{");
  const HttpAnswer anthropic = http_post(service.port(), "/v1/messages", "{");

  EXPECT_EQ(openai.status, 400);
  EXPECT_THAT(openai.body, HasSubstr("invalid_json"));
  EXPECT_EQ(anthropic.status, 400);
  EXPECT_THAT(anthropic.body,
              HasSubstr(R"({"type":"error","error":{"type":"invalid_request_error")"));
  EXPECT_THAT(anthropic.body, HasSubstr(anthropic.headers.at("x-request-id")));
}

TEST(ServiceRoutesTest, TellsOfModelsAndTokens) {
  RunningService service;
  const uint16_t port = service.port();

  EXPECT_EQ(json_of(http_get(port, "/v1/models")).at("data").at(0).at("id"), "tiny");
  EXPECT_EQ(json_of(http_get(port, "/v1/models/tiny")).at("max_model_len"), 2048);
  EXPECT_EQ(http_get(port, "/v1/models/none").status, 404);
  const Json tokens = json_of(http_post(port, "/tokenize", R"({"prompt":"Hello there"})"));
  const Json text =
      json_of(http_post(port, "/v1/detokenize", Json{{"tokens", tokens.at("tokens")}}.dump()));
  EXPECT_EQ(text.at("prompt"), "Hello there");
  EXPECT_EQ(json_of(http_post(port, "/v1/messages/count_tokens",
                              R"({"model":"tiny","messages":[{"role":"user","content":"a"}]})"))
                .size(),
            1U);
}

TEST(ServiceRoutesTest, OperatorsFlushAbortAndDrain) {
  ServiceOptions options;
  options.api_keys = {"secret"};
  RunningService service(options);
  const auto post = [&](const char* path, const char* body) {
    return http_post(service.port(), path, body, "x-api-key: secret\r\n");
  };

  EXPECT_EQ(json_of(post("/flush_cache", "")).at("flushed"), true);
  EXPECT_EQ(json_of(post("/admin/abort", R"({"request_id":"none"})")).at("aborted"), false);
  EXPECT_EQ(post("/admin/abort", "[]").status, 400);
  EXPECT_EQ(http_post(service.port(), "/admin/drain", "").status, 401);
  EXPECT_EQ(post("/admin/drain", "").status, 200);
}

TEST(ServiceRoutesTest, WithoutKeysThereAreNoOperators) {
  RunningService service;

  for (const char* path : {"/flush_cache", "/admin/abort", "/admin/drain"}) {
    EXPECT_EQ(http_post(service.port(), path, "{}").status, 404) << path;
  }
}

}  // namespace
}  // namespace talon::server
