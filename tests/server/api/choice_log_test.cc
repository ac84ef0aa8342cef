// Tokens with ids are logged, each with its logprob.
#include "server/api/choice_log.h"

#include <gtest/gtest.h>

#include <vector>

namespace talon::server {
namespace {

TEST(ChoiceLogTest, SendsTokensInOrderWithTheirDraftPositions) {
  const std::vector<OutputToken> tokens = {
      {.token = TokenId{4}, .draft_position = 1}, {.token = TokenId{5}}, {.text = "\uFFFD"}};
  const std::vector<PositionLogprobs> logprobs = {{.chosen = {TokenId{4}, -1.0F}, .top = {}},
                                                  {.chosen = {TokenId{5}, -2.0F}, .top = {}}};
  ChoiceLog log;

  log.add({.tokens = tokens, .logprobs = logprobs});

  ASSERT_EQ(log.num_tokens(), 2U) << "the replacement of half a character is no token";
  EXPECT_EQ(log.send(1), 0U);
  EXPECT_EQ(log.send(1), 1U);
  EXPECT_EQ(log.spec(0, 2).dump(), R"({"token_ids":[4,5],"draft_pos":[1,0]})");
  EXPECT_EQ(log.ids(1, 1), Json({5}));
  ASSERT_EQ(log.logprobs(1, 1).size(), 1U);
  EXPECT_EQ(log.logprobs(1, 1)[0].chosen.logprob, -2.0F);
}

TEST(ChoiceLogTest, HasNoLogprobsUnlessTheyCame) {
  const std::vector<OutputToken> tokens = {{.token = TokenId{4}}};
  ChoiceLog log;

  log.add({.tokens = tokens});

  EXPECT_TRUE(log.logprobs(0, 1).empty());
}

}  // namespace
}  // namespace talon::server
