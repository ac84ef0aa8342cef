// Expected values are worked out by hand from the Unicode Standard, table 3-7 and its examples of
// maximal subparts; the incremental form is compared with the whole one at every cut.
#include "base/utf8.h"

#include <gtest/gtest.h>

namespace talon {
namespace {

const std::string kR(kReplacement);

TEST(Utf8Test, ReadsCharactersOfEachLength) {
  EXPECT_EQ(next_utf8("a").code_point, U'a');
  EXPECT_EQ(next_utf8("\xC3\xA9x").code_point, 0xE9u);
  EXPECT_EQ(next_utf8("\xE4\xB8\xAD").code_point, 0x4E2Du);
  EXPECT_EQ(next_utf8("\xF0\x9F\x98\x80").code_point, 0x1F600u);
  EXPECT_EQ(next_utf8("\xF4\x8F\xBF\xBF").code_point, 0x10FFFFu);
  EXPECT_EQ(next_utf8("\xF0\x9F\x98\x80").num_bytes, 4u);
}

TEST(Utf8Test, TellsIncompleteFromInvalid) {
  EXPECT_EQ(next_utf8("\xF0\x9F\x98").kind, Utf8Kind::kIncomplete);
  EXPECT_EQ(next_utf8("\xF0\x9F\x98").num_bytes, 3u);
  EXPECT_EQ(next_utf8("\xF0\x9F\x41").kind, Utf8Kind::kInvalid);
  EXPECT_EQ(next_utf8("\xF0\x9F\x41").num_bytes, 2u);
  EXPECT_EQ(next_utf8("\x80").kind, Utf8Kind::kInvalid);
}

TEST(Utf8Test, ReplacesEachMaximalSubpart) {
  EXPECT_EQ(to_valid_utf8("a\xFFz"), "a" + kR + "z");
  EXPECT_EQ(to_valid_utf8("\xC0\xAF"), kR + kR);                    // overlong
  EXPECT_EQ(to_valid_utf8("\xE0\x80\xAF"), kR + kR + kR);           // overlong
  EXPECT_EQ(to_valid_utf8("\xED\xA0\x80"), kR + kR + kR);           // surrogate
  EXPECT_EQ(to_valid_utf8("\xF4\x90\x80\x80"), kR + kR + kR + kR);  // above U+10FFFF
  EXPECT_EQ(to_valid_utf8("\xE2\x82z"), kR + "z");                  // cut short inside
  EXPECT_EQ(to_valid_utf8("\xE2\x82"), kR);                         // cut short at the end
  EXPECT_EQ(to_valid_utf8("\xF0\x9F\x98\xF0\x9F\x98\x80"), kR + "\xF0\x9F\x98\x80");
}

TEST(Utf8Test, FindsTheValidPrefix) {
  EXPECT_EQ(valid_utf8_prefix(""), 0u);
  EXPECT_EQ(valid_utf8_prefix("0123456789abcdef"), 16u);
  EXPECT_EQ(valid_utf8_prefix("0123456\xC3\xA9x\xC3"), 10u);
}

TEST(Utf8Test, LeavesNoTraceOfCuts) {
  const std::string bytes =
      "a\xC3\xA9\xE4\xB8\xAD\xF0\x9F\x98\x80\xE2\x82z\xFF\xED\xA0\x80\xF0\x9F\x98";
  const std::string whole = to_valid_utf8(bytes);

  for (size_t first = 0; first <= bytes.size(); ++first) {
    for (size_t second = first; second <= bytes.size(); ++second) {
      Utf8Assembler assembler;
      std::string text = assembler.push(bytes.substr(0, first));
      text += assembler.push(bytes.substr(first, second - first));
      text += assembler.push(bytes.substr(second));
      EXPECT_EQ(text + assembler.finish(), whole) << first << " " << second;
    }
  }
}

TEST(Utf8Test, HoldsBackOnlyUnfinishedCharacters) {
  Utf8Assembler assembler;

  EXPECT_EQ(assembler.push("a\xF0\x9F"), "a");
  EXPECT_EQ(assembler.push("\x98"), "");
  EXPECT_EQ(assembler.push("\x80z"), "\xF0\x9F\x98\x80z");
  EXPECT_EQ(assembler.finish(), "");
}

TEST(Utf8Test, KnowsWhiteSpace) {
  for (const char32_t c : {0x09u, 0x0Du, 0x20u, 0x85u, 0xA0u, 0x1680u, 0x2000u, 0x200Au, 0x3000u}) {
    EXPECT_TRUE(is_white_space(c)) << static_cast<uint32_t>(c);
  }
  // The last two looked like spaces once: U+180E and the zero-width space.
  for (const char32_t c : {0x08u, 0x0Eu, 0x21u, 0x61u, 0x180Eu, 0x200Bu}) {
    EXPECT_FALSE(is_white_space(c)) << static_cast<uint32_t>(c);
  }
}

TEST(Utf8Test, FindsTheLastCharacter) {
  EXPECT_EQ(last_character("ab"), 1u);
  EXPECT_EQ(last_character("a\xE4\xB8\xAD"), 1u);
}

}  // namespace
}  // namespace talon
