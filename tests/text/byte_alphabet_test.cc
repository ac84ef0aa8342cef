// Known spellings of GPT-2's alphabet, and the round trip over all bytes.
#include "text/byte_alphabet.h"

#include <gtest/gtest.h>

#include <set>

namespace talon::text {
namespace {

TEST(ByteAlphabetTest, SpellsKnownBytes) {
  EXPECT_EQ(character_of_byte('!'), U'!');
  EXPECT_EQ(character_of_byte(' '), 0x120u);  // the letter that starts most tokens
  EXPECT_EQ(character_of_byte('\n'), 0x10Au);
  EXPECT_EQ(character_of_byte(0x00), 0x100u);
  EXPECT_EQ(character_of_byte(0xAD), 0x143u);  // the last of the 68 that are moved
  EXPECT_EQ(character_of_byte(0xFF), 0xFFu);
}

TEST(ByteAlphabetTest, RoundTripsAllBytes) {
  std::string bytes;
  std::set<char32_t> characters;
  for (int byte = 0; byte < 256; ++byte) {
    bytes.push_back(static_cast<char>(byte));
    characters.insert(character_of_byte(static_cast<uint8_t>(byte)));
  }

  EXPECT_EQ(characters.size(), 256u);
  EXPECT_EQ(bytes_of_spelling(spelling_of_bytes(bytes)), bytes);
}

TEST(ByteAlphabetTest, RefusesWhatIsNotInTheAlphabet) {
  EXPECT_FALSE(bytes_of_spelling("a b"));       // a bare space
  EXPECT_FALSE(bytes_of_spelling("\xC5\x84"));  // U+0144, one past the last
  EXPECT_FALSE(bytes_of_spelling("\xE4\xB8\xAD"));
  EXPECT_FALSE(bytes_of_spelling("a\xC3"));  // invalid UTF-8
  EXPECT_EQ(bytes_of_spelling(""), "");
}

}  // namespace
}  // namespace talon::text
