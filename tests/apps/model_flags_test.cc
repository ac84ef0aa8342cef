// Flags of a model to an engine's settings: what is not given keeps its default.
#include "apps/talon/model_flags.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace talon {
namespace {

EngineConfig parse(std::vector<std::string> arguments) {
  CLI::App app;
  ModelFlags flags;
  add_model_flags(app, flags);
  app.parse(std::move(arguments));  // the last argument comes first
  return flags.engine;
}

TEST(ModelFlagsTest, LaunchAheadIsUpToTheDeviceUnlessItIsGiven) {
  EXPECT_FALSE(parse({}).async_scheduling.has_value());
  EXPECT_EQ(parse({"--async-scheduling"}).async_scheduling, true);
  EXPECT_EQ(parse({"--no-async-scheduling"}).async_scheduling, false);
}

TEST(ModelFlagsTest, SwitchesKeepTheirDefaults) {
  EXPECT_TRUE(parse({}).enable_prefix_caching);
  EXPECT_FALSE(parse({"--no-enable-prefix-caching"}).enable_prefix_caching);
  EXPECT_FALSE(parse({}).enforce_eager);
  EXPECT_TRUE(parse({"--enforce-eager"}).enforce_eager);
}

TEST(ModelFlagsTest, NumbersReachTheEngine) {
  const EngineConfig config = parse({"7", "--max-queue-len", "3", "--max-num-seqs"});

  EXPECT_EQ(config.max_queue_len, 7);
  EXPECT_EQ(config.max_num_seqs, 3);
}

}  // namespace
}  // namespace talon
