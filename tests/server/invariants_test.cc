// Which numbers of an engine cannot be.
#include "server/invariants.h"

#include <gtest/gtest.h>

#include "server/engine_thread.h"

namespace talon::server {
namespace {

using Broken = std::array<bool, 3>;

constexpr TurnFacts kIdle{};
constexpr TurnFacts kStepped{.has_work = true, .has_stepped = true, .could_step = true};
constexpr TurnFacts kStuck{.has_work = true, .has_stepped = false, .could_step = true};

EngineSnapshot pages(int32_t num_free, int32_t num_cached) {
  return {.num_pages = 10, .num_free_pages = num_free, .num_cached_pages = num_cached};
}

TEST(InvariantsTest, HoldOfAnEngineAtRestAndAtWork) {
  EXPECT_EQ(broken_invariants(pages(8, 2), kIdle), Broken{});
  EXPECT_EQ(broken_invariants(pages(3, 2), kStepped), Broken{});
}

TEST(InvariantsTest, PagesThatNobodyHoldsAreLost) {
  EXPECT_EQ(broken_invariants(pages(7, 2), kIdle), (Broken{false, true, false}));
}

TEST(InvariantsTest, NoCountIsNegativeOrBeyondThePool) {
  EXPECT_EQ(broken_invariants(pages(-1, 2), kStepped), (Broken{true, false, false}));
  EXPECT_EQ(broken_invariants(pages(9, 2), kStepped), (Broken{true, false, false}));
}

TEST(InvariantsTest, AQueueMovesWhileNothingRuns) {
  EngineSnapshot numbers = pages(8, 2);
  numbers.num_waiting = 3;
  EXPECT_EQ(broken_invariants(numbers, kStuck), (Broken{false, false, true}));
  EXPECT_EQ(broken_invariants(numbers, kStepped), Broken{});
  // What runs may have been cancelled in a turn without a step.
  numbers.num_running = 1;
  EXPECT_EQ(broken_invariants(numbers, kStuck), Broken{});
}

}  // namespace
}  // namespace talon::server
