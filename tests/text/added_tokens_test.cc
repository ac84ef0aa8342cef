// Each flag by itself on small texts. Random combinations against the tokenizers package are in
// tokenizer_golden_test.cc.
#include "text/added_tokens.h"

#include <gtest/gtest.h>

namespace talon::text {
namespace {

AddedToken token(int32_t id, std::string content) {
  AddedToken made;
  made.content = std::move(content);
  made.id = TokenId(id);
  return made;
}

// Tokens as <id>, text as it is, segments joined by '|'.
std::string shown(const std::vector<AddedToken>& tokens,
                  std::string_view text,
                  bool parse_special = true) {
  std::string out;
  for (const Segment& segment : AddedTokenFinder(tokens).split(text, parse_special)) {
    out += out.empty() ? "" : "|";
    out += segment.token ? "<" + std::to_string(segment.token->value) + ">"
                         : std::string(segment.text);
  }
  return out;
}

TEST(AddedTokensTest, CutsTokensOutOfText) {
  const std::vector<AddedToken> tokens = {token(1, "<m>")};

  EXPECT_EQ(shown(tokens, "a<m>b<m><m>"), "a|<1>|b|<1>|<1>");
  EXPECT_EQ(shown(tokens, "a<m"), "a<m");
  EXPECT_EQ(shown(tokens, ""), "");
  EXPECT_EQ(shown({}, "text"), "text");
}

TEST(AddedTokensTest, TakesTheLongestTokenAtAPlace) {
  const std::vector<AddedToken> tokens = {token(1, "<a"), token(2, "<a>b"), token(3, "a>bc")};

  EXPECT_EQ(shown(tokens, "<a>bc"), "<2>|c");
  EXPECT_EQ(shown(tokens, "<a>c"), "<1>|>c");
}

TEST(AddedTokensTest, KeepsTheFirstOfTwoWithTheSameContent) {
  EXPECT_EQ(shown({token(1, "x"), token(2, "x")}, "x"), "<1>");
}

TEST(AddedTokensTest, StripsSpaceOnTheAskedSide) {
  AddedToken left = token(1, "<l>");
  left.lstrip = true;
  AddedToken right = token(2, "<r>");
  right.rstrip = true;

  EXPECT_EQ(shown({left, right}, "a \n<l> b"), "a|<1>| b");
  EXPECT_EQ(shown({left, right}, "a <r>\xE2\x80\x83 b"), "a |<2>|b");  // an em space
  EXPECT_EQ(shown({left, right}, "<r> <l>"), "<2>|<1>");               // the first takes the space
}

TEST(AddedTokensTest, LeavesSingleWordsInsideWordsAlone) {
  AddedToken word = token(1, "cat");
  word.single_word = true;

  EXPECT_EQ(shown({word}, "cat cats _cat (cat)"), "<1>| cats _cat (|<1>|)");
  EXPECT_EQ(shown({word},
                  "\xC3\xA9"
                  "cat"),
            "\xC3\xA9"
            "cat");
}

TEST(AddedTokensTest, PassesOverADroppedMatch) {
  AddedToken word = token(1, "<a>");
  word.single_word = true;

  // The dropped match hides the shorter token inside it, as in the package.
  EXPECT_EQ(shown({word, token(2, "a>")}, "x<a> a>"), "x<a> |<2>");
}

TEST(AddedTokensTest, LeavesSpecialTokensInTextIfAsked) {
  AddedToken special = token(1, "<s>");
  special.special = true;

  EXPECT_EQ(shown({special, token(2, "<t>")}, "<s><t>", true), "<1>|<2>");
  EXPECT_EQ(shown({special, token(2, "<t>")}, "<s><t>", false), "<s>|<2>");
}

}  // namespace
}  // namespace talon::text
