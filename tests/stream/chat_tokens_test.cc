// Which tokens of the embedded tokenizer carry the form of a chat answer.
#include "stream/chat_tokens.h"

#include <gtest/gtest.h>

namespace talon {
namespace {

TEST(ChatTokensTest, FindsThoseOfM3) {
  const text::Tokenizer tokenizer = text::Tokenizer::load("models/talon-tiny");

  const auto tags = find_reasoning_tags(tokenizer);
  const auto tools = find_tool_tokens(tokenizer);

  ASSERT_TRUE(tags.has_value() && tools.has_value());
  EXPECT_EQ(tags->open.value, 4072);
  EXPECT_EQ(tags->close.value, 4073);
  EXPECT_EQ(tools->marker.value, 4071);
  EXPECT_EQ(tools->open.value, 4069);
  EXPECT_EQ(tools->close.value, 4070);
}

}  // namespace
}  // namespace talon
