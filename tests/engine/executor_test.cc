// The executor of the CPU: what is queued is done, and nothing is captured.
#include "engine/executor.h"

#include <gtest/gtest.h>

namespace talon {
namespace {

TEST(CpuExecutorTest, HasAStreamAndNeverWaits) {
  const std::unique_ptr<Executor> executor = make_cpu_executor(1, CpuPath::kScalar);

  executor->mark(0);
  executor->wait(0);

  EXPECT_EQ(executor->stream().device(), kCpuDevice);
  EXPECT_EQ(executor->stream().cpu().path(), CpuPath::kScalar);
  EXPECT_FALSE(executor->can_capture());
}

TEST(CpuExecutorDeathTest, CapturesNothing) {
  const std::unique_ptr<Executor> executor = make_cpu_executor(1, CpuPath::kScalar);

  EXPECT_DEATH(executor->capture({.num_sequences = 1}, [] {}), "nothing is captured");
  EXPECT_DEATH(executor->replay({.num_sequences = 1}), "nothing is captured");
}

}  // namespace
}  // namespace talon
