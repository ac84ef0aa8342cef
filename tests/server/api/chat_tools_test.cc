// When a choice of tools becomes a grammar. Refusals stand in the table of chat_request_test.cc.
#include "server/api/chat_tools.h"

#include <gtest/gtest.h>

#include <optional>
#include <string>

#include "support/api_fixture.h"

namespace talon::server {
namespace {

std::optional<text::GrammarSource> grammar_of(const std::string& members) {
  const Json object = parse_json(R"({"tools": [
      {"type": "function", "function": {"name": "f", "strict": true}},
      {"type": "function", "function": {"name": "g"}}])" +
                                 members + "}")
                          .value();
  std::optional<ApiError> fault;
  Fields fields(object, "", fault);
  const ChatTools tools = read_tools(fields, test::api_context());
  EXPECT_FALSE(fault.has_value()) << fault->message;
  return tools.grammar();
}

TEST(ChatToolsTest, AStrictToolConstrainsFreeAnswersToo) {
  const auto grammar = grammar_of("");

  ASSERT_TRUE(grammar.has_value());
  EXPECT_NE(grammar->text.find("triggered_tags"), std::string::npos);
  EXPECT_FALSE(grammar_of(R"(, "tool_choice": "none")").has_value());
}

TEST(ChatToolsTest, ANamedChoiceAllowsThatFunctionOnly) {
  const auto grammar =
      grammar_of(R"(, "tool_choice": {"type": "function", "function": {"name": "g"}})");

  ASSERT_TRUE(grammar.has_value());
  EXPECT_NE(grammar->text.find("\\\"g\\\""), std::string::npos);
  EXPECT_EQ(grammar->text.find("\\\"f\\\""), std::string::npos);
}

}  // namespace
}  // namespace talon::server
