// What speculation must not change, on a small random model (support/engine_fixture.h). Each test
// is an equality.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <set>
#include <vector>

#include "engine/engine.h"
#include "support/engine_fixture.h"

namespace talon {
namespace {

using test::Output;
using test::random_prompt;
using test::run;

class EqualityTest : public test::EngineFixture {};

constexpr int32_t kAnswer = 40;

TEST_F(EqualityTest, DraftingChangesNoTokenForAnyK) {
  const auto plain = build(baseline());
  for (const int64_t length : {1, 2, 127, 128, 129, 255, 300, 700}) {
    const std::vector<TokenId> prompt = random_prompt(length, 11);
    const Output expected = run(*plain, prompt, kAnswer);
    ASSERT_EQ(std::ssize(expected.tokens), kAnswer);

    for (int32_t drafts = 0; drafts <= kMaxDrafts; ++drafts) {
      const auto engine = build(config(drafts));
      EXPECT_EQ(run(*engine, prompt, kAnswer).tokens, expected.tokens)
          << length << " prompt tokens, K = " << drafts;
    }
  }
}

TEST_F(EqualityTest, EveryAcceptancePatternOccurs) {
  for (int32_t drafts = 1; drafts <= 4; ++drafts) {
    const auto engine = build(config(drafts));
    std::set<int32_t> seen;
    for (uint64_t seed = 0; seed < 12; ++seed) {
      for (const KeptRound& entry : run(*engine, random_prompt(20, seed), 200).rounds) {
        if (!entry.round.is_prefill) {
          seen.insert(entry.round.accepted);
        }
      }
    }
    EXPECT_GE(std::ssize(seen), std::min(drafts + 1, 3)) << "K = " << drafts;
  }
}

TEST_F(EqualityTest, ChunkSizeChangesNoToken) {
  const std::vector<TokenId> prompt = random_prompt(701, 5);
  const Output expected = run(*build(config(3)), prompt, kAnswer);

  for (const int32_t rows : {8, 100, 128, 129}) {
    EngineConfig chunked = config(3);
    chunked.max_num_batched_tokens = rows;
    const Output output = run(*build(chunked), prompt, kAnswer);
    EXPECT_EQ(output.tokens, expected.tokens) << rows << " rows a step";
    ASSERT_EQ(output.rounds.size(), expected.rounds.size());
    for (size_t i = 0; i < output.rounds.size(); ++i) {
      EXPECT_EQ(output.rounds[i].round.accepted, expected.rounds[i].round.accepted)
          << "the drafter saw something else: " << rows << " rows a step, round " << i;
    }
  }
}

TEST_F(EqualityTest, ThreadsChangeNoToken) {
  const std::vector<TokenId> prompt = random_prompt(300, 7);
  EngineConfig one = config(3);
  one.num_threads = 1;
  EngineConfig two = config(3);
  two.num_threads = 2;

  EXPECT_EQ(run(*build(one), prompt, kAnswer).tokens, run(*build(two), prompt, kAnswer).tokens);
}

TEST_F(EqualityTest, Float32DraftingChangesNoToken) {
  EngineConfig plain = baseline();
  plain.dtype = ActivationType::kF32;
  const std::vector<TokenId> prompt = random_prompt(290, 13);
  const Output expected = run(*build(plain), prompt, kAnswer);

  for (const int32_t drafts : {0, 1, 3, 7}) {
    EngineConfig with = config(drafts);
    with.dtype = ActivationType::kF32;
    EXPECT_EQ(run(*build(with), prompt, kAnswer).tokens, expected.tokens) << "K = " << drafts;
  }
}

TEST_F(EqualityTest, ThousandsOfPromptTokensChangeNothing) {
  const std::vector<TokenId> prompt = random_prompt(3000, 3);

  EXPECT_EQ(run(*build(config(3)), prompt, 24).tokens, run(*build(baseline()), prompt, 24).tokens);
}

TEST_F(EqualityTest, AnswerRunsIntoTheContextLimit) {
  EngineConfig with = config(7);
  with.max_model_len = 260;
  EngineConfig without = baseline();
  without.max_model_len = 260;
  const std::vector<TokenId> prompt = random_prompt(240, 17);

  const Output output = run(*build(with), prompt, 100);

  EXPECT_EQ(std::ssize(output.tokens), 20);
  EXPECT_EQ(output.tokens, run(*build(without), prompt, 100).tokens);
}

TEST_F(EqualityTest, OneRequestLeavesNothingBehindForTheNext) {
  const auto engine = build(config(3));
  const Output first = run(*engine, random_prompt(150, 1), kAnswer);
  (void)run(*engine, random_prompt(600, 2), kAnswer);

  EXPECT_EQ(run(*engine, random_prompt(150, 1), kAnswer).tokens, first.tokens);
}

// After any history of acceptances and rejections, target and drafter KV are those of a fresh
// engine that prefills all tokens at once: the head's rows come from true taps, not from guesses.
TEST_F(EqualityTest, KvAfterRejectionsEqualsRecomputation) {
  for (const int32_t drafts : {1, 2, 3, 5, 7}) {
    for (const int32_t answer : {1, 2, 3, 17, 60}) {
      const auto engine = build(config(drafts));
      std::vector<TokenId> tokens = random_prompt(119, 23);
      const Output output = run(*engine, tokens, answer);
      tokens.insert(tokens.end(), output.tokens.begin(), output.tokens.end());
      const int64_t kv_len = std::ssize(tokens) - 1;

      const auto fresh = build(config(drafts));
      const std::vector<TokenId> all(tokens.begin(), tokens.end() - 1);
      const Output again = run(*fresh, all, 1);

      ASSERT_EQ(again.tokens.front(), tokens.back());
      EXPECT_TRUE(test::kv_bytes(*engine, kv_len) == test::kv_bytes(*fresh, kv_len))
          << "K = " << drafts << ", " << answer << " tokens";
    }
  }
}

}  // namespace
}  // namespace talon
