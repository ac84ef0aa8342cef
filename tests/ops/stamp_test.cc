// Stamps of the CPU: nanoseconds of one clock that never goes back.
#include "ops/stamp.h"

#include <gtest/gtest.h>

#include <chrono>
#include <thread>

#include "tests/ops/op_test_util.h"

namespace talon::ops {
namespace {

TEST(StampTest, CountsNanoseconds) {
  for_each_run([](Stream stream) {
    TestTensor times(DType::kI64, {2});
    stamp(stream, {.out = times.view().rows(0, 1)});
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
    stamp(stream, {.out = times.view().rows(1, 1)});

    EXPECT_TRUE(times.guards_intact());
    EXPECT_GE(times.at<int64_t>(1) - times.at<int64_t>(0), 2'000'000);
  });
}

}  // namespace
}  // namespace talon::ops
