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

// Publishes the first page of `tokens` from a fresh page, made before `successor`.
PageId publish_before(PrefixIndex& index,
                      PagePool& pool,
                      std::span<const TokenId> tokens,
                      TokenId successor) {
  const PageId page = *pool.allocate();
  EXPECT_TRUE(index.publish(page_key(root_key(""), tokens.first(kPageTokens)), page, successor));
  return page;
}

TEST(PrefixIndexTest, InsideAMatchTheSuccessorFollows) {
  PagePool pool(8);
  PrefixIndex index(pool, /*by_successor=*/true);
  std::vector<TokenId> tokens = tokens_of(257);
  tokens[128] = TokenId{2};
  const PageId other = publish_before(index, pool, tokens, TokenId{3});
  const PageId second = *pool.allocate();
  const Hash128 first_key = page_key(root_key(""), std::span(tokens).first(128));
  const Hash128 key = page_key(first_key, std::span(tokens).subspan(128, 128));
  ASSERT_TRUE(index.publish(key, second, TokenId{1}));

  // The first page was made before another token: a match may end with it, but not go on.
  const PrefixIndex::Match cut = index.match(root_key(""), std::span(tokens).first(256));
  EXPECT_THAT(cut.pages, ElementsAre(other));
  EXPECT_EQ(cut.key, first_key);
  EXPECT_EQ(cut.key_before, root_key(""));

  const PageId right = publish_before(index, pool, tokens, TokenId{2});
  const PrefixIndex::Match whole = index.match(root_key(""), std::span(tokens).first(256));
  EXPECT_THAT(whole.pages, ElementsAre(right, second));
  EXPECT_EQ(whole.key, key);
  EXPECT_EQ(whole.key_before, first_key);
  index.check_integrity();
  for (const PageId page : {other, second, right}) {
    pool.release(page);
  }
}

TEST(PrefixIndexTest, PagesOfOneKeyAreForgottenOneByOne) {
  PagePool pool(4);
  PrefixIndex index(pool, /*by_successor=*/true);
  const std::vector<TokenId> tokens = tokens_of(128);
  std::vector<PageId> pages;
  for (const int32_t successor : {1, 2, 3}) {
    pages.push_back(publish_before(index, pool, tokens, TokenId{successor}));
  }
  for (const size_t i : {size_t{1}, size_t{2}, size_t{0}}) {
    pool.release(pages[i]);
  }
  const auto found = [&](int32_t successor) {
    return index.match(root_key(""), tokens, TokenId{successor}).pages;
  };

  EXPECT_THAT(found(2), ElementsAre(pages[1]));
  EXPECT_EQ(*pool.allocate(), pages[1]) << "the middle of the list";
  EXPECT_THAT(found(2), ElementsAre(pages[2])) << "the newest that is left";
  index.check_integrity();
  EXPECT_EQ(*pool.allocate(), pages[2]) << "the newest";
  EXPECT_THAT(found(2), ElementsAre(pages[0]));
  index.check_integrity();
  EXPECT_EQ(*pool.allocate(), pages[0]);
  EXPECT_THAT(found(1), IsEmpty());
  index.check_integrity();
  for (const PageId page : pages) {
    pool.release(page);
  }
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
