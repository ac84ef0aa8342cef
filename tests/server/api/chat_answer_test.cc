// Chat answers from given tokens, which the small model would never say: reasoning and tool calls,
// cut into pieces at every place. What a client puts together must be the same however it was cut,
// and the same streamed and not.
//
// Covers: server/api/chat_choice
#include "server/api/chat_answer.h"

#include <gtest/gtest.h>

#include <memory>
#include <span>
#include <string>
#include <variant>
#include <vector>

#include "base/json.h"
#include "support/api_fixture.h"
#include "support/sse_reader.h"

namespace talon::server {
namespace {

using test::api_context;
using test::api_tokenizer;
using test::output_tokens;

constexpr const char* kTools =
    R"("tools": [{"type": "function", "function": {"name": "f", "parameters":
       {"type": "object", "properties": {"city": {"type": "string"},
                                         "days": {"type": "integer"}}}}}])";

constexpr const char* kAnswer =
    "<mm:think>a caf\u00e9?</mm:think>Let me see. ]<]minimax[>[<tool_call>\n"
    "]<]minimax[>[<invoke name=\"f\">]<]minimax[>[<city>Paris]<]minimax[>[</city>"
    "]<]minimax[>[<days>3]<]minimax[>[</days>]<]minimax[>[</invoke>\n"
    "]<]minimax[>[<invoke name=\"g\">]<]minimax[>[</invoke>\n]<]minimax[>[</tool_call>";

ChatCall call_of(const std::string& members) {
  const std::string body = R"({"messages": [{"role": "user", "content": "hi"}])" +
                           (members.empty() ? "" : ", " + members) + "}";
  auto parsed = parse_chat_request(body, api_context(), {});
  if (const auto* error = std::get_if<ApiError>(&parsed)) {
    ADD_FAILURE() << error->message;
    return {};
  }
  return std::get<ChatCall>(std::move(parsed));
}

AnswerHead head() { return {.id = "chatcmpl-1", .created = 1234}; }

Json body_of(const ChatCall& call, const std::string& text, FinishReason reason) {
  ChatAnswer answer(api_tokenizer(), call, head());
  const std::vector<OutputToken> tokens = output_tokens(text);
  answer.push(0, {.tokens = tokens});
  answer.finish(0, {.reason = reason});
  return parse_json(answer.body({})).value();
}

// What a client makes of a stream: the message of choice 0, with the ids of calls left out.
Json message_of(std::string_view stream) {
  Json message = {{"content", ""}, {"reasoning", ""}, {"calls", Json::array()}};
  bool has_role = false;
  for (const Json& frame : test::read_frames(stream)) {
    EXPECT_EQ(frame.at("object"), "chat.completion.chunk");
    const Json& choice = frame.at("choices").at(0);
    const Json& delta = choice.at("delta");
    EXPECT_EQ(delta.contains("role"), !has_role) << "the role is the first frame, once";
    has_role = true;
    EXPECT_FALSE(delta.contains("content") && delta.contains("reasoning_content"));
    message["content"] = message["content"].get<std::string>() + delta.value("content", "");
    message["reasoning"] =
        message["reasoning"].get<std::string>() + delta.value("reasoning_content", "");
    for (const Json& call : delta.value("tool_calls", Json::array())) {
      if (call.contains("id")) {
        EXPECT_EQ(call.at("index"), message["calls"].size());
        message["calls"].push_back({{"name", call.at("function").at("name")}, {"arguments", ""}});
      }
      Json& last = message["calls"].at(call.at("index").get<size_t>());
      last["arguments"] = last["arguments"].get<std::string>() +
                          call.at("function").at("arguments").get<std::string>();
    }
    message["reason"] = choice.at("finish_reason");
  }
  return message;
}

// The stream of an answer whose tokens come in two pieces.
std::string stream_of(const ChatCall& call, std::span<const OutputToken> tokens, size_t cut) {
  ChatAnswer answer(api_tokenizer(), call, head());
  answer.push(0, {.tokens = tokens.first(cut)});
  std::string out = answer.take_frames(false);
  answer.push(0, {.tokens = tokens.subspan(cut)});
  answer.finish(0, {.reason = FinishReason::kStop});
  return out + answer.take_frames(false);
}

TEST(ChatAnswerTest, ABodyHasReasoningContentAndTypedCalls) {
  const Json body = body_of(call_of(kTools), kAnswer, FinishReason::kStop);

  const Json& choice = body.at("choices").at(0);
  const Json& message = choice.at("message");
  EXPECT_EQ(message.at("reasoning_content"), "a caf\u00e9?");
  EXPECT_EQ(message.at("content"), "Let me see. ");
  ASSERT_EQ(message.at("tool_calls").size(), 2U);
  const Json& first = message.at("tool_calls")[0];
  EXPECT_EQ(first.at("function").at("name"), "f");
  EXPECT_EQ(parse_json(first.at("function").at("arguments").get<std::string>()).value(),
            Json({{"city", "Paris"}, {"days", 3}}));
  EXPECT_EQ(first.at("id").get<std::string>().size(), 5U + 24U);
  EXPECT_NE(first.at("id"), message.at("tool_calls")[1].at("id"));
  EXPECT_EQ(choice.at("finish_reason"), "tool_calls");
  EXPECT_GT(body.at("usage").at("completion_tokens_details").at("reasoning_tokens"), 0);
}

TEST(ChatAnswerTest, AStreamCutAtAnyPlaceIsTheBody) {
  const ChatCall call = call_of(std::string(kTools) + R"(, "stream": true)");
  const std::vector<OutputToken> tokens = output_tokens(kAnswer);
  const Json whole = message_of(stream_of(call, tokens, tokens.size()));
  EXPECT_EQ(whole.at("content"), "Let me see. ");
  EXPECT_EQ(whole.at("reasoning"), "a caf\u00e9?");
  EXPECT_EQ(whole.at("calls").size(), 2U);
  EXPECT_EQ(whole.at("reason"), "tool_calls");

  for (size_t cut = 0; cut < tokens.size(); ++cut) {
    EXPECT_EQ(message_of(stream_of(call, tokens, cut)), whole) << "cut after " << cut;
  }
}

TEST(ChatAnswerTest, LengthStaysLengthInTheMiddleOfACall) {
  const std::string half = std::string(kAnswer).substr(0, std::string(kAnswer).find("ris"));

  const Json choice = body_of(call_of(kTools), half, FinishReason::kLength).at("choices").at(0);

  EXPECT_EQ(choice.at("finish_reason"), "length");
  const auto arguments = choice.at("message").at("tool_calls")[0].at("function").at("arguments");
  EXPECT_EQ(parse_json(arguments.get<std::string>()).value(), Json({{"city", "Pa"}}));
}

TEST(ChatAnswerTest, WithoutToolsTheMarksAreText) {
  const Json message = body_of(call_of(""), "]<]minimax[>[<tool_call>", FinishReason::kStop)
                           .at("choices")
                           .at(0)
                           .at("message");

  EXPECT_EQ(message.at("content"), "]<]minimax[>[<tool_call>");
  EXPECT_FALSE(message.contains("tool_calls"));
}

TEST(ChatAnswerTest, ReasoningMayStayInTheContentOrBeDropped) {
  const char* text = "<mm:think>why</mm:think>so";
  const auto content = [text](const char* members) {
    return body_of(call_of(members), text, FinishReason::kStop)
        .at("choices")
        .at(0)
        .at("message")
        .at("content");
  };

  EXPECT_EQ(content(R"("reasoning_split": false)"), text);
  EXPECT_EQ(content(R"("include_reasoning": false)"), "so");
  // With thinking on, the opening tag stands in the prompt.
  const Json message = body_of(call_of(R"("reasoning_split": false, "reasoning_effort": "high")"),
                               "why</mm:think>so", FinishReason::kStop)
                           .at("choices")
                           .at(0)
                           .at("message");
  EXPECT_EQ(message.at("content"), text);
}

TEST(ChatAnswerTest, TheFieldOfReasoningIsTheServersChoice) {
  ChatCall call = call_of("");
  call.reasoning_field = ReasoningField::kBoth;

  const Json message =
      body_of(call, "<mm:think>why</mm:think>so", FinishReason::kStop).at("choices")[0]["message"];

  EXPECT_EQ(message.at("reasoning"), "why");
  EXPECT_EQ(message.at("reasoning_content"), "why");
}

TEST(ChatAnswerTest, WithoutParallelCallsTheFirstEndsTheAnswer) {
  const ChatCall call = call_of(std::string(kTools) + R"(, "parallel_tool_calls": false)");
  ChatAnswer answer(api_tokenizer(), call, head());
  const std::vector<OutputToken> tokens = output_tokens(kAnswer);
  answer.push(0, {.tokens = tokens});

  EXPECT_LT(answer.usage().completion_tokens, std::ssize(tokens)) << "what follows is not counted";
  EXPECT_EQ(answer.stop_after(0), answer.usage().completion_tokens);
  answer.finish(0, {.reason = FinishReason::kStop});
  const Json choice = parse_json(answer.body({})).value().at("choices")[0];
  ASSERT_EQ(choice.at("message").at("tool_calls").size(), 1U);
  EXPECT_EQ(choice.at("finish_reason"), "tool_calls");
}

TEST(ChatAnswerTest, ChoicesHaveTheirOwnStateAndUsageComesLast) {
  const ChatCall call =
      call_of(R"("n": 2, "stream": true, "stream_options": {"include_usage": true})");
  ChatAnswer answer(api_tokenizer(), call, head());
  const std::vector<OutputToken> thinks = output_tokens("<mm:think>hm</mm:think>one");
  const std::vector<OutputToken> plain = output_tokens("two");
  answer.push(0, {.tokens = std::span(thinks).first(2)});
  answer.push(1, {.tokens = plain});
  answer.push(0, {.tokens = std::span(thinks).subspan(2)});
  answer.finish(1, {.reason = FinishReason::kStop});
  std::string stream = answer.take_frames(false);
  answer.finish(0, {.reason = FinishReason::kLength});
  stream += answer.take_frames(false);

  std::vector<std::string> content(2);
  std::vector<Json> frames = test::read_frames(stream);
  ASSERT_FALSE(frames.empty());
  EXPECT_EQ(frames.back().at("choices"), Json::array());
  EXPECT_EQ(frames.back().at("usage").at("completion_tokens"), thinks.size() + plain.size());
  frames.pop_back();
  for (const Json& frame : frames) {
    EXPECT_FALSE(frame.contains("usage"));
    const Json& choice = frame.at("choices").at(0);
    content[choice.at("index").get<size_t>()] += choice.at("delta").value("content", "");
  }
  EXPECT_EQ(content, (std::vector<std::string>{"one", "two"}));
  EXPECT_TRUE(stream.ends_with("data: [DONE]\n\n"));
}

TEST(ChatAnswerTest, NothingIsSentBeforeTheFirstText) {
  const ChatCall call = call_of(R"("stream": true)");
  ChatAnswer answer(api_tokenizer(), call, head());

  EXPECT_EQ(answer.take_frames(true), "");

  const std::vector<OutputToken> tokens = output_tokens("Hello");
  answer.push(0, {.tokens = tokens});
  EXPECT_EQ(test::read_frames(answer.take_frames(false)).size(), 2U) << "role and text together";
}

TEST(ChatAnswerTest, EveryTokenHasItsLogprobOnceAlsoThoseOfTags) {
  const ChatCall call = call_of(R"("logprobs": true, "stream": true)");
  ChatAnswer answer(api_tokenizer(), call, head());
  const std::vector<OutputToken> tokens = output_tokens("<mm:think>hm</mm:think>one");
  std::vector<PositionLogprobs> logprobs;
  logprobs.reserve(tokens.size());
  for (const OutputToken& token : tokens) {
    logprobs.push_back({.chosen = {token.token, -1.0F}, .top = {}});
  }
  answer.push(0, {.tokens = tokens, .logprobs = logprobs});
  answer.finish(0, {});

  size_t count = 0;
  for (const Json& frame : test::read_frames(answer.take_frames(false))) {
    const Json& shown = frame.at("choices").at(0).at("logprobs");
    count += shown.is_null() ? 0 : shown.at("content").size();
  }
  EXPECT_EQ(count, tokens.size());
}

}  // namespace
}  // namespace talon::server
