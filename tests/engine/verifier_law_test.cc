// That speculation keeps the law of sampled tokens: what a Verifier emits over rounds with drafts
// that are good, bad, adversarial, of the target's own law, drawn by a drafter, or none, against
// the law of a toy target (law_game.h). Each statistic has a twin with a wrong rule of acceptance,
// which must miss the law.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <string>
#include <vector>

#include "tests/engine/law_game.h"

namespace talon {
namespace {

using ops::SlotSettings;
using test::distance;
using test::Game;
using test::kBatch;
using test::Kind;
using test::Rule;

constexpr int32_t kAnswers = 6000;

struct Case {
  std::string name;
  SlotSettings settings;
};

std::vector<Case> cases() {
  return {{"temperature", {.temperature = 0.8F}},
          {"top_p", {.temperature = 1.0F, .top_p = 0.8F}},
          {"top_k, min_p", {.temperature = 1.2F, .top_k = 4, .min_p = 0.05F}},
          {"penalties",
           {.temperature = 0.9F,
            .top_p = 0.95F,
            .repetition = 1.3F,
            .presence = 0.4F,
            .frequency = 0.8F,
            .prompt = {0, 5}}}};
}

// Half the expected sum of |binomial errors| is 0.066 for the law with the most answers, and the
// wrong rules are at 0.33 and more.
constexpr double kNear = 0.08;
constexpr double kFar = 0.25;

TEST(VerifierLawTest, WhateverTheDraftsAre) {
  for (const Case& item : cases()) {
    for (const Kind kind : {Kind::kNone, Kind::kGood, Kind::kBad, Kind::kAdversarial,
                            Kind::kIdentical, Kind::kShared, Kind::kOwn}) {
      const double tv = distance({.settings = item.settings, .kind = kind}, kAnswers);
      EXPECT_LT(tv, kNear) << item.name << ", drafts " << static_cast<int>(kind);
    }
  }
}

TEST(VerifierLawTest, AWrongRuleMissesTheLaw) {
  const SlotSettings settings = cases()[0].settings;
  for (const Kind kind : {Kind::kGood, Kind::kBad, Kind::kAdversarial}) {
    const double tv =
        distance({.settings = settings, .kind = kind, .rule = Rule::kAlways}, kAnswers);
    EXPECT_GT(tv, kFar) << static_cast<int>(kind);
  }
  for (const Kind kind : {Kind::kGood, Kind::kIdentical}) {
    const double tv =
        distance({.settings = settings, .kind = kind, .rule = Rule::kArgmax}, kAnswers);
    EXPECT_GT(tv, kFar) << static_cast<int>(kind);
  }
  EXPECT_GT(distance({.settings = settings, .kind = Kind::kWrongLaw}, kAnswers), kFar);
}

// Noise that a verification once looked at is not that of a later round: with noise keyed by index
// alone this distance is 0.034, and half the expected sum of |binomial errors| is 0.019.
TEST(VerifierLawTest, BlocksOfSuccessiveRoundsAreIndependent) {
  const double tv = distance({.settings = cases()[0].settings, .kind = Kind::kOwn}, 60000);
  EXPECT_LT(tv, 0.024);
}

// What drawing drafts is for.
TEST(VerifierLawTest, DrawnDraftsStandMoreOftenThanTheLikeliest) {
  const auto mean = [](Kind kind) {
    Game game({.settings = {.temperature = 1.0F}, .kind = kind});
    for (int64_t seed = 0; seed < kAnswers; seed += kBatch) {
      game.answers(seed);
    }
    return game.mean_accepted();
  };
  const double greedy = mean(Kind::kGreedyDrafter);
  EXPECT_GT(mean(Kind::kShared), greedy + 0.1);
  EXPECT_GT(mean(Kind::kOwn), greedy + 0.1);
}

// Stronger than a law: with a seed the answer is the same whatever was drafted.
TEST(VerifierLawTest, AnswersOfASeedAreEqualForAllDrafts) {
  for (const Case& item : cases()) {
    const auto expected = Game({.settings = item.settings, .kind = Kind::kNone}).answers(0);
    for (const Kind kind :
         {Kind::kGood, Kind::kBad, Kind::kAdversarial, Kind::kIdentical, Kind::kShared}) {
      const auto answers = Game({.settings = item.settings, .kind = kind}).answers(0);
      for (size_t b = 0; b < kBatch; ++b) {
        const auto shared = std::min(answers[b].size(), expected[b].size());
        ASSERT_TRUE(std::equal(answers[b].begin(),
                               answers[b].begin() + static_cast<std::ptrdiff_t>(shared),
                               expected[b].begin()))
            << item.name << ", drafts " << static_cast<int>(kind);
      }
    }
  }
}

}  // namespace
}  // namespace talon
