// Tool calls and reasoning on the routes of Anthropic's messages and OpenAI's responses, and over
// several turns, through the whole server, where the model plays a script.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/json.h"
#include "support/scripted_service.h"

namespace talon::server {
namespace {

using test::HttpAnswer;
using test::ScriptedService;
using test::Spoken;

constexpr const char* kAnswer =
    "<mm:think>Two cities.</mm:think>I look. ]<]minimax[>[<tool_call>\n"
    "]<]minimax[>[<invoke name=\"get_weather\">]<]minimax[>[<city>Oslo]<]minimax[>[</city>"
    "]<]minimax[>[<days>2]<]minimax[>[</days>]<]minimax[>[</invoke>\n"
    "]<]minimax[>[<invoke name=\"get_weather\">]<]minimax[>[<city>Lima]<]minimax[>[</city>"
    "]<]minimax[>[<days>3]<]minimax[>[</days>]<]minimax[>[</invoke>\n"
    "]<]minimax[>[</tool_call>";

const Json kSchema = {
    {"type", "object"},
    {"properties", {{"city", {{"type", "string"}}}, {"days", {{"type", "integer"}}}}}};

struct Event {
  std::string name;
  Json data;
};

std::vector<Event> read_events(std::string_view stream) {
  std::vector<Event> events;
  while (!stream.empty()) {
    const size_t line_end = stream.find('\n');
    const size_t end = stream.find("\n\n");
    if (!stream.starts_with("event: ") || end == std::string_view::npos) {
      ADD_FAILURE() << "no event: " << stream;
      break;
    }
    const std::string_view data = stream.substr(line_end + 7, end - line_end - 7);
    events.push_back(
        {.name = std::string(stream.substr(7, line_end - 7)), .data = parse_json(data).value()});
    stream.remove_prefix(end + 2);
  }
  return events;
}

// The blocks of a stream of messages, put together as a client does.
Json blocks_of(const std::vector<Event>& events) {
  Json content = Json::array();
  std::string input;
  for (const auto& [name, data] : events) {
    if (name == "content_block_start") {
      EXPECT_EQ(data.at("index"), content.size());
      content.push_back(data.at("content_block"));
      input.clear();
    } else if (name == "content_block_delta") {
      const Json& delta = data.at("delta");
      for (const char* part : {"text", "thinking", "signature"}) {
        if (delta.contains(part)) {
          content.back()[part] = content.back().value(part, "") + delta.value(part, "");
        }
      }
      input += delta.value("partial_json", "");
    } else if (name == "content_block_stop" && !input.empty()) {
      content.back()["input"] = parse_json(input).value();
    }
  }
  return content;
}

// Ids of calls are an answer's own.
Json without_ids(Json items) {
  for (Json& item : items) {
    item.erase("id");
    item.erase("call_id");
    item.erase("signature");
  }
  return items;
}

class ScriptedRoutesTest : public testing::TestWithParam<int32_t> {
 protected:
  void SetUp() override { server_.script().add("go", kAnswer); }

  Json post(const char* path, const Json& body) {
    const HttpAnswer answer = server_.post(path, body);
    EXPECT_EQ(answer.status, 200) << answer.body;
    return parse_json(answer.body).value();
  }
  std::vector<Event> stream(const char* path, Json body) {
    body["stream"] = true;
    return read_events(server_.post(path, body).body);
  }

  ScriptedService server_{GetParam()};
};

INSTANTIATE_TEST_SUITE_P(NumDrafts, ScriptedRoutesTest, testing::Values(0, 3));

TEST_P(ScriptedRoutesTest, MessagesHaveThinkingTextAndToolUses) {
  const Json body = {{"model", "tiny"},
                     {"max_tokens", 400},
                     {"temperature", 0},
                     {"messages", {{{"role", "user"}, {"content", "go"}}}},
                     {"tools", {{{"name", "get_weather"}, {"input_schema", kSchema}}}}};

  const Json whole = post("/v1/messages", body);
  const std::vector<Event> events = stream("/v1/messages", body);

  const Json& content = whole.at("content");
  ASSERT_EQ(content.size(), 4U) << content.dump();
  EXPECT_EQ(content[0].at("thinking"), "Two cities.");
  EXPECT_EQ(content[1].at("text"), "I look. ");
  EXPECT_EQ(content[2].at("name"), "get_weather");
  EXPECT_EQ(content[2].at("input"), (Json{{"city", "Oslo"}, {"days", 2}}));
  EXPECT_EQ(content[3].at("input"), (Json{{"city", "Lima"}, {"days", 3}}));
  EXPECT_EQ(whole.at("stop_reason"), "tool_use");
  EXPECT_EQ(without_ids(blocks_of(events)), without_ids(content));
  ASSERT_GE(events.size(), 2U);
  EXPECT_EQ(events[events.size() - 2].data.at("delta").at("stop_reason"), "tool_use");
  EXPECT_EQ(events.back().name, "message_stop");
}

TEST_P(ScriptedRoutesTest, MessagesWithoutParallelUseEndAfterTheFirst) {
  const Json whole = post(
      "/v1/messages", {{"model", "tiny"},
                       {"max_tokens", 400},
                       {"temperature", 0},
                       {"messages", {{{"role", "user"}, {"content", "go"}}}},
                       {"tools", {{{"name", "get_weather"}, {"input_schema", kSchema}}}},
                       {"tool_choice", {{"type", "auto"}, {"disable_parallel_tool_use", true}}}});

  ASSERT_EQ(whole.at("content").size(), 3U) << whole.dump();
  EXPECT_EQ(whole.at("content")[2].at("input").at("city"), "Oslo");
}

TEST_P(ScriptedRoutesTest, ResponsesHaveReasoningAMessageAndCalls) {
  const Json body = {
      {"model", "tiny"},
      {"input", "go"},
      {"temperature", 0},
      {"tools", {{{"type", "function"}, {"name", "get_weather"}, {"parameters", kSchema}}}}};

  const Json whole = post("/v1/responses", body);
  const std::vector<Event> events = stream("/v1/responses", body);

  const Json& output = whole.at("output");
  ASSERT_EQ(output.size(), 4U) << output.dump();
  EXPECT_EQ(output[0].at("content")[0].at("text"), "Two cities.");
  EXPECT_EQ(output[1].at("content")[0].at("text"), "I look. ");
  EXPECT_EQ(parse_json(output[2].at("arguments").get<std::string>()).value(),
            (Json{{"city", "Oslo"}, {"days", 2}}));
  EXPECT_EQ(parse_json(output[3].at("arguments").get<std::string>()).value(),
            (Json{{"city", "Lima"}, {"days", 3}}));
  ASSERT_FALSE(events.empty());
  EXPECT_EQ(events.back().name, "response.completed");
  EXPECT_EQ(without_ids(events.back().data.at("response").at("output")), without_ids(output));
}

// The result of a call is given back under its id, and the model goes on.
TEST_P(ScriptedRoutesTest, AConversationGoesOnAfterItsCalls) {
  const Json tools = {
      {{"type", "function"}, {"function", {{"name", "get_weather"}, {"parameters", kSchema}}}}};
  Json messages = {{{"role", "user"}, {"content", "go"}}};
  const Json first =
      post("/v1/chat/completions", {{"messages", messages}, {"tools", tools}, {"temperature", 0}});
  const Json& said = first.at("choices").at(0).at("message");
  ASSERT_EQ(said.at("tool_calls").size(), 2U);
  messages.push_back(said);
  for (const Json& call : said.at("tool_calls")) {
    messages.push_back({{"role", "tool"}, {"tool_call_id", call.at("id")}, {"content", "sun"}});
  }
  messages.push_back({{"role", "user"}, {"content", "so?"}});
  server_.script().add("so?", "</mm:think>Sun in both.");

  const Json second =
      post("/v1/chat/completions", {{"messages", messages}, {"tools", tools}, {"temperature", 0}});

  EXPECT_EQ(second.at("choices").at(0).at("message").at("content"), "Sun in both.");
  EXPECT_EQ(second.at("choices").at(0).at("finish_reason"), "stop");
}

}  // namespace
}  // namespace talon::server
