// A failed check prints condition and message and aborts.
#include "base/check.h"

#include <gtest/gtest.h>

namespace talon {
namespace {

TEST(CheckDeathTest, PrintsConditionAndMessage) {
  const int pages = 0;

  EXPECT_DEATH(TALON_CHECK(pages > 0, "request {} holds {} pages", 7, pages),
               "check failed: pages > 0: request 7 holds 0 pages");
}

TEST(CheckTest, PassesQuietly) { TALON_CHECK(true, "never printed"); }

}  // namespace
}  // namespace talon
