// lm-eval's two filters and its comparison, on cases worked by hand from the task's regular
// expressions: strict `#### (\-?[0-9\.\,]+)`, flexible `(-?[$0-9.,]{2,})|(-?[0-9]+)`, last match.
#include "measure/gsm8k.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.h"
#include "support/temp_dir.h"

namespace talon {
namespace {

using testing::HasSubstr;

TEST(Gsm8kTest, StrictTakesTheFirstMarkedNumber) {
  EXPECT_EQ(gsm8k_strict_match("so 3+4 = 7\n#### 7\n#### 8"), "7");
  EXPECT_EQ(gsm8k_strict_match("#### -1,234.50 dollars"), "-1,234.50");
  EXPECT_EQ(gsm8k_strict_match("#### x\n#### 5"), "5");
  EXPECT_EQ(gsm8k_strict_match("####7"), "[invalid]");
  EXPECT_EQ(gsm8k_strict_match("#### $7"), "[invalid]");
  EXPECT_EQ(gsm8k_strict_match(""), "[invalid]");
}

TEST(Gsm8kTest, FlexibleTakesTheLastNumber) {
  EXPECT_EQ(gsm8k_flexible_extract("5 apples and 7 pears"), "7");
  EXPECT_EQ(gsm8k_flexible_extract("it costs $1,200. Bye"), "$1,200.");
  EXPECT_EQ(gsm8k_flexible_extract("from 9 to -3"), "-3");
  EXPECT_EQ(gsm8k_flexible_extract("2+3"), "3");
  EXPECT_EQ(gsm8k_flexible_extract("well... 4 and no more.."), "..");
  EXPECT_EQ(gsm8k_flexible_extract("none"), "[invalid]");
}

TEST(Gsm8kTest, AgreesUpToSignsOfMoneyAndCommas) {
  EXPECT_TRUE(gsm8k_agrees("$1,200.", "steps\n#### 1200"));
  EXPECT_TRUE(gsm8k_agrees("7", "3+4 = <<3+4=7>>7\n#### 7"));
  EXPECT_FALSE(gsm8k_agrees("7.0", "#### 7"));
  EXPECT_FALSE(gsm8k_agrees("[invalid]", "#### 7"));
}

TEST(Gsm8kTest, PromptPutsExamplesBeforeTheQuestion) {
  const std::vector<Gsm8kProblem> examples = {{.question = "Q1?", .answer = "#### 1", .slice = {}}};

  EXPECT_EQ(gsm8k_prompt({}, "Q2?"), "Question: Q2?\nAnswer:");
  EXPECT_EQ(gsm8k_prompt(examples, "Q2?"),
            "Question: Q1?\nAnswer: #### 1\n\nQuestion: Q2?\nAnswer:");
}

TEST(Gsm8kTest, LoadsSlicesAndStopsAtTheLimit) {
  const test::TempDir dir;
  const auto file = dir.write("p.jsonl",
                              "{\"question\":\"a\",\"answer\":\"#### 1\",\"slice\":\"s\"}\n"
                              "{\"question\":\"b\",\"answer\":\"#### 2\"}\n");

  const std::vector<Gsm8kProblem> all = load_gsm8k(file, 0);

  ASSERT_EQ(all.size(), 2U);
  EXPECT_EQ(all[0].slice, "s");
  EXPECT_EQ(all[1].slice, "");
  EXPECT_EQ(load_gsm8k(file, 1).size(), 1U);
}

std::string load_error(const std::filesystem::path& file) {
  try {
    (void)load_gsm8k(file, 0);
  } catch (const Error& error) {
    return error.what();
  }
  return "no error";
}

TEST(Gsm8kTest, NamesFileLineAndField) {
  const test::TempDir dir;

  EXPECT_THAT(load_error(dir.write("a", "{\"question\":\"a\",\"answer\":\"b\"}\n{\"question\":1}")),
              HasSubstr("a:2: field \"question\""));
  EXPECT_THAT(load_error(dir.write("b", "{\"question\":\"a\"}")), HasSubstr("\"answer\""));
  EXPECT_THAT(load_error(dir.write("c", "[1]")), HasSubstr("c:1: not a JSON object"));
  EXPECT_THAT(load_error(dir.write("d", "{")), HasSubstr("malformed JSON"));
  EXPECT_THAT(load_error(dir.write("e", "")), HasSubstr("holds no problem"));
  EXPECT_THAT(load_error(dir / "none"), HasSubstr("cannot be read"));
}

}  // namespace
}  // namespace talon
