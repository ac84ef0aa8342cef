// Flags of a model to an engine's settings: what is not given keeps its default.
#include "apps/talon/model_flags.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

#include "support/error_message.h"

namespace talon {
namespace {

using testing::HasSubstr;

EngineConfig parse(std::vector<std::string> arguments) {
  CLI::App app;
  ModelFlags flags;
  add_model_flags(app, flags);
  app.parse(std::move(arguments));  // the last argument comes first
  return flags.engine;
}

// What is wrong with a command line; empty: nothing.
std::string fault_of(std::vector<std::string> arguments) {
  try {
    (void)parse(std::move(arguments));
  } catch (const CLI::ParseError& error) {
    return error.what();
  }
  return "";
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

TEST(ModelFlagsTest, CountsHaveSuffixesAndTheContextMayBeLeftToTheEngine) {
  EXPECT_EQ(parse({"32k", "--max-model-len"}).max_model_len, 32'000);
  EXPECT_EQ(parse({"1M", "--max-model-len"}).max_model_len, 1'048'576);
  EXPECT_EQ(parse({"auto", "--max-model-len"}).max_model_len, 0);
  EXPECT_EQ(parse({"-1", "--max-model-len"}).max_model_len, 0);
  EXPECT_EQ(parse({"2K", "--max-num-batched-tokens"}).max_num_batched_tokens, 2048);
  EXPECT_EQ(parse({"1.5g", "--kv-cache-bytes"}).kv_cache_bytes, 1'500'000'000);
  for (const char* text : {"4x", "3G", "-2", "1.5"}) {
    EXPECT_THAT(fault_of({text, "--max-model-len"}), HasSubstr("--max-model-len")) << text;
  }
  EXPECT_THAT(fault_of({"auto", "--kv-cache-bytes"}), HasSubstr("--kv-cache-bytes"));
}

TEST(ModelFlagsTest, OverridesAndDummyWeightsReachTheEngine) {
  ModelFlags flags;
  flags.model = "somewhere";
  EXPECT_EQ(resolve(flags).config_overrides, "");
  EXPECT_FALSE(resolve(flags).dummy_weights);
  flags.hf_overrides = R"({"hidden_size": 8})";
  flags.load_format = "dummy";
  EXPECT_EQ(resolve(flags).config_overrides, flags.hf_overrides);
  EXPECT_TRUE(resolve(flags).dummy_weights);
  flags.hf_overrides = "{";
  EXPECT_THAT(test::error_message([&] { (void)resolve(flags); }), HasSubstr("hf-overrides"));
}

}  // namespace
}  // namespace talon
