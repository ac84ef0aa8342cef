// Items and events of answers with reasoning, text and a call, cut into pieces at every place.
#include "server/api/responses_answer.h"

#include <gtest/gtest.h>

#include <map>
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

// The last event of a stream, whose order and deltas are checked on the way.
Json last_event_of(std::string_view stream) {
  int64_t sequence = 0;
  std::map<std::string, std::string> deltas;  // by item
  Json json;
  while (!stream.empty()) {
    const size_t line_end = stream.find('\n');
    const size_t end = stream.find("\n\n");
    const auto type = std::string(stream.substr(7, line_end - 7));
    json = parse_json(stream.substr(line_end + 7, end - line_end - 7)).value();
    stream.remove_prefix(end + 2);
    EXPECT_EQ(json.at("type"), type);
    EXPECT_EQ(json.at("sequence_number"), sequence++);
    const std::string item = json.value("item_id", "");
    deltas[item] += json.value("delta", "");
    if (type == "response.output_text.done") {
      EXPECT_EQ(json.at("text"), deltas[item]);
    } else if (type == "response.function_call_arguments.done") {
      EXPECT_EQ(json.at("arguments"), deltas[item]);
    }
  }
  return json;
}

TEST(ResponsesAnswerTest, AStreamCutAtAnyPlaceEndsWithTheBody) {
  const std::vector<OutputToken> tokens = test::output_tokens(kAnswer);
  const ChatCall whole_call = call_of(false);
  ResponsesAnswer whole(whole_call, {.id = "resp_1"});
  whole.push(0, {.tokens = tokens});
  whole.finish(0, {.reason = FinishReason::kStop});
  const Json body = parse_json(whole.body({})).value();
  EXPECT_EQ(body.at("status"), "completed");
  ASSERT_EQ(body.at("output").size(), 3U);
  EXPECT_EQ(body.at("output")[0].at("content")[0].at("text"), "why");
  EXPECT_EQ(body.at("output")[1].at("content")[0].at("text"), "so ");
  EXPECT_EQ(body.at("output")[2].at("arguments"), R"({"city": "Paris"})");
  EXPECT_EQ(body.at("usage").at("output_tokens"), tokens.size());

  const ChatCall call = call_of(true);
  for (size_t cut = 0; cut <= tokens.size(); ++cut) {
    ResponsesAnswer answer(call, {.id = "resp_1"});
    answer.push(0, {.tokens = std::span(tokens).first(cut)});
    std::string stream = answer.take_frames(false);
    answer.push(0, {.tokens = std::span(tokens).subspan(cut)});
    answer.finish(0, {.reason = FinishReason::kStop});
    stream += answer.take_frames(false);
    const Json last = last_event_of(stream);
    EXPECT_EQ(last.at("type"), "response.completed");
    EXPECT_EQ(last.at("response"), body) << "cut after " << cut;
  }
}

TEST(ResponsesAnswerTest, LengthIsIncomplete) {
  const ChatCall call = call_of(true);
  ResponsesAnswer answer(call, {.id = "resp_1"});
  answer.finish(0, {.reason = FinishReason::kLength});

  const Json last = last_event_of(answer.take_frames(false));

  EXPECT_EQ(last.at("type"), "response.incomplete");
  EXPECT_EQ(last.at("response").at("incomplete_details").at("reason"), "max_output_tokens");
  EXPECT_EQ(last.at("response").at("output"), Json::array());
}

}  // namespace
}  // namespace talon::server
