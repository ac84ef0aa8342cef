// The pool covers every item exactly once, for any number of threads, over and over, and wakes up
// after it slept.
#include "core/thread_pool.h"

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <thread>
#include <vector>

namespace talon {
namespace {

class ThreadPoolTest : public testing::TestWithParam<int> {};

TEST_P(ThreadPoolTest, CoversEveryItemOnce) {
  ThreadPool pool(GetParam(), false);
  for (const int64_t count : {0, 1, 2, 7, 64, 1000}) {
    for (const int64_t grain : {1, 3, 128}) {
      std::vector<std::atomic<int>> hits(static_cast<size_t>(count));

      pool.parallel_for(count, grain, [&hits](int64_t begin, int64_t end) {
        for (int64_t i = begin; i < end; ++i) {
          hits[static_cast<size_t>(i)].fetch_add(1);
        }
      });

      for (const auto& hit : hits) {
        ASSERT_EQ(hit.load(), 1) << count << " items, grain " << grain;
      }
    }
  }
}

TEST_P(ThreadPoolTest, RunsManyShortLoops) {
  ThreadPool pool(GetParam(), false);
  std::atomic<int64_t> sum{0};

  for (int loop = 0; loop < 5000; ++loop) {
    pool.parallel_for(8, 1, [&sum](int64_t begin, int64_t end) { sum.fetch_add(end - begin); });
  }

  EXPECT_EQ(sum.load(), 5000 * 8);
}

INSTANTIATE_TEST_SUITE_P(Threads, ThreadPoolTest, testing::Values(1, 2, 4));

TEST(ThreadPoolSleepTest, WakesWorkersThatWentToSleep) {
  ThreadPool pool(2, false);
  std::atomic<int64_t> sum{0};
  const auto loop = [&] {
    pool.parallel_for(64, 1, [&sum](int64_t begin, int64_t end) { sum.fetch_add(end - begin); });
  };

  loop();
  // Longer than the spin of a worker, which then waits on its condition variable.
  const auto later = std::chrono::steady_clock::now() + std::chrono::milliseconds(5);
  while (std::chrono::steady_clock::now() < later) {
    std::this_thread::yield();
  }
  loop();

  EXPECT_EQ(sum.load(), 128);
}

}  // namespace
}  // namespace talon
