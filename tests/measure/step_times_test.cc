// Covers: measure/bench_step
// Measured steps on a random model: the grid is complete and positive, the engine is left as it
// was, and a table measured at the start drives the policy without changing a token.
#include "measure/step_times.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <memory>
#include <vector>

#include "base/error.h"
#include "base/json.h"
#include "measure/bench_step.h"
#include "stream/completion.h"
#include "support/temp_dir.h"
#include "support/tiny_model.h"

namespace talon {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

TEST(CostTableOfTest, PoolsTimesInTheWrongOrder) {
  std::vector<StepTimes> times;
  const auto add = [&times](int32_t num_sequences, const std::vector<double>& mean_ms) {
    for (const double ms : mean_ms) {
      times.push_back({.num_sequences = num_sequences,
                       .context = 48,
                       .num_drafts = static_cast<int32_t>(times.size() % 4),
                       .mean_ms = ms});
    }
  };
  add(1, {0.7, 2.3, 1.8, 2.0});
  add(4, {1.2, 1.5, 3.0, 5.0});

  const CostTable table = cost_table_of(times);

  const double pooled = (2.3 + 1.8 + 2.0) / 3;
  const double both = (pooled + 1.5) / 2;
  const std::vector<double> expected = {0.7, both, pooled, pooled, 1.2, both, 3.0, 5.0};
  EXPECT_THAT(table.step_ms, testing::Pointwise(testing::DoubleEq(), expected));
}

class StepTimesTest : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    suite_dir = std::make_unique<test::TempDir>();
    test::write_target(*suite_dir / "target");
    test::write_head(*suite_dir / "head");
  }
  static void TearDownTestSuite() { suite_dir.reset(); }

  static EngineConfig config() {
    EngineConfig config;
    config.model_dir = *suite_dir / "target";
    config.draft_model_dir = *suite_dir / "head";
    config.num_speculative_tokens = 2;
    config.max_model_len = 512;
    config.max_num_seqs = 3;
    return config;
  }

  static CompletionRequest request() {
    return {.prompt = "Once upon a time", .max_tokens = 60, .ignore_eos = true};
  }

 private:
  static std::unique_ptr<test::TempDir> suite_dir;
};

std::unique_ptr<test::TempDir> StepTimesTest::suite_dir;

TEST_F(StepTimesTest, EveryPointOfTheGridIsTimed) {
  LocalModel model = open_local_model(config());
  const StepGrid grid{
      .num_sequences = {1, 3}, .contexts = {20, 130}, .num_cycles = 2, .sampling = {}};

  const std::vector<StepTimes> times = measure_steps(model, grid);
  const CostTable table = cost_table_of(times);

  ASSERT_EQ(times.size(), 2U * 2U * 3U);
  for (const StepTimes& point : times) {
    EXPECT_GT(point.verify_ms, 0.0);
    EXPECT_GT(point.extend_ms, 0.0);
    EXPECT_GE(point.draft_ms, 0.0);
    EXPECT_GE(point.step_ms, point.verify_ms);
    EXPECT_GT(point.mean_ms, 0.0);
    EXPECT_GT(table.at(point.num_sequences, point.context, point.num_drafts), 0.0);
  }
  EXPECT_THAT(table.num_sequences, ElementsAre(1, 3));
  EXPECT_THAT(table.contexts, ElementsAre(20, 130));
  EXPECT_EQ(table.max_drafts, 2);
}

TEST_F(StepTimesTest, TheEngineIsLeftIdleAndAnswersAsBefore) {
  LocalModel fresh = open_local_model(config());
  LocalModel model = open_local_model(config());

  (void)measure_cost_table(model);

  EXPECT_FALSE(model.engine->scheduler().has_work());
  EXPECT_EQ(model.engine->scheduler().pool().num_cached(), 0);
  const Completion expected = complete(fresh, request(), {});
  const Completion completion = complete(model, request(), {});
  EXPECT_EQ(completion.tokens, expected.tokens);
  EXPECT_EQ(completion.stats.drafted, expected.stats.drafted) << "the policy fixed again";
}

TEST_F(StepTimesTest, AGridHoldsWhatFits) {
  const LocalModel model = open_local_model(config());
  const std::array<int32_t, 3> contexts = {20, 100, 500};

  const StepGrid grid = fitting_grid(*model.engine, contexts);

  EXPECT_THAT(grid.num_sequences, ElementsAre(1, 2, 3));
  EXPECT_THAT(grid.contexts, ElementsAre(20, 100)) << "500 tokens leave no room to grow in 512";
}

TEST_F(StepTimesTest, APointThatCannotRunIsAnError) {
  LocalModel model = open_local_model(config());

  EXPECT_THROW(
      (void)measure_steps(
          model, {.num_sequences = {4}, .contexts = {20}, .num_cycles = 1, .sampling = {}}),
      Error);
  EXPECT_THROW(
      (void)measure_steps(
          model, {.num_sequences = {1}, .contexts = {600}, .num_cycles = 1, .sampling = {}}),
      Error);
}

TEST_F(StepTimesTest, ThePolicyAutoStartsFromAMeasuredTable) {
  EngineConfig automatic = config();
  automatic.spec_policy = SpecPolicyKind::kAuto;
  EngineConfig none = config();
  none.draft_model_dir.clear();
  LocalModel plain = open_local_model(none);
  LocalModel model = open_measured_model(automatic);

  const Completion expected = complete(plain, request(), {});
  const Completion completion = complete(model, request(), {});

  EXPECT_EQ(completion.tokens, expected.tokens);
}

TEST_F(StepTimesTest, TheBenchmarkReportsEveryPointAndTheTable) {
  BenchStepSettings settings;
  settings.engine = config();
  settings.num_sequences = {1, 2};
  settings.contexts = {20};
  settings.num_cycles = 1;

  const BenchStepResult result = bench_step(settings);
  const Json json = Json::parse(bench_step_json(result));

  EXPECT_EQ(json["points"].size(), 2U * 3U);
  EXPECT_EQ(json["points"][5]["rows"], 6);
  EXPECT_TRUE(parse_cost_table(json["cost_table"].dump()).ok());
  EXPECT_THAT(bench_step_text(result), HasSubstr("context 20"));
}

}  // namespace
}  // namespace talon
