// Names of instruction paths, and that the best one is a path this machine has.
#include "core/cpu_path.h"

#include <gtest/gtest.h>

namespace talon {
namespace {

TEST(CpuPathTest, NamesRoundTrip) {
  for (const CpuPath path : {CpuPath::kScalar, CpuPath::kAvx2, CpuPath::kAvx512, CpuPath::kAmx}) {
    EXPECT_EQ(cpu_path_from_name(cpu_path_name(path)), path);
  }
  EXPECT_FALSE(cpu_path_from_name("sse9").has_value());
}

TEST(CpuPathTest, TheBestPathRuns) {
  EXPECT_TRUE(cpu_path_available(CpuPath::kScalar));
  EXPECT_TRUE(cpu_path_available(detect_cpu_path()));
}

}  // namespace
}  // namespace talon
