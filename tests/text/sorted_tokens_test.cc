// Prefixes against a walk over the whole vocabulary.
#include "text/sorted_tokens.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <string_view>
#include <vector>

namespace talon::text {
namespace {

TEST(SortedTokensTest, FindsTheTokensThatBeginWithAText) {
  const Tokenizer tokenizer = Tokenizer::load("models/talon-tiny");
  const SortedTokens tokens(tokenizer);

  for (const std::string_view prefix : {"", "a", " th", "\xC3", "]<]", "no such token"}) {
    std::vector<int32_t> expected;
    for (int32_t id = 0; id < tokenizer.vocabulary_size(); ++id) {
      if (tokenizer.has_token(TokenId{id}) &&
          tokenizer.token_bytes(TokenId{id}).starts_with(prefix)) {
        expected.push_back(id);
      }
    }

    std::vector<int32_t> found;
    for (const TokenId id : tokens.starting_with(prefix)) {
      found.push_back(id.value);
    }

    std::ranges::sort(found);
    EXPECT_EQ(found, expected) << prefix;
  }
}

}  // namespace
}  // namespace talon::text
