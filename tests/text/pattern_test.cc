// Splitting on small texts by hand, and the bounds: hostile expressions fail, long texts do not.
#include "text/pattern.h"

#include <gtest/gtest.h>

namespace talon::text {
namespace {

std::vector<std::string> split(std::string_view expression, std::string_view text) {
  const Result<Pattern> pattern = Pattern::compile(expression);
  EXPECT_TRUE(pattern.ok()) << pattern.message();
  MatchScratch scratch;
  PatternSplitter splitter(pattern.value(), scratch, text);
  std::vector<std::string> pieces;
  while (const auto piece = splitter.next()) {
    pieces.emplace_back(*piece);
  }
  EXPECT_EQ(splitter.failure(), "");
  return pieces;
}

using Pieces = std::vector<std::string>;

TEST(PatternTest, ReturnsMatchesAndGaps) {
  EXPECT_EQ(split("\\d+", "ab12cd3"), (Pieces{"ab", "12", "cd", "3"}));
  EXPECT_EQ(split("\\d+", "abc"), (Pieces{"abc"}));
  EXPECT_EQ(split("\\d+", "12"), (Pieces{"12"}));
  EXPECT_EQ(split("\\d+", ""), Pieces{});
}

TEST(PatternTest, CutsAtEmptyMatches) {
  EXPECT_EQ(split("(?=[A-Z])", "aBcD"), (Pieces{"a", "Bc", "D"}));
  EXPECT_EQ(split("x*", "axxb"), (Pieces{"a", "xx", "b"}));
  EXPECT_EQ(split("", "\xC3\xA9z"), (Pieces{"\xC3\xA9", "z"}));
}

TEST(PatternTest, LooksBehindIntoThePieceBefore) {
  EXPECT_EQ(split("a|(?<=a)b", "abb"), (Pieces{"a", "b", "b"}));
}

TEST(PatternTest, FoldsCaseBeyondAscii) {
  EXPECT_EQ(split("(?i:'S)", "x'\xC5\xBF"), (Pieces{"x", "'\xC5\xBF"}));  // the long s
}

TEST(PatternTest, DoesNotTakeFormerSpacesForSpaces) {
  EXPECT_EQ(split("\\s",
                  "a\xE1\xA0\x8E"
                  "b"),
            (Pieces{"a\xE1\xA0\x8E"
                    "b"}));  // U+180E
}

TEST(PatternTest, MatchesWholeTexts) {
  const Result<Pattern> pattern = Pattern::compile("a+");

  EXPECT_TRUE(pattern.value().matches_whole("aa"));
  EXPECT_FALSE(pattern.value().matches_whole("aab"));
  EXPECT_FALSE(pattern.value().matches_whole(""));
}

TEST(PatternTest, RefusesBrokenExpressions) {
  for (const char* broken : {"(", ")", "*a", "[z-a]", "\\p{Nonsense}", "(?<=a*)b", "\\x{110000}"}) {
    const Result<Pattern> pattern = Pattern::compile(broken);
    ASSERT_FALSE(pattern.ok()) << broken;
    EXPECT_EQ(pattern.message().substr(0, 16), "unusable pattern") << pattern.message();
  }
}

TEST(PatternTest, FailsOnCatastrophicExpressions) {
  for (const char* hostile : {"(a+)+[bc]", "(a|a)*[bc]", "(.*)(.*)(.*)(.*)(.*)[yz]"}) {
    const Result<Pattern> pattern = Pattern::compile(hostile);
    ASSERT_TRUE(pattern.ok()) << pattern.message();
    const std::string text(5000, 'a');
    MatchScratch scratch;
    PatternSplitter splitter(pattern.value(), scratch, text);

    EXPECT_FALSE(splitter.next()) << hostile;
    EXPECT_NE(splitter.failure(), "") << hostile;
    EXPECT_FALSE(splitter.next()) << hostile;
  }
}

TEST(PatternTest, TakesRunsOfAMillionBytes) {
  // Backtracks over the whole run once, and repeats a group as often as the run is long.
  EXPECT_EQ(split("\\p{Lu}*\\p{Ll}+|\\p{Lu}+", std::string(1'000'000, 'A')).size(), 1u);
  EXPECT_EQ(split("(?:ab|c)+", std::string(100'000, 'c')).size(), 1u);
}

}  // namespace
}  // namespace talon::text
