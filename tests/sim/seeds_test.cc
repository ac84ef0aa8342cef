// Seeds that once failed, each with what they found. A seed means something only as long as
// sim_setup.cc and traffic.cc choose as they did; what it found has a test of its own beside it.
#include <gtest/gtest.h>

#include "sim/simulation.h"

namespace talon::test {
namespace {

// Two conversations part right after a full page. The second one's pages were found behind the
// first one's page, whose last drafter entry was made from the first one's token:
// PrefixIndexTest.InsideAMatchTheSuccessorFollows.
TEST(SeedsTest, MiddlePageOfAMatchHasTheSuccessorOfTheReader) {
  EXPECT_EQ(simulate(156).fault, "");
  EXPECT_EQ(simulate(681).fault, "");
  EXPECT_EQ(simulate(1136).fault, "");
}

}  // namespace
}  // namespace talon::test
