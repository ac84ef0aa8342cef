// Chat answers with reasoning, text and tool calls through the whole server, where the model plays
// a script: what arrives is the same whole and streamed, with drafts and without, and however the
// text is cut into tokens.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <future>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "support/scripted_service.h"
#include "text/grammar.h"

namespace talon::server {
namespace {

using test::ScriptedService;
using test::Spoken;
using test::SpokenCall;
using testing::ElementsAre;
using testing::IsEmpty;

const std::string kMark = "]<]minimax[>[";

std::string argument(const std::string& name, const std::string& value) {
  return kMark + "<" + name + ">" + value + kMark + "</" + name + ">";
}

std::string call(const std::string& name, const std::string& arguments) {
  return kMark + "<invoke name=\"" + name + "\">" + arguments + kMark + "</invoke>\n";
}

std::string block(const std::string& calls) {
  return kMark + "<tool_call>\n" + calls + kMark + "</tool_call>";
}

Json function(const std::string& name, const Json& properties, bool is_strict = false) {
  Json required = Json::array();
  for (const auto& [key, schema] : properties.items()) {
    required.push_back(key);
  }
  Json tool = {{"type", "function"},
               {"function",
                {{"name", name},
                 {"parameters",
                  {{"type", "object"},
                   {"properties", properties},
                   {"required", required},
                   {"additionalProperties", false}}}}}};
  if (is_strict) {
    tool["function"]["strict"] = true;
  }
  return tool;
}

Json weather_tools(bool is_strict = false) {
  return Json::array({function("get_weather",
                               {{"city", {{"enum", {"Oslo", "Lima"}}}},
                                {"days", {{"type", "integer"}, {"minimum", 1}, {"maximum", 9}}}},
                               is_strict)});
}

const std::string kOslo = call("get_weather", argument("city", "Oslo") + argument("days", "2"));
const std::string kLima = call("get_weather", argument("city", "Lima") + argument("days", "3"));
const SpokenCall kOsloCall = {.name = "get_weather", .arguments = R"({"city": "Oslo", "days": 2})"};
const SpokenCall kLimaCall = {.name = "get_weather", .arguments = R"({"city": "Lima", "days": 3})"};

class ScriptedChatTest : public testing::TestWithParam<int32_t> {
 protected:
  Spoken say(std::string_view answer, const Json& fields) {
    server_.script().add("go", answer);
    return server_.say("go", fields);
  }

  ScriptedService server_{GetParam()};
};

INSTANTIATE_TEST_SUITE_P(NumDrafts, ScriptedChatTest, testing::Values(0, 1, 3));

TEST_P(ScriptedChatTest, ACallArrives) {
  const Spoken spoken = say(block(kOslo), {{"tools", weather_tools()}});

  EXPECT_THAT(spoken.calls, ElementsAre(kOsloCall));
  EXPECT_EQ(spoken.content, "");
  EXPECT_EQ(spoken.finish_reason, "tool_calls");
}

TEST_P(ScriptedChatTest, ReasoningTextAndSeveralCallsArriveApart) {
  const std::string answer = "<mm:think>Two cities.</mm:think>I look. " + block(kOslo + kLima);
  for (const char* mode : {"adaptive", "enabled"}) {
    const Spoken spoken = say(answer, {{"tools", weather_tools()}, {"thinking", {{"type", mode}}}});

    EXPECT_EQ(spoken.reasoning, "Two cities.") << mode;
    EXPECT_EQ(spoken.content, "I look. ") << mode;
    EXPECT_THAT(spoken.calls, ElementsAre(kOsloCall, kLimaCall)) << mode;
    EXPECT_EQ(spoken.finish_reason, "tool_calls");
  }
}

TEST_P(ScriptedChatTest, ReasoningCanBeLeftInTheTextOrOut) {
  const std::string answer = "<mm:think>Hm.</mm:think>Yes.";

  const Spoken together = say(answer, {{"reasoning_split", false}});
  const Spoken without = say(answer, {{"include_reasoning", false}});

  EXPECT_EQ(together.content, answer);
  EXPECT_EQ(together.reasoning, "");
  EXPECT_EQ(without.content, "Yes.");
  EXPECT_EQ(without.reasoning, "");
  EXPECT_EQ(without.completion_tokens, together.completion_tokens);
}

// The tokens of an answer up to the one that ends the text `end`.
int64_t tokens_up_to(const text::Tokenizer& tokenizer,
                     const std::string& answer,
                     const std::string& end) {
  const std::vector<TokenId> tokens = tokenizer.encode(answer);
  size_t count = 1;
  while (tokenizer.decode(std::span(tokens).first(count), false).find(end) == std::string::npos) {
    ++count;
  }
  return static_cast<int64_t>(count);
}

// How far the engine is when the server reads the end of the call is a matter of luck: it may have
// made more tokens, or have come to the limit. Nothing of that is in the answer.
TEST_P(ScriptedChatTest, WithoutParallelCallsTheFirstEndsTheAnswer) {
  const std::string answer = block(kOslo + kLima);
  const Spoken all = say(answer, {{"tools", weather_tools()}});
  const int64_t kept = tokens_up_to(server_.tokenizer(), answer, "</invoke>");

  for (int64_t limit = kept; limit < all.completion_tokens; ++limit) {
    const Spoken spoken =
        say(answer,
            {{"tools", weather_tools()}, {"parallel_tool_calls", false}, {"max_tokens", limit}});

    EXPECT_THAT(spoken.calls, ElementsAre(kOsloCall)) << limit;
    EXPECT_EQ(spoken.content, "");
    EXPECT_EQ(spoken.finish_reason, "tool_calls") << limit;
    EXPECT_EQ(spoken.completion_tokens, kept) << limit;
  }
}

TEST_P(ScriptedChatTest, CountersOfDraftsEndWithTheCallToo) {
  const std::string answer = block(kOslo + kLima);
  server_.script().add("go", answer);
  Json body = {{"messages", {{{"role", "user"}, {"content", "go"}}}},
               {"temperature", 0},
               {"tools", weather_tools()},
               {"parallel_tool_calls", false},
               {"return_spec_info", true}};

  const Json whole = parse_json(server_.post("/v1/chat/completions", body).body).value();
  body["stream"] = true;
  const std::vector<Json> frames =
      test::read_frames(server_.post("/v1/chat/completions", body).body);

  const Json spec = whole.at("choices")[0].at("talon").at("spec");
  ASSERT_FALSE(frames.empty());
  EXPECT_EQ(frames.back().at("choices")[0].at("talon").at("spec"), spec);
  // The first token is the prefill's, which is no round of drafts.
  EXPECT_EQ(spec.at("kept").at("tokens"),
            tokens_up_to(server_.tokenizer(), answer, "</invoke>") - 1);
}

TEST_P(ScriptedChatTest, ArgumentsHaveTheTypesOfTheirSchema) {
  const Json tools = Json::array(
      {function("f", {{"text", {{"type", "string"}}},
                      {"count", {{"type", "integer"}}},
                      {"share", {{"type", "number"}}},
                      {"is_on", {{"type", "boolean"}}},
                      {"tags", {{"type", "array"}, {"items", {{"type", "string"}}}}},
                      {"at", {{"type", "object"}, {"properties", {{"x", {{"type", "integer"}}}}}}},
                      {"none", {{"type", "null"}}}})});
  const std::string values = argument("text", "12") + argument("count", "12") +
                             argument("share", "0.5") + argument("is_on", "true") +
                             argument("tags", argument("item", "a") + argument("item", "7")) +
                             argument("at", argument("x", "-3")) + argument("none", "null");

  const Spoken spoken = say(block(call("f", values)), {{"tools", tools}});

  ASSERT_EQ(spoken.calls.size(), 1U);
  EXPECT_EQ(parse_json(spoken.calls[0].arguments).value(), (Json{{"text", "12"},
                                                                 {"count", 12},
                                                                 {"share", 0.5},
                                                                 {"is_on", true},
                                                                 {"tags", {"a", "7"}},
                                                                 {"at", {{"x", -3}}},
                                                                 {"none", nullptr}}));
}

TEST_P(ScriptedChatTest, ACallOfAnUndeclaredFunctionPasses) {
  const Spoken spoken =
      say(block(call("get_time", argument("zone", "UTC"))), {{"tools", weather_tools()}});

  EXPECT_THAT(spoken.calls,
              ElementsAre(SpokenCall{.name = "get_time", .arguments = R"({"zone": "UTC"})"}));
}

TEST_P(ScriptedChatTest, ToolsThatMayNotBeCalledAreNot) {
  const Spoken spoken =
      say("So. " + block(kOslo), {{"tools", weather_tools()}, {"tool_choice", "none"}});

  EXPECT_THAT(spoken.calls, IsEmpty());
  EXPECT_EQ(spoken.content, "So. ");  // where a mark is forbidden, the script says no more
  EXPECT_EQ(spoken.finish_reason, "stop");
}

TEST_P(ScriptedChatTest, ACallThatIsCutHasItsArgumentsCompleted) {
  server_.script().add("go", block(kOslo));
  const auto length = static_cast<int64_t>(server_.tokenizer().encode(block(kOslo)).size());

  for (int64_t limit = 1; limit < length; ++limit) {
    const Spoken spoken = server_.say("go", {{"tools", weather_tools()}, {"max_tokens", limit}});

    EXPECT_EQ(spoken.finish_reason, "length");
    EXPECT_EQ(spoken.completion_tokens, limit);
    for (const SpokenCall& one : spoken.calls) {
      EXPECT_TRUE(parse_json(one.arguments).ok()) << one.arguments;
    }
  }
}

// Each cut gives other tokens with the same text.
TEST_P(ScriptedChatTest, TheAnswerIsTheSameHoweverItsTextIsCutIntoTokens) {
  const std::string answer = "<mm:think>H\u00e9.</mm:think>So " + block(kOslo + kLima);
  const std::vector<std::string> tags = {"<mm:think>", "</mm:think>", kMark, "<tool_call>",
                                         "</tool_call>"};
  const auto is_inside_tag = [&](size_t cut) {
    return std::any_of(tags.begin(), tags.end(), [&](const std::string& tag) {
      for (size_t at = answer.find(tag); at != std::string::npos; at = answer.find(tag, at + 1)) {
        if (cut > at && cut < at + tag.size()) {
          return true;
        }
      }
      return false;
    });
  };
  const Spoken expected = {
      .reasoning = "H\u00e9.", .content = "So ", .calls = {kOsloCall, kLimaCall}};

  for (size_t cut = 1; cut < answer.size(); ++cut) {
    if (is_inside_tag(cut) || (static_cast<uint8_t>(answer[cut]) & 0xC0) == 0x80) {
      continue;
    }
    std::vector<TokenId> tokens = server_.tokenizer().encode(answer.substr(0, cut));
    const std::vector<TokenId> rest = server_.tokenizer().encode(answer.substr(cut));
    tokens.insert(tokens.end(), rest.begin(), rest.end());
    server_.script().add("go", tokens);

    const Spoken spoken = server_.say("go", {{"tools", weather_tools()}});

    EXPECT_EQ(spoken.reasoning, expected.reasoning) << cut;
    EXPECT_EQ(spoken.content, expected.content) << cut;
    EXPECT_EQ(spoken.calls, expected.calls) << cut;
  }
}

TEST_P(ScriptedChatTest, AnswersOfManyAtOnceAreNotMixed) {
  constexpr int kRequests = 24;
  for (int i = 0; i < kRequests; ++i) {
    const std::string city = fmt::format("city {}", i);
    server_.script().add(
        city, fmt::format("<mm:think>{}!</mm:think>", city) +
                  block(call("get_weather", argument("city", city) + argument("days", "4"))));
  }

  std::vector<std::future<Spoken>> answers;
  answers.reserve(kRequests);
  for (int i = 0; i < kRequests; ++i) {
    answers.push_back(std::async(std::launch::async, [this, i] {
      return server_.say(fmt::format("city {}", i), {{"tools", weather_tools()}});
    }));
  }

  for (int i = 0; i < kRequests; ++i) {
    const Spoken spoken = answers[static_cast<size_t>(i)].get();
    EXPECT_EQ(spoken.reasoning, fmt::format("city {}!", i));
    ASSERT_EQ(spoken.calls.size(), 1U);
    EXPECT_EQ(spoken.calls[0].arguments, fmt::format(R"({{"city": "city {}", "days": 4}})", i));
  }
}

class ConstrainedChatTest : public ScriptedChatTest {
 protected:
  void SetUp() override {
    if (!text::GrammarCompiler::is_available()) {
      GTEST_SKIP() << "built without xgrammar";
    }
  }
};

INSTANTIATE_TEST_SUITE_P(NumDrafts, ConstrainedChatTest, testing::Values(0, 1, 3));

const Json kAgeFormat = {
    {"type", "json_schema"},
    {"json_schema",
     {{"name", "age"},
      {"schema",
       {{"type", "object"},
        {"properties", {{"age", {{"type", "integer"}, {"maximum", 99}, {"minimum", 0}}}}},
        {"required", {"age"}},
        {"additionalProperties", false}}}}}};

TEST_P(ConstrainedChatTest, AStructuredAnswerComesAfterTheReasoningIfThereIsAny) {
  for (const char* mode : {"adaptive", "enabled"}) {
    const Spoken spoken = say(R"(<mm:think>He is 7, {"not": this}.</mm:think>{"age": 7})",
                              {{"response_format", kAgeFormat}, {"thinking", {{"type", mode}}}});
    EXPECT_EQ(spoken.reasoning, R"(He is 7, {"not": this}.)") << mode;
    EXPECT_EQ(spoken.content, R"({"age": 7})") << mode;
    EXPECT_EQ(spoken.finish_reason, "stop");
  }
  for (const char* mode : {"adaptive", "disabled"}) {
    const Spoken spoken = say(R"(</mm:think>{"age": 7})",
                              {{"response_format", kAgeFormat}, {"thinking", {{"type", mode}}}});
    EXPECT_EQ(spoken.reasoning, "") << mode;
    EXPECT_EQ(spoken.content, R"({"age": 7})") << mode;
  }
  EXPECT_EQ(say(R"({"age": 7})", {{"response_format", kAgeFormat}}).content, R"({"age": 7})");
}

TEST_P(ConstrainedChatTest, AModelThatSaysSomethingElseIsHeldToTheSchema) {
  const Spoken spoken =
      say("<mm:think>Hm.</mm:think>I would say seven.", {{"response_format", kAgeFormat}});

  EXPECT_EQ(spoken.reasoning, "Hm.");
  const Result<Json> json = parse_json(spoken.content);
  ASSERT_TRUE(json.ok()) << spoken.content;
  EXPECT_TRUE(json.value().at("age").is_number_integer());
}

TEST_P(ConstrainedChatTest, StrictToolsGetArgumentsThatFit) {
  const Json fields = {{"tools", weather_tools(true)}};
  const std::string wrong =
      block(call("get_weather", argument("city", "Oslo") + argument("days", "many")));

  EXPECT_THAT(say(block(kOslo), fields).calls, ElementsAre(kOsloCall));
  EXPECT_EQ(say("<mm:think>No tool.</mm:think>It rains.", fields).content, "It rains.");
  const Spoken forced = say(wrong, fields);
  ASSERT_EQ(forced.calls.size(), 1U);
  const Json arguments = parse_json(forced.calls[0].arguments).value();
  EXPECT_EQ(arguments.at("city"), "Oslo");
  EXPECT_GE(arguments.at("days").get<int>(), 1);
  EXPECT_LE(arguments.at("days").get<int>(), 9);
}

TEST_P(ConstrainedChatTest, ARequiredOrNamedCallIsMadeWhateverTheModelSays) {
  const Json named = {{"type", "function"}, {"function", {{"name", "get_weather"}}}};
  for (const Json& choice : {Json("required"), named}) {
    const Json fields = {{"tools", weather_tools(true)}, {"tool_choice", choice}};

    const Spoken forced = say("<mm:think>No.</mm:think>I will not.", fields);
    const Spoken willing = say("<mm:think>Well.</mm:think>" + block(kOslo), fields);

    EXPECT_EQ(forced.reasoning, "No.");
    ASSERT_EQ(forced.calls.size(), 1U) << forced.content;
    EXPECT_EQ(forced.calls[0].name, "get_weather");
    EXPECT_TRUE(parse_json(forced.calls[0].arguments).value().at("days").is_number_integer());
    EXPECT_EQ(willing.reasoning, "Well.");
    EXPECT_THAT(willing.calls, ElementsAre(kOsloCall));
    EXPECT_EQ(willing.finish_reason, "tool_calls");
  }
}

}  // namespace
}  // namespace talon::server
