// Numbers with the suffixes that vLLM takes.
#include "apps/talon/count.h"

#include <gtest/gtest.h>

namespace talon {
namespace {

TEST(CountTest, SmallLettersAreThousandsAndCapitalsAre1024s) {
  EXPECT_EQ(parse_count("0"), 0);
  EXPECT_EQ(parse_count("32768"), 32'768);
  EXPECT_EQ(parse_count("32k"), 32'000);
  EXPECT_EQ(parse_count("32K"), 32'768);
  EXPECT_EQ(parse_count("25.6k"), 25'600);
  EXPECT_EQ(parse_count("0.5m"), 500'000);
  EXPECT_EQ(parse_count("1M"), 1'048'576);
  EXPECT_EQ(parse_count("2g"), 2'000'000'000);
  EXPECT_EQ(parse_count("2G"), int64_t{2} << 30);
}

TEST(CountTest, NothingElseIsANumber) {
  for (const char* text :
       {"", "k", "-1", "+1", "1kk", "1T", "1 k", "0x10", "1e3", "1.5", "1.5K", "1.", ".5k",
        "1.2345k", "1.-5k", "9999999999999999999", "9000000000G", "auto"}) {
    EXPECT_EQ(parse_count(text), std::nullopt) << text;
  }
}

}  // namespace
}  // namespace talon
