// Page ids and their references: who holds what, and what must abort.
#include "kv/page_pool.h"

#include <gtest/gtest.h>

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
