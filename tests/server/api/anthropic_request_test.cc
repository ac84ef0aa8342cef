// Anthropic's bodies come to the same calls as chat requests, with the same checks.
#include "server/api/anthropic_request.h"

#include <gtest/gtest.h>

#include <string>
#include <variant>

#include "base/json.h"
#include "support/api_fixture.h"

namespace talon::server {
namespace {

using test::api_context;

ChatCall accept(const std::string& body) {
  auto parsed = parse_anthropic_request(body, api_context(), {});
  if (const auto* error = std::get_if<ApiError>(&parsed)) {
    ADD_FAILURE() << error->message;
    return {};
  }
  return std::get<ChatCall>(std::move(parsed));
}

TEST(AnthropicRequestTest, IsTheChatRequestOfTheSameMeaning) {
  const ChatCall call =
      accept(R"({"max_tokens": 9, "system": [{"type": "text", "text": "Be kind."}],
      "stop_sequences": ["x"], "thinking": {"type": "enabled", "budget_tokens": 1024},
      "messages": [{"role": "user", "content": "hi"},
        {"role": "assistant", "content": [{"type": "thinking", "thinking": "w", "signature": "s"},
           {"type": "text", "text": "a"},
           {"type": "tool_use", "id": "t", "name": "f", "input": {"k": 1}}]},
        {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "t", "content": "4"},
           {"type": "text", "text": "go"}]}],
      "tools": [{"name": "f", "input_schema": {"type": "object"}}],
      "tool_choice": {"type": "auto", "disable_parallel_tool_use": true}})");
  const auto chat = parse_chat_request(
      R"({"max_tokens": 9, "stop": "x", "thinking": {"type": "enabled"},
      "messages": [{"role": "system", "content": "Be kind."}, {"role": "user", "content": "hi"},
        {"role": "assistant", "content": "a", "reasoning_content": "w", "tool_calls": [{"id": "t",
           "type": "function", "function": {"name": "f", "arguments": "{\"k\": 1}"}}]},
        {"role": "tool", "tool_call_id": "t", "content": "4"}, {"role": "user", "content": "go"}],
      "tools": [{"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}],
      "parallel_tool_calls": false})",
      api_context(), {});

  const auto& expected = std::get<ChatCall>(chat);
  EXPECT_EQ(call.generation.prompts, expected.generation.prompts);
  EXPECT_EQ(call.generation.settings.max_tokens, 9);
  EXPECT_EQ(call.generation.output.stop, expected.generation.output.stop);
  EXPECT_EQ(call.reasoning_start, expected.reasoning_start);
  EXPECT_TRUE(call.stops_after_call);
}

TEST(AnthropicRequestTest, StrictServersRefuseUnknownMembersAtEveryDepth) {
  ApiContext context = api_context();
  context.strict_fields = true;
  const auto refused = [&](const std::string& members) {
    const auto parsed =
        parse_anthropic_request(R"({"max_tokens": 9, )" + members + "}", context, {});
    const auto* error = std::get_if<ApiError>(&parsed);
    return error == nullptr ? "nothing" : error->param;
  };
  const std::string hello = R"("messages": [{"role": "user", "content": "a"}], )";

  EXPECT_EQ(refused(hello + R"("x": 1)"), "x");
  EXPECT_EQ(refused(hello + R"("thinking": {"type": "enabled", "x": 1})"), "thinking.x");
  EXPECT_EQ(refused(hello + R"("tools": [{"name": "f", "x": 1}])"), "tools[0].x");
  EXPECT_EQ(refused(hello + R"("tool_choice": {"type": "auto", "x": 1})"), "tool_choice.x");
  EXPECT_EQ(refused(R"("messages": [{"role": "user", "content": "a", "x": 1}])"), "messages[0].x");
  EXPECT_EQ(refused(R"("messages": [{"role": "user",
      "content": [{"type": "text", "text": "a", "x": 1}]}])"),
            "messages[0].content[0].x");
  EXPECT_EQ(refused(R"("metadata": {}, "messages": [{"role": "user", "content":
      [{"type": "text", "text": "a", "cache_control": {}}]}])"),
            "nothing");
}

struct BadCase {
  std::string body;
  std::string code;
};

TEST(AnthropicRequestTest, RefusesBadBodies) {
  const std::string messages = R"("messages": [{"role": "user", "content": "hi"}])";
  const BadCase cases[] = {
      {"[]", "invalid_json"},
      {"{" + messages + "}", "missing_field"},
      {R"({"max_tokens": 5})", "missing_field"},
      {R"({"max_tokens": 0, )" + messages + "}", "invalid_value"},
      {R"({"max_tokens": 5, "model": "x", )" + messages + "}", "model_not_found"},
      {R"({"max_tokens": 5, "messages": [{"role": "system", "content": "x"}]})", "invalid_value"},
      {R"({"max_tokens": 5, "messages": [{"role": "user", "content": [{"type": "image"}]}]})",
       "unsupported_parameter"},
      {R"({"max_tokens": 5, "messages": [{"role": "user", "content": 5}]})", "invalid_type"},
      {R"({"max_tokens": 5, "tool_choice": {"type": "some"}, )" + messages + "}", "invalid_value"},
      {R"({"max_tokens": 5, "tools": [{"type": "bash_1", "name": "b"}], )" + messages + "}",
       "unsupported_parameter"},
  };
  for (const BadCase& one : cases) {
    const auto parsed = parse_anthropic_request(one.body, api_context(), {});
    ASSERT_TRUE(std::holds_alternative<ApiError>(parsed)) << one.body;
    EXPECT_EQ(std::get<ApiError>(parsed).code, one.code) << std::get<ApiError>(parsed).message;
  }
}

TEST(AnthropicRequestTest, CountsTokensOfPromptsThatDoNotFit) {
  const std::string text(1000, '7');
  const auto answer = answer_count_tokens(
      R"({"messages": [{"role": "user", "content": ")" + text + "\"}]}", api_context(), {});

  ASSERT_TRUE(std::holds_alternative<std::string>(answer));
  EXPECT_GT(parse_json(std::get<std::string>(answer)).value().at("input_tokens"), 256);
}

TEST(AnthropicRequestTest, ErrorsHaveAnthropicsShape) {
  EXPECT_EQ(anthropic_error_body({.status = 503, .message = "m"}, "r"),
            R"({"type":"error","error":{"type":"overloaded_error","message":"m"},)"
            R"("request_id":"r"})");
}

}  // namespace
}  // namespace talon::server
