// What is held and what goes out.
#include "server/api/delta_buffer.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace talon::server {
namespace {

TEST(DeltaBufferTest, TheFirstTextIsNeverHeld) {
  DeltaBuffer buffer({});
  buffer.push_tokens(1);
  buffer.push(DeltaKind::kText, 0, "a");

  const std::vector<Delta> out = buffer.take(false);

  ASSERT_EQ(out.size(), 1U);
  EXPECT_EQ(out[0].text, "a");
  EXPECT_EQ(out[0].num_tokens, 1U);
}

TEST(DeltaBufferTest, TellsTheSizeOfWhatGoesOut) {
  std::vector<size_t> sizes;
  DeltaBuffer buffer({.max_chars = 4, .on_delta = [&](size_t size) { sizes.push_back(size); }});
  buffer.push(DeltaKind::kText, 0, "a caf\u00e9 ");
  EXPECT_TRUE(sizes.empty());

  (void)buffer.take(true);

  EXPECT_EQ(sizes, (std::vector<size_t>{4, 3}));
}

TEST(DeltaBufferTest, HoldsShortTextUntilItIsLongEnoughOrOverdue) {
  DeltaBuffer buffer({.min_chars = 3});
  buffer.push(DeltaKind::kText, 0, "first");
  (void)buffer.take(false);

  buffer.push(DeltaKind::kText, 0, "\u00e9\u00e9");
  EXPECT_TRUE(buffer.take(false).empty()) << "two characters in four bytes";
  EXPECT_FALSE(buffer.empty());
  buffer.push(DeltaKind::kText, 0, "x");
  EXPECT_EQ(buffer.take(false).at(0).text, "\u00e9\u00e9x");

  buffer.push(DeltaKind::kText, 0, "y");
  EXPECT_EQ(buffer.take(true).at(0).text, "y");
}

TEST(DeltaBufferTest, AnotherKindSendsWhatWasHeld) {
  DeltaBuffer buffer({});
  buffer.push(DeltaKind::kReasoning, 0, "first");
  (void)buffer.take(false);

  buffer.push(DeltaKind::kReasoning, 0, "a");
  buffer.push(DeltaKind::kText, 0, "b");
  const std::vector<Delta> out = buffer.take(false);

  ASSERT_EQ(out.size(), 1U);
  EXPECT_EQ(out[0].text, "a");
  EXPECT_EQ(buffer.take(true).at(0).text, "b");
}

TEST(DeltaBufferTest, SplitsLongTextBetweenCharacters) {
  DeltaBuffer buffer({.max_chars = 2});
  buffer.push_tokens(3);
  buffer.push(DeltaKind::kText, 0, "a\u00e9b\u00e9c");

  const std::vector<Delta> out = buffer.take(true);

  ASSERT_EQ(out.size(), 3U);
  EXPECT_EQ(out[0].text, "a\u00e9");
  EXPECT_EQ(out[1].text, "b\u00e9");
  EXPECT_EQ(out[2].text, "c");
  EXPECT_EQ(out[0].num_tokens, 3U);
  EXPECT_EQ(out[1].num_tokens, 0U);
}

TEST(DeltaBufferTest, CallsAreDueAtOnceAndNeverMerge) {
  DeltaBuffer buffer({});
  buffer.push(DeltaKind::kCall, 0, "f");
  buffer.push(DeltaKind::kArguments, 0, "{}");
  buffer.push(DeltaKind::kCall, 1, "f");

  EXPECT_EQ(buffer.take(false).size(), 3U);
}

TEST(DeltaBufferTest, TokensWithoutTextGoWithTheNextOrStayLoose) {
  DeltaBuffer buffer({});
  buffer.push_tokens(2);
  buffer.push(DeltaKind::kText, 0, "");
  EXPECT_TRUE(buffer.take(true).empty());
  buffer.push_tokens(1);
  buffer.push(DeltaKind::kText, 0, "abc");
  buffer.push_tokens(1);

  EXPECT_EQ(buffer.take(true).at(0).num_tokens, 3U);
  EXPECT_EQ(buffer.take_loose_tokens(), 1U);
}

TEST(DeltaBufferTest, AnIntervalCountsTokensInsteadOfCharacters) {
  DeltaBuffer buffer({.min_tokens = 2});
  buffer.push(DeltaKind::kText, 0, "first");
  (void)buffer.take(false);

  buffer.push_tokens(1);
  buffer.push(DeltaKind::kText, 0, "long enough");
  EXPECT_TRUE(buffer.take(false).empty());
  buffer.push_tokens(1);
  buffer.push(DeltaKind::kText, 0, ".");
  EXPECT_EQ(buffer.take(false).size(), 1U);
}

}  // namespace
}  // namespace talon::server
