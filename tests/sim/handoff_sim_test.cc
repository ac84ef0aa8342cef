// Two engines under seeded random load, in shards of consecutive seeds. A shard runs seeds until it
// has its share of the steps and stops at the first fault, whose message says how to run that seed
// alone (sim_main.cc). A transport that breaks a rule is found out.
#include "sim/handoff_sim.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <iostream>
#include <string>

namespace talon::test {
namespace {

using testing::AnyOf;
using testing::HasSubstr;

constexpr int64_t kSteps = 1'000'000;
constexpr int kShards = 4;
constexpr uint64_t kSeedsApart = 1'000'000;

class HandoffSimulationTest : public testing::TestWithParam<int> {};

TEST_P(HandoffSimulationTest, HoldsEveryInvariantUnderRandomLoad) {
  const auto start = std::chrono::steady_clock::now();
  const uint64_t first = static_cast<uint64_t>(GetParam()) * kSeedsApart;
  uint64_t seed = first;
  HandoffReport total;

  while (total.fault.empty() && total.steps < kSteps / kShards) {
    total += simulate_handoffs(seed++);
  }

  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - start;
  std::cout << "seeds " << first << "-" << seed - 1 << ": " << to_string(total)
            << " seconds=" << took.count() << '\n';
  EXPECT_EQ(total.fault, "");
  EXPECT_GE(total.steps, kSteps / kShards);
  // Everything that may happen did.
  EXPECT_GT(total.transport.arrived, 100);
  EXPECT_GT(total.transport.failed, 100);
  EXPECT_GT(total.transport.stopped, 10);
  EXPECT_GT(total.transport.late_copies, 10);
  EXPECT_GT(total.transport.stale_copies, 10);
  EXPECT_GT(total.transport.skipped_pages, 10);
  EXPECT_GT(total.preemptions, 10);
}

INSTANTIATE_TEST_SUITE_P(Shards, HandoffSimulationTest, testing::Range(0, kShards));

// The first fault of some hundred seeds under a transport that breaks a rule.
std::string first_fault(BrokenRule broken) {
  std::string fault;
  for (uint64_t seed = 0; seed < 400 && fault.empty(); ++seed) {
    fault = simulate_handoffs(seed, broken).fault;
  }
  return fault;
}

TEST(BrokenTransportTest, PagesThatReturnTooEarlyAreNoticed) {
  EXPECT_THAT(first_fault(BrokenRule::kQuiescesEarly),
              AnyOf(HasSubstr("may still be written by a peer"),
                    HasSubstr("was given away, and a peer may write it")));
}

TEST(BrokenTransportTest, PartsOfAPromptAreNoticed) {
  EXPECT_THAT(first_fault(BrokenRule::kArrivesEarly), HasSubstr("entry at"));
}

TEST(BrokenTransportTest, CopiesOfAnotherPageAreNoticed) {
  EXPECT_THAT(first_fault(BrokenRule::kIgnoresGenerations), HasSubstr("entry at"));
}

}  // namespace
}  // namespace talon::test
