// Bodies of /v1/responses come to the same calls as chat requests, with the same checks.
#include "server/api/responses_request.h"

#include <gtest/gtest.h>

#include <string>
#include <variant>

#include "support/api_fixture.h"

namespace talon::server {
namespace {

using test::api_context;

TEST(ResponsesRequestTest, IsTheChatRequestOfTheSameMeaning) {
  const auto parsed = parse_responses_request(
      R"({"instructions": "Be kind.", "max_output_tokens": 9, "reasoning": {"effort": "high"},
      "store": false, "input": [
        {"role": "user", "content": [{"type": "input_text", "text": "hi"}]},
        {"type": "reasoning", "summary": []},
        {"type": "message", "role": "assistant",
         "content": [{"type": "output_text", "text": "a"}]},
        {"type": "function_call", "call_id": "t", "name": "f", "arguments": "{}"},
        {"type": "function_call_output", "call_id": "t", "output": "4"}],
      "tools": [{"type": "function", "name": "f", "parameters": {"type": "object"}}]})",
      api_context(), {});
  const auto chat = parse_chat_request(
      R"({"reasoning_effort": "high", "messages": [{"role": "system", "content": "Be kind."},
        {"role": "user", "content": "hi"},
        {"role": "assistant", "content": "a", "tool_calls": [{"id": "t",
           "type": "function", "function": {"name": "f", "arguments": "{}"}}]},
        {"role": "tool", "tool_call_id": "t", "content": "4"}],
      "tools": [{"type": "function", "function": {"name": "f",
                 "parameters": {"type": "object"}}}]})",
      api_context(), {});

  ASSERT_TRUE(std::holds_alternative<ChatCall>(parsed)) << std::get<ApiError>(parsed).message;
  const auto& call = std::get<ChatCall>(parsed);
  EXPECT_EQ(call.generation.prompts, std::get<ChatCall>(chat).generation.prompts);
  EXPECT_EQ(call.generation.settings.max_tokens, 9);
}

TEST(ResponsesRequestTest, StrictServersRefuseUnknownMembersAtEveryDepth) {
  ApiContext context = api_context();
  context.strict_fields = true;
  const auto refused = [&](const char* body) {
    const auto parsed = parse_responses_request(body, context, {});
    const auto* error = std::get_if<ApiError>(&parsed);
    return error == nullptr ? "nothing" : error->param;
  };

  EXPECT_EQ(refused(R"({"input": "a", "x": 1})"), "x");
  EXPECT_EQ(refused(R"({"input": "a", "reasoning": {"x": 1}})"), "reasoning.x");
  EXPECT_EQ(refused(R"({"input": "a", "text": {"x": 1}})"), "text.x");
  EXPECT_EQ(refused(R"({"input": [{"role": "user", "content": "a", "x": 1}]})"), "input[0].x");
  EXPECT_EQ(refused(R"({"metadata": {}, "input": [{"id": "1", "status": "completed",
      "role": "user", "content": [{"type": "input_text", "text": "a", "annotations": []}]}]})"),
            "nothing");
}

TEST(ResponsesRequestTest, AFormatBecomesAGrammar) {
  const auto parsed = parse_responses_request(
      R"({"input": "hi", "text": {"format": {"type": "json_schema", "name": "n",
          "schema": {"type": "object"}}}})",
      api_context(), {});

  ASSERT_TRUE(std::holds_alternative<ChatCall>(parsed));
  EXPECT_EQ(std::get<ChatCall>(parsed).generation.grammar->text, R"({"type":"object"})");
}

struct BadCase {
  std::string body;
  std::string code;
  std::string param;
};

TEST(ResponsesRequestTest, RefusesBadBodies) {
  const BadCase cases[] = {
      {"{}", "missing_field", "input"},
      {R"({"input": 5})", "invalid_type", "input"},
      {R"({"input": [5]})", "invalid_type", "input[0]"},
      {R"({"input": "hi", "store": true})", "unsupported_parameter", "store"},
      {R"({"input": "hi", "background": true})", "unsupported_parameter", "background"},
      {R"({"input": "hi", "previous_response_id": "r"})", "unsupported_parameter",
       "previous_response_id"},
      {R"({"input": [{"type": "item_reference"}]})", "unsupported_parameter", "input[0].type"},
      {R"({"input": [{"role": "user"}]})", "missing_field", "input[0].content"},
      {R"({"input": [{"role": "user", "content": [{"type": "input_image"}]}]})",
       "unsupported_parameter", "messages[0].content[0].type"},
      {R"({"input": "hi", "tools": [{"type": "web_search"}]})", "unsupported_parameter",
       "tools[0]"},
      {R"({"input": "hi", "max_output_tokens": 0})", "invalid_value", "max_completion_tokens"},
  };
  for (const BadCase& one : cases) {
    const auto parsed = parse_responses_request(one.body, api_context(), {});
    ASSERT_TRUE(std::holds_alternative<ApiError>(parsed)) << one.body;
    EXPECT_EQ(std::get<ApiError>(parsed).code, one.code) << std::get<ApiError>(parsed).message;
    EXPECT_EQ(std::get<ApiError>(parsed).param, one.param) << one.body;
  }
}

}  // namespace
}  // namespace talon::server
