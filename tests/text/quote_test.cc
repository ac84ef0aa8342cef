#include "text/quote.h"

#include <gtest/gtest.h>

namespace talon::text {
namespace {

TEST(QuoteTest, KeepsPlainText) { EXPECT_EQ(quote("caf\xC3\xA9"), "\"caf\xC3\xA9\""); }

TEST(QuoteTest, EscapesWhatWouldBreakALine) {
  EXPECT_EQ(quote("a\nb\x7F"), "\"a\\x0ab\\x7f\"");
  EXPECT_EQ(quote("\"\\"), "\"\\\"\\\\\"");
  EXPECT_EQ(quote("\xFFz"), "\"\\xffz\"");
}

TEST(QuoteTest, CutsLongTextBetweenCharacters) {
  const std::string almost(kMaxQuotedBytes - 1, 'a');

  EXPECT_EQ(quote(almost + "b"), "\"" + almost + "b\"");
  EXPECT_EQ(quote(almost + "\xC3\xA9"), "\"" + almost + "...\"");
}

}  // namespace
}  // namespace talon::text
