// Merging against a direct transcription of the definition (scan for the lowest rank, merge,
// repeat) on random merges and texts, and small cases by hand.
#include "text/bpe.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>

#include "text/byte_alphabet.h"

namespace talon::text {
namespace {

struct Model {
  explicit Model(const std::vector<std::string>& tokens)
      : vocabulary(static_cast<int32_t>(tokens.size())) {
    for (size_t i = 0; i < tokens.size(); ++i) {
      EXPECT_TRUE(vocabulary.add(TokenId(static_cast<int32_t>(i)), spelling_of_bytes(tokens[i])));
    }
  }

  Merge merge(const std::string& left, const std::string& right) const {
    return {vocabulary.find_bytes(left).value(), vocabulary.find_bytes(right).value(),
            vocabulary.find_bytes(left + right).value()};
  }

  Vocabulary vocabulary;
};

std::vector<std::string> encode(const Model& model, const Bpe& bpe, std::string_view piece) {
  Bpe::Scratch scratch;
  std::vector<TokenId> ids;
  bpe.encode(piece, scratch, ids);
  std::vector<std::string> tokens;
  for (const TokenId id : ids) {
    tokens.emplace_back(model.vocabulary.bytes(id));
  }
  return tokens;
}

using Tokens = std::vector<std::string>;

TEST(BpeTest, MergesTheLowestRankFirst) {
  const Model model({"a", "b", "c", "ab", "bc"});
  const std::vector<Merge> merges = {model.merge("b", "c"), model.merge("a", "b")};
  const Bpe bpe(model.vocabulary, merges, {});

  EXPECT_EQ(encode(model, bpe, "abc"), (Tokens{"a", "bc"}));
  EXPECT_EQ(encode(model, bpe, "abab"), (Tokens{"ab", "ab"}));
}

TEST(BpeTest, MergesTheLeftmostOfEquals) {
  const Model model({"a", "aa"});
  const std::vector<Merge> merges = {model.merge("a", "a")};
  const Bpe bpe(model.vocabulary, merges, {});

  EXPECT_EQ(encode(model, bpe, "aaa"), (Tokens{"aa", "a"}));
}

TEST(BpeTest, CountsTheLaterOfTwoEqualMerges) {
  const Model model({"a", "b", "c", "ab", "bc"});
  const std::vector<Merge> merges = {model.merge("a", "b"), model.merge("b", "c"),
                                     model.merge("a", "b")};
  const Bpe bpe(model.vocabulary, merges, {});

  EXPECT_EQ(encode(model, bpe, "abc"), (Tokens{"a", "bc"}));
}

TEST(BpeTest, TakesAPieceWholeOnlyIfToldOrIfMergingGivesIt) {
  const Model model({"a", "b", "c", "ab", "bc", "abc"});
  const std::vector<Merge> merges = {model.merge("b", "c"), model.merge("ab", "c")};

  EXPECT_EQ(encode(model, Bpe(model.vocabulary, merges, {}), "abc"), (Tokens{"a", "bc"}));
  EXPECT_EQ(encode(model, Bpe(model.vocabulary, merges, {.ignore_merges = true}), "abc"),
            Tokens{"abc"});
}

TEST(BpeTest, NeverBuildsATokenAddedLater) {
  Vocabulary vocabulary(3);
  ASSERT_TRUE(vocabulary.add(TokenId(0), "a"));
  ASSERT_TRUE(vocabulary.add(TokenId(1), "b"));
  const Bpe bpe(vocabulary, {}, {.ignore_merges = true});
  ASSERT_TRUE(vocabulary.add(TokenId(2), "ab"));
  Bpe::Scratch scratch;
  std::vector<TokenId> ids;

  bpe.encode("ab", scratch, ids);

  EXPECT_EQ(ids, (std::vector<TokenId>{TokenId(0), TokenId(1)}));
}

TEST(BpeTest, TreatsBytesWithoutATokenAsAsked) {
  const Model model({"a", "b", "?"});
  const TokenId unknown(2);

  EXPECT_EQ(encode(model, Bpe(model.vocabulary, {}, {}), "axxb"), (Tokens{"a", "b"}));
  EXPECT_EQ(encode(model, Bpe(model.vocabulary, {}, {.unknown = unknown}), "axxb"),
            (Tokens{"a", "?", "?", "b"}));
  EXPECT_EQ(
      encode(model, Bpe(model.vocabulary, {}, {.unknown = unknown, .fuse_unknown = true}), "axxbx"),
      (Tokens{"a", "?", "b", "?"}));
}

using NamedMerges = std::vector<std::pair<std::string, std::string>>;

size_t rank_of(const NamedMerges& merges, const std::string& left, const std::string& right) {
  const auto found = std::find(merges.begin(), merges.end(), std::pair(left, right));
  return static_cast<size_t>(found - merges.begin());
}

// The definition, without any cleverness.
Tokens encode_slowly(const NamedMerges& merges, std::string_view piece) {
  Tokens symbols;
  for (const char c : piece) {
    symbols.emplace_back(1, c);
  }
  while (true) {
    size_t best_rank = merges.size();
    size_t best = 0;
    for (size_t i = 0; i + 1 < symbols.size(); ++i) {
      const size_t rank = rank_of(merges, symbols[i], symbols[i + 1]);
      if (rank < best_rank) {
        best_rank = rank;
        best = i;
      }
    }
    if (best_rank == merges.size()) {
      return symbols;
    }
    symbols[best] += symbols[best + 1];
    symbols.erase(symbols.begin() + static_cast<std::ptrdiff_t>(best) + 1);
  }
}

TEST(BpeTest, EqualsTheDefinitionOnRandomMerges) {
  const uint32_t seed = std::random_device{}();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937 rng(seed);
  const auto below = [&rng](size_t n) { return static_cast<size_t>(rng() % n); };

  for (int round = 0; round < 30; ++round) {
    Tokens tokens = {"a", "b", "c"};
    NamedMerges merges;
    for (int i = 0; i < 25; ++i) {
      const std::string left = tokens[below(tokens.size())];
      const std::string right = tokens[below(tokens.size())];
      if (std::find(tokens.begin(), tokens.end(), left + right) == tokens.end()) {
        tokens.push_back(left + right);
        merges.emplace_back(left, right);
      }
    }
    const Model model(tokens);
    std::vector<Merge> ranked;
    for (const auto& [left, right] : merges) {
      ranked.push_back(model.merge(left, right));
    }
    const Bpe bpe(model.vocabulary, ranked, {});
    // Both sides of the length from which the heap is used.
    for (const size_t length : {1u, 2u, 7u, 40u, 96u, 97u, 300u}) {
      std::string piece;
      while (piece.size() < length) {
        piece.push_back("abc"[below(3)]);
      }
      EXPECT_EQ(encode(model, bpe, piece), encode_slowly(merges, piece)) << piece;
    }
  }
}

TEST(BpeTest, MergesAMillionBytes) {
  const Model model({"a", "aa", "aaaa"});
  const std::vector<Merge> merges = {model.merge("a", "a"), model.merge("aa", "aa")};
  const Bpe bpe(model.vocabulary, merges, {});

  EXPECT_EQ(encode(model, bpe, std::string(1'000'000, 'a')), Tokens(250'000, "aaaa"));
}

}  // namespace
}  // namespace talon::text
