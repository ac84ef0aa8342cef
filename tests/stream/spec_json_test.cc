// The object `spec`: fractions by hand from a few rounds.
#include "stream/spec_json.h"

#include <gtest/gtest.h>

#include "base/json.h"

namespace talon {
namespace {

TEST(SpecJsonTest, HasOneEntryADraftPositionAndOneMoreInTheHistogram) {
  SpecStats stats;
  stats.rounds = 4;
  stats.drafted = 8;
  stats.accepted = 3;
  stats.accepted_histogram[0] = 2;
  stats.accepted_histogram[1] = 1;
  stats.accepted_histogram[2] = 1;
  stats.kept = {.rounds = 4, .tokens = 6, .accepted = 2};

  const Json json = spec_json(stats, 2);

  EXPECT_EQ(json.at("accepted_histogram"), Json({2, 1, 1}));
  EXPECT_EQ(json.at("per_position_rate"), Json({0.5, 0.25}));
  EXPECT_EQ(json.at("acceptance_rate"), 0.375);
  EXPECT_EQ(json.at("tokens_per_forward"), 1.75);
  EXPECT_EQ(json.at("kept"), Json({{"accepted", 2}, {"tokens", 6}, {"rounds", 4}}));
}

TEST(SpecJsonTest, WithoutDraftsHasNoRates) {
  const Json json = spec_json({}, 0);

  EXPECT_EQ(json.at("accepted_histogram"), Json::array({0}));
  EXPECT_EQ(json.at("per_position_rate"), Json::array());
}

}  // namespace
}  // namespace talon
