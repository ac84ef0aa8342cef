// A handful of tokens of both kinds, and enough of them that the table grows.
#include "text/vocabulary.h"

#include <gtest/gtest.h>

namespace talon::text {
namespace {

TEST(VocabularyTest, FindsTokensByBytesAndSpelling) {
  Vocabulary vocabulary(3);
  ASSERT_TRUE(vocabulary.add(TokenId(2),
                             "\xC4\xA0"
                             "a"));  // U+0120, a space

  EXPECT_EQ(vocabulary.bytes(TokenId(2)), " a");
  EXPECT_EQ(vocabulary.find_bytes(" a"), TokenId(2));
  EXPECT_EQ(vocabulary.find_spelling("\xC4\xA0"
                                     "a"),
            TokenId(2));
  EXPECT_FALSE(vocabulary.find_spelling(" a"));
  EXPECT_FALSE(vocabulary.find_bytes("a"));
}

TEST(VocabularyTest, KeepsPlainTokensApart) {
  Vocabulary vocabulary(2);
  ASSERT_TRUE(vocabulary.add(TokenId(0), " a"));  // a bare space is not in the alphabet
  ASSERT_TRUE(vocabulary.add(TokenId(1),
                             "\xC4\xA0"
                             "a"));

  EXPECT_EQ(vocabulary.bytes(TokenId(0)), vocabulary.bytes(TokenId(1)));
  EXPECT_FALSE(vocabulary.is_byte_level(TokenId(0)));
  EXPECT_EQ(vocabulary.find_bytes(" a"), TokenId(1));
  EXPECT_EQ(vocabulary.find_spelling(" a"), TokenId(0));
}

TEST(VocabularyTest, RefusesASpellingTwice) {
  Vocabulary vocabulary(2);
  ASSERT_TRUE(vocabulary.add(TokenId(0), "a"));

  EXPECT_FALSE(vocabulary.add(TokenId(1), "a"));
  EXPECT_FALSE(vocabulary.has(TokenId(1)));
}

TEST(VocabularyTest, KnowsIdsWithoutAToken) {
  Vocabulary vocabulary(3);
  ASSERT_TRUE(vocabulary.add(TokenId(1), "a"));

  EXPECT_EQ(vocabulary.size(), 3);
  EXPECT_TRUE(vocabulary.has(TokenId(1)));
  for (const int32_t id : {-1, 0, 2, 3}) {
    EXPECT_FALSE(vocabulary.has(TokenId(id))) << id;
    EXPECT_EQ(vocabulary.bytes(TokenId(id)), "");
  }
}

TEST(VocabularyTest, FindsAllOfManyTokens) {
  constexpr int32_t kNumTokens = 5000;
  Vocabulary vocabulary(kNumTokens);
  for (int32_t i = 0; i < kNumTokens; ++i) {
    ASSERT_TRUE(vocabulary.add(TokenId(i), "t" + std::to_string(i)));
  }

  for (int32_t i = 0; i < kNumTokens; ++i) {
    EXPECT_EQ(vocabulary.find_bytes("t" + std::to_string(i)), TokenId(i));
  }
  EXPECT_FALSE(vocabulary.find_bytes("t5000"));
}

}  // namespace
}  // namespace talon::text
