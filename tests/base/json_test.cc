// parse_json on untrusted text: what it takes, and that each refusal says what is wrong.
#include "base/json.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace talon {
namespace {

using testing::HasSubstr;

TEST(JsonTest, KeepsTheOrderOfKeys) {
  const Result<Json> parsed = parse_json(R"({"b": 1, "a": [true, null, "x", -2, 0.5]})");

  ASSERT_TRUE(parsed.ok());
  EXPECT_EQ(parsed.value().dump(), R"({"b":1,"a":[true,null,"x",-2,0.5]})");
}

TEST(JsonTest, RefusesDuplicateKeys) {
  EXPECT_THAT(parse_json(R"({"a": {"k": 1, "k": 2}})").message(), HasSubstr("\"k\" stands twice"));
}

TEST(JsonTest, TakesTheSameKeyInDifferentObjects) {
  EXPECT_TRUE(parse_json(R"([{"k": 1}, {"k": {"k": 2}}])").ok());
}

TEST(JsonTest, RefusesDeepNesting) {
  const std::string deep = std::string(65, '[') + std::string(65, ']');

  EXPECT_THAT(parse_json(deep).message(), HasSubstr("deeper than 64"));
  EXPECT_TRUE(parse_json(deep.substr(1, 128)).ok());
}

TEST(JsonTest, RefusesNumbersThatNothingHolds) {
  EXPECT_THAT(parse_json("[1e999]").message(), HasSubstr("out of range"));
  EXPECT_THAT(parse_json("[9223372036854775808]").message(), HasSubstr("out of range"));
  EXPECT_THAT(parse_json("[99999999999999999999999]").message(), HasSubstr("out of range"));
  EXPECT_TRUE(parse_json("[9223372036854775807, -9223372036854775808, 1e308]").ok());
}

TEST(JsonTest, RefusesInvalidUtf8AndTrailingBytes) {
  EXPECT_FALSE(parse_json("\"\xff\"").ok());
  EXPECT_FALSE(parse_json("{} x").ok());
  EXPECT_FALSE(parse_json("").ok());
  EXPECT_FALSE(parse_json("{\"a\":").ok());
}

}  // namespace
}  // namespace talon
