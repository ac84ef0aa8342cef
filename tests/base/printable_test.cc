// Names as a hostile file may have them.
#include "base/printable.h"

#include <gtest/gtest.h>

namespace talon {
namespace {

TEST(PrintableTest, KeepsTextAndEscapesWhatWouldBreakALine) {
  EXPECT_EQ(printable("a \"b\\"), "a \"b\\");
  EXPECT_EQ(printable("gr\xC3\xBC\xC3\x9F"), "gr\xC3\xBC\xC3\x9F");
  EXPECT_EQ(printable("b\n\tc\x7F"), "b\\x0a\\x09c\\x7f");
  EXPECT_EQ(printable("\xFFz\xC3"), "\\xffz\\xc3");
}

TEST(PrintableTest, CutsLongTextAndSaysSo) {
  EXPECT_EQ(printable("abcdef", 4), "abcd...");
  EXPECT_EQ(printable("abcd", 4), "abcd");
}

TEST(PrintableTest, CutsBeforeACharacterNotInsideIt) {
  EXPECT_EQ(printable("abc\xC3\xBC", 4), "abc...");
  EXPECT_EQ(printable("abc\xC3\xBC", 5), "abc\xC3\xBC");
}

TEST(QuotedTest, KeepsPlainText) { EXPECT_EQ(quote("caf\xC3\xA9"), "\"caf\xC3\xA9\""); }

TEST(QuotedTest, EscapesWhatWouldEndIt) {
  EXPECT_EQ(quote("\"\\"), "\"\\\"\\\\\"");
  EXPECT_EQ(quote("a\nb\xFF"), "\"a\\x0ab\\xff\"");
}

TEST(QuotedTest, CutsLongTextBetweenCharacters) {
  const std::string almost(kMaxQuotedBytes - 1, 'a');

  EXPECT_EQ(quote(almost + "b"), "\"" + almost + "b\"");
  EXPECT_EQ(quote(almost + "\xC3\xA9"), "\"" + almost + "...\"");
}

}  // namespace
}  // namespace talon
