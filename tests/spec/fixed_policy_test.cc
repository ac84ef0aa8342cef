// The policy that always takes the limit.
#include <gtest/gtest.h>

#include <array>

#include "spec/policy.h"

namespace talon {
namespace {

TEST(FixedPolicyTest, TakesTheLimitOfEachRow) {
  const Survival hopeless = [] {
    Survival survival;
    for (int i = 0; i < 100; ++i) {
      survival.observe(1, 0);
    }
    return survival;
  }();
  const std::array<SpecRow, 3> rows = {
      SpecRow{.num_tokens = 1, .max_drafts = 3, .survival = &hopeless},
      SpecRow{.num_tokens = 9, .max_drafts = 0, .survival = &hopeless},
      SpecRow{.num_tokens = 9, .max_drafts = 7, .survival = &hopeless}};
  std::array<int32_t, 3> num_drafts{};

  const auto policy = make_fixed_policy();
  policy->choose(rows, num_drafts);

  EXPECT_EQ(policy->name(), "fixed");
  EXPECT_EQ(num_drafts, (std::array<int32_t, 3>{3, 0, 7}));
}

}  // namespace
}  // namespace talon
