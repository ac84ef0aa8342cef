// Chain keys, what is found by them, and what happens when cached pages are given away.
#include "kv/prefix_index.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <vector>

namespace talon {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

std::vector<TokenId> tokens_of(int64_t count, int32_t value = 1) {
  return std::vector<TokenId>(static_cast<size_t>(count), TokenId{value});
}

// Publishes the full pages of `tokens` from fresh pages, which stay in use.
std::vector<PageId> publish(PrefixIndex& index, PagePool& pool, std::span<const TokenId> tokens) {
  std::vector<PageId> pages;
  Hash128 key = root_key("");
  for (size_t first = 0; first + kPageTokens <= tokens.size(); first += kPageTokens) {
    key = page_key(key, tokens.subspan(first, kPageTokens));
    pages.push_back(*pool.allocate());
    EXPECT_TRUE(index.publish(key, pages.back()));
  }
  return pages;
}

TEST(PrefixIndexTest, MatchesTheLongestPrefixOfFullPages) {
  PagePool pool(8);
  PrefixIndex index(pool);
  const std::vector<PageId> pages = publish(index, pool, tokens_of(256));
  std::vector<TokenId> other = tokens_of(256);
  other[200] = TokenId{2};

  EXPECT_EQ(index.match(root_key(""), tokens_of(300)).pages, pages);
  EXPECT_THAT(index.match(root_key(""), tokens_of(255)).pages, ElementsAre(pages[0]));
  EXPECT_THAT(index.match(root_key(""), other).pages, ElementsAre(pages[0]));
  EXPECT_THAT(index.match(root_key("salt"), tokens_of(256)).pages, IsEmpty());
  EXPECT_THAT(index.match(root_key(""), tokens_of(127)).pages, IsEmpty());
  for (const PageId page : pages) {
    pool.release(page);
  }
}

TEST(PrefixIndexTest, KeyDependsOnThePagesBefore) {
  const std::vector<TokenId> page = tokens_of(kPageTokens);

  EXPECT_FALSE(page_key(root_key(""), page) == page_key(page_key(root_key(""), page), page));
}

TEST(PrefixIndexTest, GivesAwayThePageReleasedLongestAgo) {
  PagePool pool(4);
  PrefixIndex index(pool);
  PageTable table(pool);
  ASSERT_TRUE(table.reserve(384));
  Hash128 key = root_key("");
  for (const PageId page : table.pages()) {
    key = page_key(key, tokens_of(kPageTokens));
    ASSERT_TRUE(index.publish(key, page));
  }
  const std::vector<PageId> pages(table.pages().begin(), table.pages().end());
  table.clear();
  EXPECT_EQ(pool.num_cached(), 3);
  EXPECT_EQ(pool.num_free(), 0);

  const PageId taken = *pool.allocate();

  EXPECT_EQ(taken, pages[2]) << "the end of a prefix goes before its start";
  EXPECT_THAT(index.match(root_key(""), tokens_of(384)).pages, ElementsAre(pages[0], pages[1]));
  pool.release(taken);
  EXPECT_EQ(pool.num_free(), 1);
  pool.check_integrity();
  index.check_integrity();
}

TEST(PrefixIndexTest, SharedPageLeavesTheCacheAndComesBack) {
  PagePool pool(3);
  PrefixIndex index(pool);
  const PageId page = publish(index, pool, tokens_of(128)).front();
  pool.release(page);
  EXPECT_EQ(pool.num_cached(), 1);

  PageTable table(pool);
  table.share(index.match(root_key(""), tokens_of(128)).pages);
  EXPECT_EQ(pool.num_cached(), 0);
  EXPECT_TRUE(table.reserve(256));
  EXPECT_FALSE(table.reserve(384)) << "a page in use is never given away";
  table.clear();

  EXPECT_EQ(pool.num_cached(), 1);
  EXPECT_EQ(pool.num_available(), 2);
}

TEST(PrefixIndexTest, KeepsTheFirstOfTwoEqualPages) {
  PagePool pool(3);
  PrefixIndex index(pool);
  const PageId first = publish(index, pool, tokens_of(128)).front();
  const PageId second = *pool.allocate();

  EXPECT_FALSE(index.publish(page_key(root_key(""), tokens_of(128)), second));
  pool.release(second);
  pool.release(first);

  EXPECT_EQ(pool.num_free(), 1);
  EXPECT_EQ(pool.num_cached(), 1);
}

TEST(PrefixIndexTest, ClearForgetsCachedPagesAndThoseInUse) {
  PagePool pool(4);
  PrefixIndex index(pool);
  const std::vector<PageId> pages = publish(index, pool, tokens_of(256));
  pool.release(pages[1]);

  index.clear();

  EXPECT_THAT(index.match(root_key(""), tokens_of(256)).pages, IsEmpty());
  EXPECT_EQ(pool.num_free(), 2);
  pool.release(pages[0]);
  EXPECT_EQ(pool.num_free(), 3);
  pool.check_integrity();
}

}  // namespace
}  // namespace talon
