// Interpolation on a table small enough to do by hand, the file's round trip, and one case for each
// way in which a file can be wrong.
#include "spec/cost_table.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

namespace talon {
namespace {

using testing::HasSubstr;

// 2 and 4 sequences, 100 and 300 tokens, K = 1.
CostTable small_table() {
  return {.num_sequences = {2, 4},
          .contexts = {100, 300},
          .max_drafts = 1,
          .step_ms = {1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0}};
}

TEST(CostTableTest, GivesMeasuredPointsAsTheyAre) {
  const CostTable table = small_table();

  EXPECT_DOUBLE_EQ(table.at(2, 100, 0), 1.0);
  EXPECT_DOUBLE_EQ(table.at(2, 100, 1), 2.0);
  EXPECT_DOUBLE_EQ(table.at(2, 300, 0), 3.0);
  EXPECT_DOUBLE_EQ(table.at(4, 100, 0), 5.0);
  EXPECT_DOUBLE_EQ(table.at(4, 300, 1), 8.0);
}

TEST(CostTableTest, IsLinearBetweenThem) {
  const CostTable table = small_table();

  EXPECT_DOUBLE_EQ(table.at(3, 100, 0), 3.0);
  EXPECT_DOUBLE_EQ(table.at(2, 150, 0), 1.5);
  EXPECT_DOUBLE_EQ(table.at(2.5, 200, 1), 4.0);
}

TEST(CostTableTest, IsConstantBeyondThemButInProportionToMoreSequences) {
  const CostTable table = small_table();

  EXPECT_DOUBLE_EQ(table.at(0, 1, 0), 1.0);
  EXPECT_DOUBLE_EQ(table.at(1, 100, 1), 2.0);
  EXPECT_DOUBLE_EQ(table.at(4, 5000, 0), 7.0);
  EXPECT_DOUBLE_EQ(table.at(8, 100, 0), 10.0);
}

TEST(CostTableTest, OnePointIsATable) {
  const CostTable table{.num_sequences = {1}, .contexts = {10}, .max_drafts = 0, .step_ms = {0.5}};

  EXPECT_DOUBLE_EQ(table.at(1, 10, 0), 0.5);
  EXPECT_DOUBLE_EQ(table.at(3, 99, 0), 1.5);
}

TEST(CostTableTest, RoundTripsThroughItsFile) {
  const CostTable table = small_table();

  const Result<CostTable> parsed = parse_cost_table(to_json(table));

  ASSERT_TRUE(parsed.ok()) << parsed.message();
  EXPECT_EQ(parsed.value().num_sequences, table.num_sequences);
  EXPECT_EQ(parsed.value().contexts, table.contexts);
  EXPECT_EQ(parsed.value().max_drafts, table.max_drafts);
  EXPECT_EQ(parsed.value().step_ms, table.step_ms);
}

TEST(CostTableTest, NotesInTheFileAreIgnored) {
  EXPECT_TRUE(parse_cost_table(R"({"device": "some card", "num_sequences": [1], "contexts": [1],
                                   "max_drafts": 0, "step_ms": [[[1]]]})")
                  .ok());
}

TEST(CostTableTest, AFaultNamesItsField) {
  // Sequences, contexts, K, times; the field that the message names.
  const std::vector<std::pair<std::string, std::string>> cases = {
      {R"("contexts": [1], "max_drafts": 0, "step_ms": [[[1]]])", "num_sequences"},
      {R"("num_sequences": [], "contexts": [1], "max_drafts": 0, "step_ms": [])", "num_sequences"},
      {R"("num_sequences": 1, "contexts": [1], "max_drafts": 0, "step_ms": [[[1]]])",
       "num_sequences"},
      {R"("num_sequences": [0], "contexts": [1], "max_drafts": 0, "step_ms": [[[1]]])",
       "num_sequences"},
      {R"("num_sequences": [2, 2], "contexts": [1], "max_drafts": 0, "step_ms": [[[1]], [[1]]])",
       "num_sequences"},
      {R"("num_sequences": [1025], "contexts": [1], "max_drafts": 0, "step_ms": [[[1]]])",
       "num_sequences"},
      {R"("num_sequences": [1.5], "contexts": [1], "max_drafts": 0, "step_ms": [[[1]]])",
       "num_sequences"},
      {R"("num_sequences": [1], "contexts": [3, 2], "max_drafts": 0, "step_ms": [[[1], [1]]])",
       "contexts"},
      {R"("num_sequences": [1], "contexts": [99999999], "max_drafts": 0, "step_ms": [[[1]]])",
       "contexts"},
      {R"("num_sequences": [1], "contexts": [1], "step_ms": [[[1]]])", "max_drafts"},
      {R"("num_sequences": [1], "contexts": [1], "max_drafts": 8, "step_ms": [[[1]]])",
       "max_drafts"},
      {R"("num_sequences": [1], "contexts": [1], "max_drafts": -1, "step_ms": [[[]]])",
       "max_drafts"},
      {R"("num_sequences": [1], "contexts": [1], "max_drafts": 0)", "step_ms"},
      {R"("num_sequences": [1, 2], "contexts": [1], "max_drafts": 0, "step_ms": [[[1]]])",
       "step_ms"},
      {R"("num_sequences": [1], "contexts": [1, 2], "max_drafts": 0, "step_ms": [[[1]]])",
       "step_ms"},
      {R"("num_sequences": [1], "contexts": [1], "max_drafts": 1, "step_ms": [[[1]]])", "step_ms"},
      {R"("num_sequences": [1], "contexts": [1], "max_drafts": 0, "step_ms": [[1]])", "step_ms"},
      {R"("num_sequences": [1], "contexts": [1], "max_drafts": 0, "step_ms": [[[0]]])", "step_ms"},
      {R"("num_sequences": [1], "contexts": [1], "max_drafts": 0, "step_ms": [[[-1]]])", "step_ms"},
      {R"("num_sequences": [1], "contexts": [1], "max_drafts": 0, "step_ms": [[["1"]]])",
       "step_ms"},
      {R"("num_sequences": [1], "contexts": [1], "max_drafts": 0, "step_ms": [[[1e7]]])",
       "step_ms"}};
  for (const auto& [members, field] : cases) {
    const Result<CostTable> parsed = parse_cost_table("{" + members + "}");

    ASSERT_FALSE(parsed.ok()) << members;
    EXPECT_THAT(parsed.message(), HasSubstr('"' + field + '"')) << members;
  }
}

TEST(CostTableTest, WhatIsNoObjectIsRefused) {
  for (const char* text : {"", "[]", "3", "{", "null", R"({"num_sequences": [1e999]})"}) {
    const Result<CostTable> parsed = parse_cost_table(text);

    ASSERT_FALSE(parsed.ok()) << text;
    EXPECT_FALSE(parsed.message().empty());
  }
}

}  // namespace
}  // namespace talon
