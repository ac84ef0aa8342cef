// What of a call is submitted.
#include "server/api/generation_call.h"

#include <gtest/gtest.h>

#include <vector>

namespace talon::server {
namespace {

TEST(GenerationCallTest, CutsTheLimitToTheRoomOfEachPrompt) {
  GenerationCall call;
  call.settings.max_tokens = 10;
  call.settings.num_choices = 2;
  call.prompts = {std::vector<TokenId>(5), std::vector<TokenId>(18)};

  EXPECT_EQ(call.request_of(0, 20).max_tokens, 10);
  EXPECT_EQ(call.request_of(1, 20).max_tokens, 2);
  EXPECT_EQ(call.request_of(1, 20).prompt.size(), 18U);
  EXPECT_EQ(call.num_answers(), 4);
}

}  // namespace
}  // namespace talon::server
