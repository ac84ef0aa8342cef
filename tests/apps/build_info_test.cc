// What the program says of itself.
#include "apps/talon/build_info.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace talon {
namespace {

TEST(BuildInfoTest, TheTextHasVersionCommitAndBackend) {
  EXPECT_THAT(std::string(source_commit()),
              testing::MatchesRegex("unknown|[0-9a-f]{12}(-dirty)?|[A-Za-z0-9._+-]+"));
  EXPECT_THAT(version_text(),
              testing::MatchesRegex("talon [0-9.]+, commit [A-Za-z0-9._+-]+, (cpu|cuda)"));
}

}  // namespace
}  // namespace talon
