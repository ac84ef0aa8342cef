// Which tokens complete a word, against a search through the text that each would give.
#include "text/bad_words.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/rng.h"

namespace talon::text {
namespace {

constexpr int32_t kVocab = 4096;
constexpr size_t kWords = kVocab / 32;

class BadWordsTest : public testing::Test {
 protected:
  std::shared_ptr<const BadWords> words(std::vector<std::string> list, bool skip_special = true) {
    return std::make_shared<BadWords>(tokens_, std::move(list), skip_special);
  }
  TokenId token(std::string_view bytes) { return tokenizer_.token_id(bytes).value(); }

  Tokenizer tokenizer_ = Tokenizer::load("models/talon-tiny");
  SortedTokens tokens_{tokenizer_};
};

bool has_bit(const std::vector<uint32_t>& mask, TokenId id) {
  return ((mask[static_cast<size_t>(id.value) / 32] >> (id.value % 32)) & 1) != 0;
}

TEST_F(BadWordsTest, TheTokenThatEndsAWordMayNotCome) {
  BadWordsMatcher matcher(words({"apple"}));

  EXPECT_TRUE(matcher.allows(token("ap")));
  EXPECT_TRUE(matcher.allows(token("le")));
  matcher.push(token("ap"));
  EXPECT_FALSE(matcher.allows(token("ple")));
  matcher.push(token("p"));
  EXPECT_FALSE(matcher.allows(token("le")));
  EXPECT_FALSE(matcher.allows(token("les"))) << "the word ends within the token";
  EXPECT_TRUE(matcher.allows(token("l")));
  matcher.push(token("l"));
  EXPECT_FALSE(matcher.allows(token("e")));
  matcher.pop(1);
  matcher.push(token("ar"));
  EXPECT_TRUE(matcher.allows(token("le")));
}

TEST_F(BadWordsTest, AWordWithinATokenKeepsItOut) {
  BadWordsMatcher matcher(words({"uest"}));

  EXPECT_FALSE(matcher.allows(token("Question")));
  EXPECT_FALSE(matcher.allows(token("uest")));
  EXPECT_TRUE(matcher.allows(token("est")));
}

TEST_F(BadWordsTest, ABlankBeforeOrAfterAWordDoesNotMatter) {
  BadWordsMatcher matcher(words({"the"}));

  EXPECT_FALSE(matcher.allows(token(" the")));
  EXPECT_FALSE(matcher.allows(token("the")));
}

TEST_F(BadWordsTest, TokensThatTheReaderLeavesOutAddNothing) {
  const TokenId turn = token("]~b]");
  BadWordsMatcher silent(words({"apple"}));
  BadWordsMatcher shown(words({"apple", "]~b"}, false));

  EXPECT_TRUE(silent.allows(turn));
  EXPECT_FALSE(shown.allows(turn));
  for (BadWordsMatcher* matcher : {&silent, &shown}) {
    matcher->push(token("ap"));
    matcher->push(turn);
  }
  EXPECT_FALSE(silent.allows(token("ple"))) << "the text is still ap";
  EXPECT_TRUE(shown.allows(token("ple")));
}

// The reference: a word stands in the text that a token gives, and not in the text before it.
TEST_F(BadWordsTest, MasksAreThoseOfASearch) {
  const std::vector<std::string> list = {"a", "aa", "ab", "the cat", " s", "\xC3\xA9", "12", "111"};
  for (uint64_t seed = 0; seed < 40; ++seed) {
    auto draw = [seed, count = uint64_t{0}](size_t bound) mutable {
      const float share = uniform_float(seed, count++, RngPurpose::kTest);
      return static_cast<size_t>(share * static_cast<float>(bound));
    };
    const std::string word = list[draw(list.size())];
    const std::string other = list[draw(list.size())];
    const std::shared_ptr<const BadWords> bad = words({word, other});
    BadWordsMatcher matcher(bad);
    std::string text;
    for (int step = 0; step < 12; ++step) {
      std::vector<uint32_t> mask(kWords, ~uint32_t{0});
      matcher.clear_forbidden(mask);
      std::vector<TokenId> allowed;
      for (const TokenId id : tokens_.all()) {
        const std::string longer = text + std::string(bad->text_of(id));
        const bool is_allowed =
            longer.find(word) == std::string::npos && longer.find(other) == std::string::npos;
        ASSERT_EQ(has_bit(mask, id), is_allowed) << "'" << text << "' and token " << id.value;
        ASSERT_EQ(matcher.allows(id), is_allowed) << "'" << text << "' and token " << id.value;
        // Short tokens meet the words more often.
        if (is_allowed && bad->text_of(id).size() <= 2) {
          allowed.push_back(id);
        }
      }
      const TokenId next = allowed[draw(allowed.size())];
      matcher.push(next);
      text += bad->text_of(next);
    }
  }
}

}  // namespace
}  // namespace talon::text
