// The translation from Oniguruma's dialect: each difference by itself, and what is refused. That
// the result splits as Oniguruma does is the business of tokenizer_golden_test.cc.
#include <gtest/gtest.h>

#include "text/pattern.h"

namespace talon::text {
namespace {

std::string translated(std::string_view expression) {
  const Result<std::string> result = Pattern::translate(expression);
  return result.ok() ? result.value() : "failed: " + result.message();
}

bool is_refused(std::string_view expression) { return !Pattern::translate(expression).ok(); }

TEST(PatternTranslateTest, KeepsWhatMeansTheSame) {
  for (const char* same :
       {"a|b", "\\p{L}+", " ?[^\\p{Lu}\\p{N}]*", "(?i:'s|'t)?", "a{1,3}b{2}c{4,}", "(?!x)(?<=y)",
        "a?+b++", "\\r\\n\\t", "[!-/\\]\\\\\\-]", "^a.$", "(?i)a|b", "\\Aa\\z", "\\.\\|"}) {
    EXPECT_EQ(translated(same), same);
  }
}

TEST(PatternTranslateTest, SpellsOutClassesThatDiffer) {
  EXPECT_EQ(translated("\\s[^\\s]\\S"), "\\p{White_Space}[^\\p{White_Space}]\\P{White_Space}");
  EXPECT_EQ(translated("\\d\\D"), "\\p{Nd}\\P{Nd}");
  EXPECT_EQ(translated("\\v"), "\\x0B");
  EXPECT_EQ(translated("\\w").substr(0, 14), "[\\p{Alphabetic");
  EXPECT_EQ(translated("\\W").substr(0, 15), "[^\\p{Alphabetic");
  EXPECT_EQ(translated("[\\w]").substr(0, 14), "[\\p{Alphabetic");
}

TEST(PatternTranslateTest, TakesScriptsByScript) {
  EXPECT_EQ(translated("\\p{Han}\\P{Greek}"), "\\p{sc:Han}\\P{sc:Greek}");
  EXPECT_EQ(translated("\\p{^Lu}\\P{^Han}"), "\\P{Lu}\\p{sc:Han}");
  EXPECT_EQ(translated("\\p{Alphabetic}"), "\\p{Alphabetic}");
}

TEST(PatternTranslateTest, ReadsCodePoints) {
  EXPECT_EQ(translated("\\u4e2d\\x41\\x{1F600}"), "\\x{4e2d}\\x{41}\\x{1F600}");
}

TEST(PatternTranslateTest, RefusesWhatWouldChangeItsMeaning) {
  for (const char* refused :
       {"\\h",        "\\R",    "\\b",    "\\K",    "\\1",   "\\Q",   "[\\W]",   "[a[b]]",
        "[a&&b]",     "[]a]",   "[a",     "a{,3}",  "a{2}+", "a{2}?", "a{",      "(?m:a)",
        "(?<name>a)", "(?R)",   "(*UTF)", "a(?i)b", "\\pL",  "\\p{}", "\\p{L&}", "\\p{L",
        "\\x80",      "\\x{41", "\\u12",  "\\",     "\xFF"}) {
    EXPECT_TRUE(is_refused(refused)) << refused;
  }
}

TEST(PatternTranslateTest, NamesThePlace) {
  EXPECT_EQ(translated("ab\\h"),
            "failed: unusable pattern: the escape \\h is not supported at byte 2");
}

TEST(PatternTranslateTest, BoundsTheLength) {
  EXPECT_FALSE(is_refused(std::string(kMaxPatternBytes, 'a')));
  EXPECT_TRUE(is_refused(std::string(kMaxPatternBytes + 1, 'a')));
}

}  // namespace
}  // namespace talon::text
