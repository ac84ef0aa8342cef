// Covers: measure/bench_latency
// The two benchmarks that run whole requests, on a random model: what they count and what they
// print, not how fast it is.
#include "measure/bench_throughput.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>

#include "base/error.h"
#include "base/json.h"
#include "measure/bench_latency.h"
#include "support/temp_dir.h"
#include "support/tiny_model.h"

namespace talon {
namespace {

using testing::HasSubstr;

class BenchThroughputTest : public testing::Test {
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
    config.max_model_len = 512;
    config.max_num_seqs = 2;
    return config;
  }

  static std::vector<Gsm8kProblem> problems() {
    return {{.question = "How many?", .answer = "#### 1", .slice = {}},
            {.question = "And how many in all of them?", .answer = "#### 2", .slice = {}}};
  }

 private:
  static std::unique_ptr<test::TempDir> suite_dir;
};

std::unique_ptr<test::TempDir> BenchThroughputTest::suite_dir;

TEST_F(BenchThroughputTest, RowsHaveTheThreeEnginesAndTheirRatios) {
  BenchThroughputSettings settings;
  settings.engine = config();
  settings.problems = problems();
  settings.concurrency = {1, 3};  // one more than the engine was to run
  settings.num_prompts = 4;
  settings.num_repetitions = 2;
  settings.max_tokens = 8;
  int64_t num_runs = 0;

  const BenchThroughputResult result =
      bench_throughput(settings, [&](int64_t done, int64_t) { num_runs = done; });
  const Json json = Json::parse(bench_throughput_json(result));

  EXPECT_EQ(num_runs, 2 * 2 * 3);
  ASSERT_EQ(json["rows"].size(), 2U);
  const Json& row = json["rows"][1];
  EXPECT_EQ(row["concurrency"], 3);
  for (const char* engine : {"none", "eagle3", "auto"}) {
    EXPECT_GT(row[engine]["output_tokens_per_s"], 0.0);
    EXPECT_GT(row[engine]["total_tokens_per_s"], row[engine]["output_tokens_per_s"]);
  }
  EXPECT_EQ(row["none"]["acceptance_rate"], 0.0);
  EXPECT_EQ(row["none"]["tokens_per_forward"], 1.0);
  EXPECT_GT(row["uplift"], -1.0);
  EXPECT_GT(row["auto_of_best"], 0.0);
  EXPECT_EQ(json["prefix_cache"], false);
  EXPECT_THAT(bench_throughput_text(result), HasSubstr("prefix cache off"));
}

TEST_F(BenchThroughputTest, TheSeedsUpliftStandsBesideOurs) {
  BenchThroughputResult result;
  result.rows = {{.concurrency = 8, .engines = {}}, {.concurrency = 5, .engines = {}}};

  const std::string text = bench_throughput_text(result);

  EXPECT_THAT(text, HasSubstr("+43 %"));
  EXPECT_EQ(text.find("+63 %"), std::string::npos);
}

TEST_F(BenchThroughputTest, LatencyRunsTheLengthsThatWereAskedFor) {
  BenchLatencySettings settings;
  settings.engine = config();
  settings.problems = problems();
  settings.batch_size = 3;
  settings.input_len = 200;
  settings.output_len = 20;
  settings.num_iterations = 2;

  const BenchLatencyResult result = bench_latency(settings);
  const Json json = Json::parse(bench_latency_json(result));

  EXPECT_GT(result.batch_ms.min, result.first_token_ms.min);
  EXPECT_EQ(result.stats.kept.tokens, 2 * 3 * (20 - 1)) << "the first comes from the prefill";
  EXPECT_EQ(json["batch_size"], 3);
  EXPECT_THAT(bench_latency_text(result), HasSubstr("3 requests of 200 tokens in and 20 out"));
}

TEST_F(BenchThroughputTest, LatencyBeyondTheContextIsAnError) {
  BenchLatencySettings settings;
  settings.engine = config();
  settings.problems = problems();
  settings.input_len = 500;

  EXPECT_THROW((void)bench_latency(settings), Error);
}

}  // namespace
}  // namespace talon
