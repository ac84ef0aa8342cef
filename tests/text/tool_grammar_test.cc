// Answers that call tools against the grammar, as tokens of the embedded tokenizer.
#include "text/tool_grammar.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "base/ids.h"
#include "text/tokenizer.h"

namespace talon::text {
namespace {

constexpr int32_t kNumLogits = 4096;
const TokenId kEnd(4058);
const std::string kMark = "]<]minimax[>[";
const std::string kOpen = kMark + "<tool_call>\n";
const std::string kClose = kMark + "</tool_call>";

ToolRule weather(bool is_strict) {
  return {.name = "get_weather",
          .parameters = R"({"type":"object","properties":{"city":{"type":"string"},
                           "days":{"type":"integer"}},"required":["city","days"],
                           "additionalProperties":false})",
          .is_strict = is_strict};
}

std::string call(const std::string& name, const std::string& arguments) {
  return kMark + "<invoke name=\"" + name + "\">" + arguments + kMark + "</invoke>\n";
}

std::string argument(const std::string& name, const std::string& value) {
  return kMark + "<" + name + ">" + value + kMark + "</" + name + ">";
}

class ToolGrammarTest : public testing::Test {
 protected:
  void SetUp() override {
    if (!GrammarCompiler::is_available()) {
      GTEST_SKIP() << "built without xgrammar";
    }
  }

  bool accepts(const std::vector<ToolRule>& tools,
               const ToolGrammarOptions& options,
               const std::string& text) {
    const Result<Grammar> grammar = compiler_.compile(tool_call_grammar(tools, options));
    EXPECT_TRUE(grammar.ok()) << (grammar.ok() ? "" : grammar.message());
    GrammarMatcher matcher(grammar.value());
    for (const TokenId id : tokenizer_.encode(text)) {
      if (!matcher.accept(id)) {
        return false;
      }
    }
    return matcher.accept(kEnd);
  }

  Tokenizer tokenizer_ = Tokenizer::load("models/talon-tiny");
  GrammarCompiler compiler_{tokenizer_, kNumLogits, std::span(&kEnd, 1)};
};

TEST_F(ToolGrammarTest, ACallOfADeclaredFunctionIsForced) {
  const std::vector<ToolRule> tools = {weather(false), {.name = "stop"}};

  EXPECT_TRUE(accepts(tools, {}, kOpen + call("stop", "") + kClose));
  EXPECT_TRUE(accepts(tools, {}, kOpen + call("get_weather", argument("city", "Oslo")) + kClose));
  EXPECT_FALSE(accepts(tools, {}, "It is sunny."));
  EXPECT_FALSE(accepts(tools, {}, kOpen + call("get_time", "") + kClose));
  EXPECT_FALSE(accepts(tools, {}, kOpen + kClose));
}

TEST_F(ToolGrammarTest, SeveralCallsAreTakenIfTheyMayBe) {
  const std::vector<ToolRule> tools = {weather(false), {.name = "stop"}};
  const std::string text = kOpen + call("stop", "") + call("get_weather", "") + kClose;

  EXPECT_TRUE(accepts(tools, {}, text));
  EXPECT_FALSE(accepts(tools, {.may_repeat = false}, text));
}

TEST_F(ToolGrammarTest, StrictArgumentsFitTheirSchema) {
  const std::vector<ToolRule> tools = {weather(true)};
  const auto with = [](const std::string& arguments) {
    return kOpen + call("get_weather", arguments) + kClose;
  };

  EXPECT_TRUE(accepts(tools, {}, with(argument("city", "Oslo [NO]") + argument("days", "3"))));
  EXPECT_FALSE(accepts(tools, {}, with(argument("city", "Oslo"))));
  EXPECT_FALSE(accepts(tools, {}, with(argument("city", "Oslo") + argument("days", "three"))));
}

TEST_F(ToolGrammarTest, TextMayComeBeforeACallThatIsNotForced) {
  const std::vector<ToolRule> tools = {weather(true)};
  const ToolGrammarOptions free{.must_call = false};
  const std::string arguments = argument("city", "Oslo") + argument("days", "3");

  EXPECT_TRUE(accepts(tools, free, "It is sunny."));
  EXPECT_TRUE(
      accepts(tools, free, "Let me look." + kOpen + call("get_weather", arguments) + kClose));
  EXPECT_FALSE(accepts(tools, free, "Look." + kOpen + call("get_weather", "") + kClose));
}

TEST_F(ToolGrammarTest, SchemasThatTheWireFormCannotCarryAreRefused) {
  for (const char* parameters :
       {"not json", "[1]", R"({"type":"object","additionalProperties":{"type":"string"}})",
        R"({"type":"object","properties":{"a":{"type":"string","pattern":"x+"}},
            "additionalProperties":false})"}) {
    const std::vector<ToolRule> tools = {
        {.name = "f", .parameters = parameters, .is_strict = true}};

    const Result<Grammar> grammar = compiler_.compile(tool_call_grammar(tools, {}));

    ASSERT_FALSE(grammar.ok()) << parameters;
    EXPECT_FALSE(grammar.message().empty());
    EXPECT_THAT(grammar.message(), testing::Not(testing::HasSubstr("\n")));
  }
}

}  // namespace
}  // namespace talon::text
