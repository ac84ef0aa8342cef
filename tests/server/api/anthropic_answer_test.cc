// Blocks and events of answers with reasoning, text and a call, cut into pieces at every place.
#include "server/api/anthropic_answer.h"

#include <gtest/gtest.h>

#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/json.h"
#include "support/api_fixture.h"

namespace talon::server {
namespace {

constexpr const char* kAnswer =
    "<mm:think>why</mm:think>so ]<]minimax[>[<tool_call>\n]<]minimax[>[<invoke name=\"f\">"
    "]<]minimax[>[<city>Paris]<]minimax[>[</city>]<]minimax[>[</invoke>\n"
    "]<]minimax[>[</tool_call>";

ChatCall call_of(bool stream) {
  const std::string body =
      R"({"messages": [{"role": "user", "content": "hi"}], "tools": [{"type": "function",
          "function": {"name": "f"}}], "stream": )" +
      std::string(stream ? "true}" : "false}");
  return std::get<ChatCall>(parse_chat_request(body, test::api_context(), {}));
}

// Puts the blocks of a stream together as a client does.
Json message_of(std::string_view stream) {
  Json content = Json::array();
  std::vector<std::string> inputs;
  std::string last;
  while (!stream.empty()) {
    const size_t line_end = stream.find('\n');
    const size_t end = stream.find("\n\n");
    EXPECT_TRUE(stream.starts_with("event: ")) << stream;
    last = stream.substr(7, line_end - 7);
    const Json json = parse_json(stream.substr(line_end + 7, end - line_end - 7)).value();
    EXPECT_EQ(json.at("type"), last);
    stream.remove_prefix(end + 2);
    if (last == "content_block_start") {
      EXPECT_EQ(json.at("index"), content.size());
      content.push_back(json.at("content_block"));
      inputs.emplace_back();
    } else if (last == "content_block_delta") {
      const Json& delta = json.at("delta");
      Json& block = content.back();
      for (const char* name : {"text", "thinking", "signature"}) {
        if (delta.contains(name)) {
          block[name] = block[name].get<std::string>() + delta.at(name).get<std::string>();
        }
      }
      inputs.back() += delta.value("partial_json", "");
    } else if (last == "content_block_stop" && !inputs.back().empty()) {
      content.back()["input"] = parse_json(inputs.back()).value();
    }
  }
  EXPECT_EQ(last, "message_stop");
  return content;
}

TEST(AnthropicAnswerTest, AStreamCutAtAnyPlaceHasTheBlocksOfTheBody) {
  const std::vector<OutputToken> tokens = test::output_tokens(kAnswer);
  const ChatCall whole_call = call_of(false);
  AnthropicAnswer whole(whole_call, {.id = "msg_1"});
  whole.push(0, {.tokens = tokens});
  whole.finish(0, {.reason = FinishReason::kStop});
  const Json body = parse_json(whole.body({})).value();
  EXPECT_EQ(body.at("stop_reason"), "tool_use");
  EXPECT_EQ(body.at("usage").at("output_tokens"), tokens.size());
  ASSERT_EQ(body.at("content").size(), 3U);
  EXPECT_EQ(body.at("content")[0].at("thinking"), "why");
  EXPECT_EQ(body.at("content")[1].at("text"), "so ");
  EXPECT_EQ(body.at("content")[2].at("input"), Json({{"city", "Paris"}}));

  const ChatCall call = call_of(true);
  for (size_t cut = 0; cut <= tokens.size(); ++cut) {
    AnthropicAnswer answer(call, {.id = "msg_1"});
    answer.push(0, {.tokens = std::span(tokens).first(cut)});
    std::string stream = answer.take_frames(false);
    answer.push(0, {.tokens = std::span(tokens).subspan(cut)});
    answer.finish(0, {.reason = FinishReason::kStop});
    stream += answer.take_frames(false);
    EXPECT_EQ(message_of(stream), body.at("content")) << "cut after " << cut;
  }
}

TEST(AnthropicAnswerTest, LengthIsMaxTokensAndNothingIsAnEmptyText) {
  const ChatCall call = call_of(false);
  AnthropicAnswer answer(call, {.id = "msg_1"});
  answer.finish(0, {.reason = FinishReason::kLength});

  const Json body = parse_json(answer.body({})).value();

  EXPECT_EQ(body.at("stop_reason"), "max_tokens");
  EXPECT_EQ(body.at("content").dump(), R"([{"type":"text","text":""}])");
}

}  // namespace
}  // namespace talon::server
