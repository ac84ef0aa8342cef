// A million scheduler steps under seeded random load, in shards of consecutive seeds. A shard runs
// seeds until it has its share of the steps and stops at the first fault, whose message says how to
// run that seed alone (sim_main.cc).
#include "sim/simulation.h"

#include <gtest/gtest.h>

#include <chrono>
#include <iostream>

namespace talon::test {
namespace {

constexpr int64_t kSteps = 1'000'000;
constexpr int kShards = 8;
constexpr uint64_t kSeedsApart = 1'000'000;

class SimulationTest : public testing::TestWithParam<int> {};

TEST_P(SimulationTest, HoldsEveryInvariantUnderRandomLoad) {
  const auto start = std::chrono::steady_clock::now();
  const uint64_t first = static_cast<uint64_t>(GetParam()) * kSeedsApart;
  uint64_t seed = first;
  SimReport total;

  while (total.fault.empty() && total.steps < kSteps / kShards) {
    total += simulate(seed++);
  }

  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - start;
  std::cout << "seeds " << first << "-" << seed - 1 << ": " << to_string(total)
            << " seconds=" << took.count() << '\n';
  EXPECT_EQ(total.fault, "");
  EXPECT_GE(total.steps, kSteps / kShards);
}

INSTANTIATE_TEST_SUITE_P(Shards, SimulationTest, testing::Range(0, kShards));

}  // namespace
}  // namespace talon::test
