// The form that templates are given. Refusals stand in the table of chat_request_test.cc.
#include "server/api/chat_messages.h"

#include <gtest/gtest.h>

#include <optional>

namespace talon::server {
namespace {

TEST(ChatMessagesTest, JoinsPartsKeepsReasoningAndParsesArguments) {
  const Json messages = parse_json(R"([
    {"role": "user", "content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]},
    {"role": "assistant", "reasoning": "why", "unknown": 1, "tool_calls": [
      {"id": "x", "function": {"name": "f", "arguments": "{\"k\": [1]}"}},
      {"id": "y", "function": {"name": "g", "arguments": "{}"}}]},
    {"role": "tool", "tool_call_id": "y", "content": "2"},
    {"role": "tool", "tool_call_id": "x", "content": "1"}])")
                            .value();
  std::optional<ApiError> fault;
  const Json none = Json::object();
  Fields body(none, "", fault);

  const Json out = read_messages(body, messages);

  ASSERT_FALSE(fault.has_value()) << fault->message;
  EXPECT_EQ(out[0], Json({{"role", "user"}, {"content", "ab"}}));
  EXPECT_EQ(out[1].at("reasoning_content"), "why");
  EXPECT_FALSE(out[1].contains("unknown"));
  EXPECT_EQ(out[1].at("tool_calls")[0].at("function").at("arguments"), Json({{"k", {1}}}));
  EXPECT_EQ(out[3].at("tool_call_id"), "x") << "results come in any order";
}

}  // namespace
}  // namespace talon::server
