// BoundedQueue: a full queue answers, order is kept, a closed queue lets its items out.
#include "base/bounded_queue.h"

#include <gtest/gtest.h>

#include <memory>
#include <thread>

namespace talon {
namespace {

TEST(BoundedQueueTest, FullQueueRefusesAndKeepsTheItem) {
  BoundedQueue<std::unique_ptr<int>> queue(1);
  auto second = std::make_unique<int>(2);

  EXPECT_TRUE(queue.try_push(std::make_unique<int>(1)));
  EXPECT_FALSE(queue.try_push(std::move(second)));

  ASSERT_NE(second, nullptr);
  EXPECT_EQ(**queue.try_pop(), 1);
  EXPECT_FALSE(queue.try_pop().has_value());
}

// The ring wraps at every offset, and grows while it is wrapped.
TEST(BoundedQueueTest, KeepsOrderWhileItWrapsAndGrows) {
  constexpr int kCapacity = 11;
  for (int offset = 0; offset < kCapacity; ++offset) {
    BoundedQueue<std::unique_ptr<int>> queue(kCapacity);
    int pushed = 0;
    int popped = 0;
    for (int size = 1; size <= kCapacity; ++size) {
      for (int i = 0; i < offset; ++i) {
        ASSERT_TRUE(queue.try_push(std::make_unique<int>(pushed++)));
        ASSERT_EQ(**queue.try_pop(), popped++);
      }
      ASSERT_TRUE(queue.try_push(std::make_unique<int>(pushed++)));
      ASSERT_EQ(queue.size(), static_cast<size_t>(size));
      if (size == kCapacity) {
        ASSERT_FALSE(queue.try_push(std::make_unique<int>(-1)));
        break;
      }
    }
    while (const auto item = queue.try_pop()) {
      ASSERT_EQ(**item, popped++) << "offset " << offset;
    }
    EXPECT_EQ(popped, pushed);
  }
}

TEST(BoundedQueueTest, ClosedQueueEmptiesAndThenEnds) {
  BoundedQueue<int> queue(4);
  ASSERT_TRUE(queue.try_push(5));

  queue.close();

  const auto deadline = std::chrono::steady_clock::now();
  EXPECT_FALSE(queue.try_push(6));
  EXPECT_EQ(queue.pop_until(deadline), 5);
  EXPECT_FALSE(queue.pop_until(deadline).has_value());
}

TEST(BoundedQueueTest, CarriesItemsBetweenThreadsInOrder) {
  constexpr int kCount = 10000;
  BoundedQueue<int> queue(16);
  std::jthread producer([&queue] {
    for (int i = 0; i < kCount; ++i) {
      while (!queue.try_push(int{i})) {
        std::this_thread::yield();
      }
    }
    queue.close();
  });

  int expected = 0;
  const auto far = std::chrono::steady_clock::now() + std::chrono::minutes(1);
  while (const std::optional<int> item = queue.pop_until(far)) {
    ASSERT_EQ(*item, expected++);
  }

  EXPECT_EQ(expected, kCount);
}

}  // namespace
}  // namespace talon
