// Characters and their classes on cases chosen by hand; the engine's goldens compare more of them
// with Python.
#include "text/characters.h"

#include <gtest/gtest.h>

namespace talon::text {
namespace {

TEST(CharactersTest, CountsAndCutsByCharacter) {
  EXPECT_EQ(num_characters("a\u00e9\U0001F600"), 3);
  EXPECT_EQ(byte_of_character("a\u00e9\U0001F600", 2), 3u);
  EXPECT_EQ(byte_of_character("ab", 9), 2u);
  EXPECT_EQ(split_characters("\u00e9x").size(), 2u);
}

TEST(CharactersTest, TakesAStrayByteForACharacter) {
  EXPECT_EQ(num_characters("a\xFFz"), 3);
  EXPECT_EQ(first_character("\xFF").num_bytes, 1u);
}

TEST(CharactersTest, MapsOneCharacterToSeveral) {
  EXPECT_EQ(to_upper("stra\u00dfe"), "STRASSE");
  EXPECT_EQ(to_title(0xDF), "Ss");
  EXPECT_EQ(to_lower("\u0130"), "i\u0307");
}

TEST(CharactersTest, EndsAWordWithTheFinalSigma) {
  EXPECT_EQ(to_lower("\u0391\u03a3"), "\u03b1\u03c2");
  EXPECT_EQ(to_lower("\u0391\u03a3\u0391"), "\u03b1\u03c3\u03b1");
  EXPECT_EQ(to_lower("\u03a3"), "\u03c3");
}

TEST(CharactersTest, StripsWhatPythonCallsSpace) {
  EXPECT_EQ(strip("\x1c\u3000 x y\t\u00a0"), "x y");
  EXPECT_EQ(strip_left(" x "), "x ");
  EXPECT_EQ(strip_right(" x "), " x");
}

TEST(CharactersTest, ClassifiesCharacters) {
  EXPECT_TRUE(is_digit(0xB2));
  EXPECT_FALSE(is_decimal_digit(0xB2));
  EXPECT_TRUE(is_numeric(0xBD));
  EXPECT_FALSE(is_printable(0x200B));
  EXPECT_TRUE(is_word('_'));
  EXPECT_FALSE(is_word('-'));
}

}  // namespace
}  // namespace talon::text
