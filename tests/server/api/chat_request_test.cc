// Bodies of /v1/chat/completions: the prompt and the settings they come to, and a table of those
// that are refused. Fields common with completions are refused in completion_request_test.cc.
//
// Covers: server/api/chat_prompt server/api/chat_setup
#include "server/api/chat_request.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "support/api_fixture.h"

namespace talon::server {
namespace {

using test::api_context;
using test::api_tokenizer;
using Start = text::ReasoningParser::Start;

constexpr const char* kTool =
    R"("tools": [{"type": "function", "function": {"name": "f", "parameters":
       {"type": "object", "properties": {"z": {"type": "integer"}, "a": {"type": "string"}}}}}])";

// A body with one user message and more members.
std::string with(const std::string& members) {
  return R"({"messages": [{"role": "user", "content": "hi"}])" +
         (members.empty() ? "" : ", " + members) + "}";
}

std::string with_messages(const std::string& messages) {
  return "{\"messages\": [" + messages + "]}";
}

ChatCall accept(const std::string& body, const ApiContext& context = api_context()) {
  auto parsed = parse_chat_request(body, context, {});
  if (const auto* error = std::get_if<ApiError>(&parsed)) {
    ADD_FAILURE() << body << ": " << error->message;
    return {};
  }
  return std::get<ChatCall>(std::move(parsed));
}

ApiError refuse(const std::string& body, const ApiContext& context = api_context()) {
  auto parsed = parse_chat_request(body, context, {});
  if (std::holds_alternative<ChatCall>(parsed)) {
    ADD_FAILURE() << body << " is taken";
    return {};
  }
  return std::get<ApiError>(std::move(parsed));
}

std::string prompt_of(const ChatCall& call) {
  return api_tokenizer().decode(call.generation.prompts.at(0), false);
}

TEST(ChatRequestTest, RendersTheMessagesWithTheModelsTemplate) {
  const ChatCall call = accept(with_messages(
      R"({"role": "system", "content": [{"type": "text", "text": "Be "},
                                        {"type": "text", "text": "kind."}]},
         {"role": "user", "content": "hi"})"));

  EXPECT_EQ(prompt_of(call), "]~!b[]~b]developer\nBe kind.[e~[\n]~b]user\nhi[e~[\n]~b]ai\n");
  EXPECT_EQ(call.generation.settings.max_tokens, 256 - std::ssize(call.generation.prompts[0]))
      << "the rest of the context";
  EXPECT_EQ(call.reasoning_start, Start::kEither);
  EXPECT_FALSE(call.tool_tokens.has_value());
}

TEST(ChatRequestTest, PromptIsAnotherNameOfMessages) {
  EXPECT_EQ(prompt_of(accept(R"({"prompt": [{"role": "user", "content": "hi"}]})")),
            prompt_of(accept(with(""))));
}

TEST(ChatRequestTest, EachWayToSwitchThinkingIsSeenInThePrompt) {
  const std::pair<const char*, Start> cases[] = {
      {R"("chat_template_kwargs": {"thinking_mode": "enabled"}, "thinking": {"type": "disabled"})",
       Start::kReasoning},
      {R"("thinking": {"type": "disabled"}, "reasoning_effort": "high")", Start::kAnswer},
      {R"("chat_template_kwargs": {"enable_thinking": true}, "reasoning_effort": "none")",
       Start::kReasoning},
      {R"("reasoning_effort": "none")", Start::kAnswer},
      {R"("reasoning_effort": "low")", Start::kEither},
      {R"("reasoning_effort": "medium")", Start::kReasoning},
      {R"("thinking": {"type": "adaptive"}, "reasoning_effort": "high")", Start::kEither},
  };
  for (const auto& [members, start] : cases) {
    EXPECT_EQ(accept(with(members)).reasoning_start, start) << members;
  }
}

TEST(ChatRequestTest, AContinuedMessageIsThePromptsEnd) {
  const ChatCall call = accept(
      R"({"messages": [{"role": "user", "content": "hi"}, {"role": "assistant", "content": "He"}],
          "continue_final_message": true})");

  EXPECT_TRUE(prompt_of(call).ends_with("]~b]ai\nHe"));
}

TEST(ChatRequestTest, ToolsAreShownInTheirOrderAndLookedFor) {
  const ChatCall call = accept(with(kTool));

  const std::string prompt = prompt_of(call);
  EXPECT_LT(prompt.find("\"z\""), prompt.find("\"a\"")) << "key order is kept";
  EXPECT_TRUE(call.tool_tokens.has_value());
  EXPECT_FALSE(call.generation.grammar.has_value()) << "auto is free";
}

TEST(ChatRequestTest, ArgumentsOfPastCallsReachTheTemplateAsAnObject) {
  const ChatCall call = accept(with_messages(
      R"({"role": "user", "content": "hi"},
         {"role": "assistant", "content": null, "tool_calls": [{"id": "c1", "type": "function",
            "function": {"name": "f", "arguments": "{\"a\": \"x\"}"}}]},
         {"role": "tool", "tool_call_id": "c1", "content": "42"})"));

  EXPECT_NE(prompt_of(call).find("<a>x]<]minimax[>[</a>"), std::string::npos);
}

TEST(ChatRequestTest, WithChoiceNoneToolsStayInThePromptAndCannotBeCalled) {
  const ChatCall call = accept(with(std::string(kTool) + R"(, "tool_choice": "none")"));

  EXPECT_NE(prompt_of(call).find("<tools>"), std::string::npos);
  EXPECT_FALSE(call.tool_tokens.has_value());
  const std::vector<TokenId>& bad = call.generation.settings.sampling.bad_token_ids;
  EXPECT_NE(std::find(bad.begin(), bad.end(), *api_tokenizer().token_id("<tool_call>")), bad.end());
}

TEST(ChatRequestTest, RequiredAndNamedChoicesForceAGrammar) {
  for (const char* choice :
       {R"("required")", R"({"type": "function", "function": {"name": "f"}})"}) {
    const ChatCall call = accept(with(std::string(kTool) + ", \"tool_choice\": " + choice));

    ASSERT_TRUE(call.generation.grammar.has_value()) << choice;
    EXPECT_EQ(call.generation.grammar->kind, text::GrammarKind::kTags);
  }
}

TEST(ChatRequestTest, AGrammarBeginsAfterTheReasoningThatThePromptOrTheModelBegins) {
  const auto before = [](const char* effort) {
    const std::string fields = fmt::format(
        R"("response_format": {{"type": "json_object"}}, "reasoning_effort": "{}")", effort);
    return accept(with(fields)).generation.reasoning_before;
  };
  ReasoningBefore expected = {.open = *api_tokenizer().token_id("<mm:think>"),
                              .close = *api_tokenizer().token_id("</mm:think>"),
                              .is_open = true};

  EXPECT_EQ(before("high"), expected);
  expected.is_open = false;
  EXPECT_EQ(before("low"), expected);
  EXPECT_EQ(before("none"), std::nullopt);
}

TEST(ChatRequestTest, StrictServersRefuseUnknownMembersAtEveryDepth) {
  ApiContext context = api_context();
  context.strict_fields = true;
  const std::vector<std::pair<const char*, const char*>> cases = {
      {R"("n": 1, "x": 1)", "x"},
      {R"("stream": true, "stream_options": {"include_usage": true, "x": 1})", "stream_options.x"},
      {R"("response_format": {"type": "text", "x": 1})", "response_format.x"},
      {R"("response_format": {"type": "json_schema", "json_schema": {"schema": {}, "x": 1}})",
       "response_format.json_schema.x"},
      {R"("structured_outputs": {"regex": "a", "x": 1})", "structured_outputs.x"},
      {R"("thinking": {"type": "enabled", "x": 1})", "thinking.x"},
      {R"("tools": [{"type": "function", "function": {"name": "f"}, "x": 1}])", "tools[0].x"},
      {R"("tools": [{"type": "function", "function": {"name": "f", "x": 1}}])",
       "tools[0].function.x"},
      {R"("tools": [{"type": "function", "function": {"name": "f"}}],
          "tool_choice": {"type": "function", "function": {"name": "f"}, "x": 1})",
       "tool_choice.x"},
      {R"("messages": [{"role": "user", "content": "a", "x": 1}])", "messages[0].x"},
      {R"("messages": [{"role": "user", "content": [{"type": "text", "text": "a", "x": 1}]}])",
       "messages[0].content[0].x"},
      {R"("messages": [{"role": "assistant", "tool_calls": [{"id": "1", "x": 1, "function":
          {"name": "f", "arguments": "{}"}}]}])",
       "messages[0].tool_calls[0].x"},
      {R"("messages": [{"role": "assistant", "tool_calls": [{"id": "1", "function":
          {"name": "f", "arguments": "{}", "x": 1}}]}])",
       "messages[0].tool_calls[0].function.x"},
  };
  for (const auto& [fields, path] : cases) {
    const bool has_messages = std::string_view(fields).starts_with("\"messages");
    const std::string body = has_messages ? fmt::format("{{{}}}", fields) : with(fields);

    const auto parsed = parse_chat_request(body, context, {});

    ASSERT_TRUE(std::holds_alternative<ApiError>(parsed)) << body;
    EXPECT_EQ(std::get<ApiError>(parsed).param, path) << body;
    EXPECT_EQ(std::get<ApiError>(parsed).code, "unsupported_parameter") << body;
  }
}

// What the server and the openai package themselves write must stay legal.
TEST(ChatRequestTest, StrictServersTakeWhatClientsSendBack) {
  ApiContext context = api_context();
  context.strict_fields = true;

  const auto parsed = parse_chat_request(
      R"({"messages": [
        {"role": "user", "content": "a"},
        {"role": "assistant", "content": null, "refusal": null, "audio": null,
         "function_call": null, "reasoning_content": "hm", "tool_calls": [{"index": 0, "id": "1",
         "type": "function", "function": {"name": "f", "arguments": "{}"}}]},
        {"role": "tool", "tool_call_id": "1", "content": "2"}],
       "chat_template_kwargs": {"anything": 1}, "verbosity": "low",
       "prediction": {"type": "content", "content": "a"}, "web_search_options": {},
       "tools": [{"type": "function", "function": {"name": "f", "description": "d",
         "parameters": {"type": "object", "x-note": 1}}}]})",
      context, {});

  EXPECT_TRUE(std::holds_alternative<ChatCall>(parsed)) << std::get<ApiError>(parsed).message;
}

TEST(ChatRequestTest, LogprobsCountTheLikeliest) {
  EXPECT_EQ(accept(with(R"("logprobs": true)")).generation.settings.num_logprobs, 0);
  EXPECT_EQ(
      accept(with(R"("logprobs": true, "top_logprobs": 20)")).generation.settings.num_logprobs, 20);
  EXPECT_EQ(accept(with("")).generation.settings.num_logprobs, -1);
}

TEST(ChatRequestTest, AModelWithoutATemplateCannotChat) {
  ApiContext context = api_context();
  context.chat_template = nullptr;

  EXPECT_EQ(refuse(with(""), context).code, "unsupported_parameter");
}

TEST(ChatRequestTest, WithoutGrammarsNothingCanBeForced) {
  ApiContext context = api_context();
  context.has_grammars = false;

  const ApiError error =
      refuse(with(std::string(kTool) + R"(, "tool_choice": "required")"), context);

  EXPECT_EQ(error.code, "unsupported_parameter");
  EXPECT_EQ(error.param, "tool_choice");
}

struct BadCase {
  std::string body;
  std::string code;
  std::string param;
};

class BadChatTest : public testing::TestWithParam<BadCase> {};

TEST_P(BadChatTest, IsRefusedWithItsField) {
  const ApiError error = refuse(GetParam().body);

  EXPECT_EQ(error.status, 400);
  EXPECT_EQ(error.code, GetParam().code) << error.message;
  EXPECT_EQ(error.param, GetParam().param) << error.message;
}

constexpr const char* kUser = R"({"role": "user", "content": "hi"})";

// An assistant's turn with one call.
std::string call(const std::string& id, const std::string& arguments) {
  return std::string(kUser) + R"(, {"role": "assistant", "tool_calls": [{"id": ")" + id +
         R"(", "type": "function", "function": {"name": "f", "arguments": )" + arguments + "}}]}";
}

std::string tool(const std::string& function) {
  return with(R"("tools": [{"type": "function", "function": )" + function + "}]");
}

const BadCase kBadMessages[] = {
    {"{}", "missing_field", "messages"},
    {"{\"messages\": []}", "invalid_value", "messages"},
    {"{\"messages\": \"hi\"}", "invalid_type", "messages"},
    {with_messages("5"), "invalid_type", "messages[0]"},
    {with_messages("{}"), "missing_field", "messages[0].role"},
    {with_messages(R"({"role": "bot", "content": "x"})"), "invalid_value", "messages[0].role"},
    {with_messages(R"({"role": 5, "content": "x"})"), "invalid_type", "messages[0].role"},
    {with_messages(R"({"role": "user"})"), "missing_field", "messages[0].content"},
    {with_messages(R"({"role": "user", "content": null})"), "missing_field", "messages[0].content"},
    {with_messages(R"({"role": "user", "content": {"a": 1}})"), "invalid_type",
     "messages[0].content"},
    {with_messages(R"({"role": "user", "content": ["x"]})"), "invalid_type",
     "messages[0].content[0]"},
    {with_messages(R"({"role": "user", "content": [{"text": "x"}]})"), "missing_field",
     "messages[0].content[0].type"},
    {with_messages(R"({"role": "user", "content": [{"type": "text"}]})"), "missing_field",
     "messages[0].content[0].text"},
    {with_messages(R"({"role": "user", "content": [{"type": "image_url",
                       "image_url": {"url": "http://x/y.png"}}]})"),
     "unsupported_parameter", "messages[0].content[0].type"},
    {with_messages(R"({"role": "user", "content": [{"type": "input_audio"}]})"),
     "unsupported_parameter", "messages[0].content[0].type"},
    {with_messages(R"({"role": "user", "content": [{"type": "poem"}]})"), "invalid_value",
     "messages[0].content[0].type"},
    {with_messages(std::string(kUser) + R"(, {"role": "root", "content": "x"})"),
     "invalid_messages", "messages[1].role"},
    {with_messages(R"({"role": "assistant"})"), "missing_field", "messages[0].content"},
    {with_messages(call("c", "5")), "invalid_type", "messages[1].tool_calls[0].function.arguments"},
    {with_messages(call("c", "\"{\"")), "invalid_value",
     "messages[1].tool_calls[0].function.arguments"},
    {with_messages(call("c", "\"[]\"")), "invalid_value",
     "messages[1].tool_calls[0].function.arguments"},
    {with_messages(call("", "\"{}\"")), "missing_field", "messages[1].tool_calls[0].id"},
    {with_messages(call("c", "\"{}\"")), "invalid_messages", "messages"},
    {with_messages(call("c", "\"{}\"") + ", " + kUser), "invalid_messages", "messages[2]"},
    {with_messages(call("c", "\"{}\"") + R"(, {"role": "tool", "content": "x"})"), "missing_field",
     "messages[2].tool_call_id"},
    {with_messages(call("c", "\"{}\"") +
                   R"(, {"role": "tool", "tool_call_id": "d", "content": "x"})"),
     "invalid_messages", "messages[2].tool_call_id"},
    {with_messages(call("c", "\"{}\"") +
                   R"(, {"role": "tool", "tool_call_id": "c", "content": {"a": 1}})"),
     "invalid_type", "messages[2].content"},
    {with_messages(std::string(kUser) +
                   R"(, {"role": "assistant", "content": "x", "function_call": {}})"),
     "unsupported_parameter", "messages[1].function_call"},
    {with_messages(R"({"role": "user", "content": ")" + std::string(2000, '7') + "\"}"),
     "context_length_exceeded", "messages"},
};

const BadCase kBadTools[] = {
    {with(R"("tools": {})"), "invalid_type", "tools"},
    {with(R"("tools": [5])"), "invalid_type", "tools[0]"},
    {with(R"("tools": [{"type": "web_search"}])"), "invalid_value", "tools[0].type"},
    {with(R"("tools": [{"type": "function"}])"), "missing_field", "tools[0].function"},
    {tool("{}"), "missing_field", "tools[0].function.name"},
    {tool(R"({"name": ""})"), "invalid_value", "tools[0].function.name"},
    {tool(R"({"name": "a b"})"), "invalid_value", "tools[0].function.name"},
    {tool(R"({"name": ")" + std::string(65, 'x') + "\"}"), "invalid_value",
     "tools[0].function.name"},
    {tool(R"({"name": "f", "parameters": []})"), "invalid_type", "tools[0].function.parameters"},
    {tool(R"({"name": "f", "strict": 1})"), "invalid_type", "tools[0].function.strict"},
    {with(R"("functions": [])"), "unsupported_parameter", "functions"},
    {with(R"("function_call": "auto")"), "unsupported_parameter", "function_call"},
    {with(R"("tool_choice": "required")"), "invalid_value", "tool_choice"},
    {with(R"("tool_choice": "any")"), "invalid_value", "tool_choice"},
    {with(R"("tool_choice": 5)"), "invalid_type", "tool_choice"},
    {with(R"("tool_choice": {"type": "function", "function": {"name": "g"}})"), "invalid_value",
     "tool_choice.function.name"},
    {with(std::string(kTool) + R"(, "response_format": {"type": "json_object"})"),
     "unsupported_parameter", "tool_choice"},
    {with(std::string(kTool) + R"(, "parallel_tool_calls": "no")"), "invalid_type",
     "parallel_tool_calls"},
};

const BadCase kBadSwitches[] = {
    {with(R"("logprobs": 5)"), "invalid_type", "logprobs"},
    {with(R"("top_logprobs": 5)"), "invalid_value", "top_logprobs"},
    {with(R"("logprobs": true, "top_logprobs": 21)"), "invalid_value", "top_logprobs"},
    {with(R"("max_tokens": 0)"), "invalid_value", "max_tokens"},
    {with(R"("reasoning_effort": "max")"), "invalid_value", "reasoning_effort"},
    {with(R"("thinking": {"type": "on"})"), "invalid_value", "thinking.type"},
    {with(R"("thinking": "on")"), "invalid_type", "thinking"},
    {with(R"("chat_template_kwargs": [])"), "invalid_type", "chat_template_kwargs"},
    {with(R"("chat_template_kwargs": {"thinking_mode": "x"})"), "invalid_value",
     "chat_template_kwargs.thinking_mode"},
    {with(R"("chat_template_kwargs": {"enable_thinking": "x"})"), "invalid_type",
     "chat_template_kwargs.enable_thinking"},
    {with(R"("chat_template": "x")"), "unsupported_parameter", "chat_template"},
    {with(R"("continue_final_message": true, "add_generation_prompt": true)"), "invalid_value",
     "continue_final_message"},
    {with(R"("reasoning_split": "no")"), "invalid_type", "reasoning_split"},
};

INSTANTIATE_TEST_SUITE_P(Messages, BadChatTest, testing::ValuesIn(kBadMessages));
INSTANTIATE_TEST_SUITE_P(Tools, BadChatTest, testing::ValuesIn(kBadTools));
INSTANTIATE_TEST_SUITE_P(Switches, BadChatTest, testing::ValuesIn(kBadSwitches));

}  // namespace
}  // namespace talon::server
