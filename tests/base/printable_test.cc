// Names as a hostile file may have them.
#include "base/printable.h"

#include <gtest/gtest.h>

namespace talon {
namespace {

TEST(PrintableTest, KeepsTextAndReplacesControlCharacters) {
  EXPECT_EQ(printable("a b\n\tc\x7F"), "a b??c?");
  EXPECT_EQ(printable("gr\xC3\xBC\xC3\x9F"), "gr\xC3\xBC\xC3\x9F");
}

TEST(PrintableTest, CutsLongTextAndSaysSo) {
  EXPECT_EQ(printable("abcdef", 4), "abcd...");
  EXPECT_EQ(printable("abcd", 4), "abcd");
}

TEST(PrintableTest, CutsBeforeACharacterNotInsideIt) {
  EXPECT_EQ(printable("abc\xC3\xBC", 4), "abc...");
  EXPECT_EQ(printable("abc\xC3\xBC", 5), "abc\xC3\xBC");
}

}  // namespace
}  // namespace talon
