// Small cases by hand, and random texts and stops against the definition, cut at random places.
#include "text/stop_scanner.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>

namespace talon::text {
namespace {

TEST(StopScannerTest, PassesTextWithoutStops) {
  StopScanner scanner({}, false);

  EXPECT_EQ(scanner.push("any text"), "any text");
  EXPECT_EQ(scanner.finish(), "");
  EXPECT_FALSE(scanner.match());
}

TEST(StopScannerTest, CutsBeforeTheStop) {
  StopScanner scanner({"END"}, false);

  EXPECT_EQ(scanner.push("one END two"), "one ");
  EXPECT_EQ(scanner.push("more"), "");
  EXPECT_EQ(scanner.finish(), "");
  ASSERT_TRUE(scanner.match());
  EXPECT_EQ(scanner.match()->begin, 4);
  EXPECT_EQ(scanner.match()->end, 7);
  EXPECT_EQ(scanner.cut(), 4);
}

TEST(StopScannerTest, CutsBehindTheStopIfAsked) {
  StopScanner scanner({"END"}, true);

  EXPECT_EQ(scanner.push("one EN"), "one ");
  EXPECT_EQ(scanner.push("D two"), "END");
  EXPECT_EQ(scanner.cut(), 7);
}

TEST(StopScannerTest, FindsAStopAcrossPieces) {
  StopScanner scanner({"\nQuestion:"}, false);

  EXPECT_EQ(scanner.push("18\n"), "18");
  EXPECT_EQ(scanner.push("Quest"), "");
  EXPECT_EQ(scanner.num_held_bytes(), 6u);
  EXPECT_EQ(scanner.push("ion: next"), "");
  EXPECT_EQ(scanner.match()->begin, 2);
}

TEST(StopScannerTest, ReleasesTextThatIsNoStopAfterAll) {
  StopScanner scanner({"abcd"}, false);

  EXPECT_EQ(scanner.push("xabc"), "x");
  EXPECT_EQ(scanner.push("abce"), "abcabce");
  EXPECT_EQ(scanner.push("ab"), "");
  EXPECT_EQ(scanner.finish(), "ab");
}

TEST(StopScannerTest, TakesTheMatchThatCompletesFirst) {
  // The second stop starts later and completes earlier.
  StopScanner scanner({"abcdef", "cd"}, false);

  EXPECT_EQ(scanner.push("abcdef"), "ab");
  EXPECT_EQ(scanner.match()->stop_index, 1u);
}

TEST(StopScannerTest, TakesTheLongestOfThoseThatCompleteTogether) {
  StopScanner scanner({"c", "abc", "bc"}, false);

  EXPECT_EQ(scanner.push("xabc"), "x");
  EXPECT_EQ(scanner.match()->stop_index, 1u);
}

TEST(StopScannerTest, LetsNoMatchCompleteBelowMinTokens) {
  StopScanner scanner({"ab"}, false);

  EXPECT_EQ(scanner.push("xab", false), "xab");
  EXPECT_EQ(scanner.push("a", false), "");
  EXPECT_EQ(scanner.push("b"), "");
  ASSERT_TRUE(scanner.match());
  EXPECT_EQ(scanner.match()->begin, 3);
}

TEST(StopScannerTest, HoldsNothingBehindAnIgnoredMatch) {
  StopScanner scanner({"aab"}, false);

  EXPECT_EQ(scanner.push("aab", false), "aab");
  EXPECT_EQ(scanner.num_held_bytes(), 0u);
}

// The definition: the smallest end, then the smallest begin, then the first stop.
std::optional<StopMatch> find_slowly(const std::vector<std::string>& stops,
                                     const std::string& text) {
  for (size_t end = 1; end <= text.size(); ++end) {
    std::optional<StopMatch> best;
    for (size_t i = 0; i < stops.size(); ++i) {
      const size_t length = stops[i].size();
      if (length > end || text.compare(end - length, length, stops[i]) != 0) {
        continue;
      }
      if (!best || static_cast<int64_t>(end - length) < best->begin) {
        best = StopMatch{i, static_cast<int64_t>(end - length), static_cast<int64_t>(end)};
      }
    }
    if (best) {
      return best;
    }
  }
  return std::nullopt;
}

// The longest end of `text` that some stop starts with and is longer than.
size_t num_bytes_to_hold(const std::vector<std::string>& stops, const std::string& text) {
  size_t longest = 0;
  for (const std::string& stop : stops) {
    for (size_t n = 1; n < stop.size() && n <= text.size(); ++n) {
      if (text.compare(text.size() - n, n, stop, 0, n) == 0) {
        longest = std::max(longest, n);
      }
    }
  }
  return longest;
}

TEST(StopScannerTest, EqualsTheDefinitionHoweverTheTextIsCut) {
  const uint32_t seed = std::random_device{}();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937 rng(seed);
  const auto random_text = [&rng](size_t length) {
    std::string text;
    while (text.size() < length) {
      text.push_back("aab"[rng() % 3]);
    }
    return text;
  };

  for (int round = 0; round < 2000; ++round) {
    std::vector<std::string> stops;
    for (size_t i = 0; i < 1 + rng() % 4; ++i) {
      stops.push_back(random_text(1 + rng() % 7));
    }
    const std::string text = random_text(rng() % 40);
    const bool include_stop = rng() % 2 == 0;
    const std::optional<StopMatch> expected = find_slowly(stops, text);
    StopScanner scanner(stops, include_stop);
    std::string shown;
    size_t read = 0;
    while (read < text.size()) {
      const size_t count = std::min(text.size() - read, static_cast<size_t>(rng() % 5));
      shown += scanner.push(text.substr(read, count));
      read += count;
      if (!scanner.match()) {
        EXPECT_EQ(scanner.num_held_bytes(), num_bytes_to_hold(stops, text.substr(0, read)));
        EXPECT_EQ(shown, text.substr(0, read - scanner.num_held_bytes()));
      }
    }
    shown += scanner.finish();
    ASSERT_EQ(scanner.match().has_value(), expected.has_value()) << text;
    if (!expected) {
      EXPECT_EQ(shown, text);
      continue;
    }
    EXPECT_EQ(scanner.match()->begin, expected->begin) << text;
    EXPECT_EQ(scanner.match()->end, expected->end) << text;
    EXPECT_EQ(scanner.match()->stop_index, expected->stop_index) << text;
    const int64_t cut = include_stop ? expected->end : expected->begin;
    EXPECT_EQ(shown, text.substr(0, static_cast<size_t>(cut))) << text;
  }
}

}  // namespace
}  // namespace talon::text
