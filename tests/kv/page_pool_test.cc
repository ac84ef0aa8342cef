// Page ids and their references: who holds what, and what must abort.
#include "kv/page_pool.h"

#include <gtest/gtest.h>

#include <vector>

namespace talon {
namespace {

TEST(PagePoolTest, NeverGivesOutTheNullPage) {
  PagePool pool(4);

  for (int i = 0; i < 3; ++i) {
    const std::optional<PageId> page = pool.allocate();
    ASSERT_TRUE(page.has_value());
    EXPECT_NE(*page, kNullPage);
  }

  EXPECT_FALSE(pool.allocate().has_value());
  for (int32_t id = 1; id <= 3; ++id) {
    pool.release(PageId{id});
  }
}

TEST(PagePoolTest, SharedPageReturnsWithItsLastReference) {
  PagePool pool(2);
  const PageId page = *pool.allocate();
  pool.add_reference(page);

  pool.release(page);
  EXPECT_EQ(pool.num_free(), 0);
  pool.release(page);

  EXPECT_EQ(pool.num_free(), 1);
  pool.check_integrity();
}

TEST(PagePoolTest, EveryAllocationRaisesTheGeneration) {
  PagePool pool(2);
  EXPECT_EQ(pool.ref(PageId{1}).generation, 0U);
  const PageRef first = pool.ref(*pool.allocate());
  EXPECT_EQ(first, (PageRef{.page = PageId{1}, .generation = 1}));
  EXPECT_TRUE(pool.is_current(first));

  pool.release(first.page);
  EXPECT_FALSE(pool.is_current(first)) << "a free page holds nothing";
  const PageRef second = pool.ref(*pool.allocate());

  EXPECT_EQ(second, (PageRef{.page = PageId{1}, .generation = 2}));
  EXPECT_FALSE(pool.is_current(first)) << "the id is another page now";
  EXPECT_TRUE(pool.is_current(second));
  pool.release(second.page);
}

TEST(PagePoolTest, SharingAndCachingLeaveTheGeneration) {
  PagePool pool(2);
  const PageRef ref = pool.ref(*pool.allocate());
  pool.add_reference(ref.page);
  pool.release(ref.page);
  pool.set_cacheable(ref.page, true);
  pool.release(ref.page);

  EXPECT_TRUE(pool.is_current(ref)) << "its content is there still";
  pool.add_reference(ref.page);
  EXPECT_TRUE(pool.is_current(ref));
  pool.release(ref.page);

  const PageRef again = pool.ref(*pool.allocate());  // evicts it
  EXPECT_FALSE(pool.is_current(ref));
  EXPECT_EQ(again.generation, ref.generation + 1);
  pool.release(again.page);
}

TEST(PagePoolTest, NoForeignIdIsCurrent) {
  const PagePool pool(2);

  EXPECT_FALSE(pool.is_current({.page = kNullPage, .generation = 0}));
  EXPECT_FALSE(pool.is_current({.page = PageId{-1}, .generation = 0}));
  EXPECT_FALSE(pool.is_current({.page = PageId{2}, .generation = 0}));
  EXPECT_FALSE(pool.is_current({.page = PageId{1}, .generation = 0})) << "never given out";
}

TEST(PagePoolDeathTest, AbortsOnDoubleFreeAndLeak) {
  EXPECT_DEATH(
      {
        PagePool pool(2);
        const PageId page = *pool.allocate();
        pool.release(page);
        pool.release(page);
      },
      "freed twice");
  EXPECT_DEATH(
      {
        PagePool pool(2);
        (void)pool.allocate();
      },
      "1 pages leaked");
}

TEST(PageTableTest, ReservesWholePagesOrNothing) {
  PagePool pool(4);
  PageTable table(pool);

  EXPECT_TRUE(table.reserve(129));
  EXPECT_EQ(table.capacity_tokens(), 256);
  EXPECT_FALSE(table.reserve(4 * 128));
  EXPECT_EQ(table.capacity_tokens(), 256);
  EXPECT_TRUE(table.reserve(100));
  EXPECT_EQ(pool.num_free(), 1);
}

TEST(PageTableTest, SplitPartsWithTheTail) {
  PagePool pool(5);
  PageTable table(pool);
  ASSERT_TRUE(table.reserve(4 * 128));
  const std::vector<PageId> pages(table.pages().begin(), table.pages().end());
  {
    const PageTable tail = table.split(1);

    EXPECT_EQ(table.pages().size(), 1U);
    EXPECT_EQ(table.pages()[0], pages[0]);
    ASSERT_EQ(tail.pages().size(), 3U);
    EXPECT_EQ(tail.pages()[0], pages[1]);
    EXPECT_EQ(pool.num_free(), 0);
  }

  EXPECT_EQ(pool.num_free(), 3);
  EXPECT_TRUE(table.split(1).pages().empty());
}

TEST(PageTableTest, ReturnsItsPagesWhenItDies) {
  PagePool pool(4);
  {
    PageTable table(pool);
    ASSERT_TRUE(table.reserve(300));
    PageTable moved = std::move(table);
    EXPECT_EQ(pool.num_free(), 0);
  }

  EXPECT_EQ(pool.num_free(), 3);
}

}  // namespace
}  // namespace talon
