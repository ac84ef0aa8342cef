// The reservation formula at its edges, against a walk through a round.
#include "kv/reach.h"

#include <gtest/gtest.h>

namespace talon {
namespace {

// The last position a round may write, plus one: the verify's rows, then the chain after a full
// acceptance, for each of `rounds` rounds on top of each other.
int64_t simulated_reach(int64_t kv_len, int32_t max_drafts, int32_t rounds) {
  int64_t reach = 0;
  for (int32_t round = 0; round < rounds; ++round) {
    reach = std::max(reach, kv_len + max_drafts + 1);
    kv_len += max_drafts + 1;  // all accepted
    for (int32_t step = 1; step < max_drafts; ++step) {
      reach = std::max(reach, kv_len + step);
    }
  }
  return reach;
}

TEST(ReachTest, CoversEveryPositionOfARound) {
  for (int32_t drafts = 0; drafts <= kMaxDrafts; ++drafts) {
    for (int32_t rounds = 1; rounds <= 2; ++rounds) {
      EXPECT_EQ(kv_reach(100, drafts, rounds), simulated_reach(100, drafts, rounds))
          << drafts << " drafts, " << rounds << " rounds";
    }
  }
}

}  // namespace
}  // namespace talon
