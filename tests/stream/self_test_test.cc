// The start-up check on random models: an engine agrees with another of the same weights, and not
// with one of other weights, whether in the prompt or in what it answers.
#include "stream/self_test.h"

#include <gtest/gtest.h>

#include "support/temp_dir.h"
#include "support/tiny_model.h"

namespace talon {
namespace {

class SelfTestTest : public testing::Test {
 protected:
  SelfTestTest() {
    test::write_target(dir_ / "target");
    test::write_target(dir_ / "other", {.seed = 2});
    test::write_head(dir_ / "head");
  }

  EngineConfig config(const char* name) const {
    EngineConfig config;
    config.model_dir = dir_ / name;
    config.device = DeviceChoice::kCpu;
    config.max_model_len = 1300;
    return config;
  }

  test::TempDir dir_;
};

TEST_F(SelfTestTest, TheSameWeightsAgree) {
  EngineConfig drafting = config("target");
  drafting.draft_model_dir = dir_ / "head";
  LocalModel tested = open_local_model(drafting);
  LocalModel reference = open_local_model(config("target"));

  const SelfTestReport report = compare_engines(tested, reference);

  EXPECT_EQ(report.num_prompt_tokens, 600);
  EXPECT_EQ(report.num_answer_tokens, 16);
  EXPECT_EQ(report.mean_difference, 0.0);
  EXPECT_EQ(report.answer_gap, 0.0);
  EXPECT_FALSE(tested.engine->scheduler().has_work());
  EXPECT_EQ(tested.engine->scheduler().pool().num_cached(), 0);
}

TEST_F(SelfTestTest, OtherWeightsDoNot) {
  LocalModel tested = open_local_model(config("target"));
  LocalModel reference = open_local_model(config("other"));

  const SelfTestReport report = compare_engines(tested, reference);

  const SelfTestBounds bounds = self_test_bounds(ActivationType::kBf16);
  EXPECT_GT(report.mean_difference, bounds.mean_difference);
  EXPECT_GT(report.answer_gap, bounds.answer_gap);
}

TEST_F(SelfTestTest, AShortContextIsEnough) {
  EngineConfig small = config("target");
  small.max_model_len = 64;
  LocalModel tested = open_local_model(small);
  LocalModel reference = open_local_model(small);

  EXPECT_EQ(compare_engines(tested, reference).num_prompt_tokens, 32);
}

TEST_F(SelfTestTest, ForcedAcceptanceIsJudgedByThePromptAlone) {
  EngineConfig forced = config("target");
  forced.draft_model_dir = dir_ / "head";
  forced.acceptance_length = 2.5;
  LocalModel tested = open_local_model(forced);
  LocalModel reference = open_local_model(config("target"));

  const SelfTestReport report = compare_engines(tested, reference);

  EXPECT_EQ(report.num_answer_tokens, 0);
  EXPECT_EQ(report.mean_difference, 0.0);
}

TEST_F(SelfTestTest, OnTheCpuThereIsNothingToCompare) {
  LocalModel model = open_local_model(config("target"));

  EXPECT_FALSE(self_test(model, config("target")).has_value());
}

}  // namespace
}  // namespace talon
