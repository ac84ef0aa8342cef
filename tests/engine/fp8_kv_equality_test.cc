// The equalities of equality_test.cc and batching_equality_test.cc with keys, values and index keys
// in e4m3: what is stored depends on its token alone, so drafting, chunks, hits and preemption
// still change nothing. What fp8 itself changes is in docs/numerics.md.
#include <gtest/gtest.h>

#include <cstdint>
#include <vector>

#include "engine/engine.h"
#include "support/engine_fixture.h"

namespace talon {
namespace {

using test::Output;
using test::random_prompt;
using test::run;
using test::run_all;

constexpr int32_t kAnswer = 40;

class Fp8KvEqualityTest : public test::EngineFixture,
                          public testing::WithParamInterface<ActivationType> {
 protected:
  static EngineConfig with_fp8(EngineConfig config) {
    config.dtype = GetParam();
    config.kv_cache_dtype = CacheDtype::kFp8;
    config.index_cache_dtype = CacheDtype::kFp8;
    return config;
  }

  static std::vector<TokenId> plain(const std::vector<TokenId>& prompt, int32_t max_tokens) {
    return run(*build(with_fp8(baseline())), prompt, max_tokens).tokens;
  }
};

TEST_P(Fp8KvEqualityTest, DraftingChangesNoToken) {
  for (const int64_t length : {1, 128, 300, 700}) {
    const std::vector<TokenId> prompt = random_prompt(length, 11);
    const std::vector<TokenId> expected = plain(prompt, kAnswer);
    for (const int32_t drafts : {0, 1, 3, 7}) {
      EXPECT_EQ(run(*build(with_fp8(config(drafts))), prompt, kAnswer).tokens, expected)
          << length << " prompt tokens, K = " << drafts;
    }
  }
}

TEST_P(Fp8KvEqualityTest, ChunkSizeChangesNoToken) {
  const std::vector<TokenId> prompt = random_prompt(701, 5);
  const std::vector<TokenId> expected = plain(prompt, kAnswer);
  for (const int32_t rows : {8, 128, 129}) {
    EngineConfig chunked = with_fp8(config(3));
    chunked.max_num_batched_tokens = rows;
    EXPECT_EQ(run(*build(chunked), prompt, kAnswer).tokens, expected) << rows << " rows a step";
  }
}

TEST_P(Fp8KvEqualityTest, PrefixHitsAreMisses) {
  const std::vector<TokenId> prompt = random_prompt(400, 7);
  const auto engine = build(with_fp8(config(3)));
  const Output miss = run(*engine, prompt, kAnswer);

  const Output hit = run(*engine, prompt, kAnswer);

  EXPECT_EQ(hit.cached_tokens, 383);
  EXPECT_EQ(hit.tokens, miss.tokens);
  EXPECT_EQ(miss.tokens, plain(prompt, kAnswer));
}

TEST_P(Fp8KvEqualityTest, PreemptedIsUninterrupted) {
  std::vector<Request> requests;
  requests.reserve(4);
  for (uint64_t i = 0; i < 4; ++i) {
    requests.push_back({.prompt = random_prompt(110, 20 + i), .max_tokens = 150});
  }
  EngineConfig small = with_fp8(config(3));
  small.max_model_len = 300;
  const auto probe = build(small);
  small.kv_cache_bytes = 7 * probe->runner().kv().num_bytes() / probe->runner().kv().num_pages();
  const auto engine = build(small);

  const std::vector<Output> outputs = run_all(*engine, requests);

  EXPECT_GT(engine->scheduler().stats().preemptions, 0);
  for (size_t i = 0; i < requests.size(); ++i) {
    EXPECT_EQ(outputs[i].tokens, plain(requests[i].prompt, 150)) << i;
  }
}

// What rejected drafts had written, scales included, is written over.
TEST_P(Fp8KvEqualityTest, KvAfterRejectionsEqualsRecomputation) {
  for (const int32_t drafts : {1, 3, 7}) {
    const auto engine = build(with_fp8(config(drafts)));
    std::vector<TokenId> tokens = random_prompt(119, 23);
    const Output output = run(*engine, tokens, 60);
    tokens.insert(tokens.end(), output.tokens.begin(), output.tokens.end());
    const int64_t kv_len = std::ssize(tokens) - 1;
    const auto fresh = build(with_fp8(config(drafts)));

    (void)run(*fresh, {tokens.begin(), tokens.end() - 1}, 1);

    EXPECT_TRUE(test::kv_bytes(*engine, kv_len) == test::kv_bytes(*fresh, kv_len))
        << "K = " << drafts;
  }
}

// Fp8 does not fall back to the activations' type: fewer bytes, other answers somewhere.
TEST_P(Fp8KvEqualityTest, IsNotTheActivationsType) {
  EngineConfig wide = config(3);
  wide.dtype = GetParam();
  const auto fp8 = build(with_fp8(config(3)));
  const auto activations = build(wide);
  const std::vector<TokenId> prompt = random_prompt(300, 3);

  EXPECT_LT(fp8->runner().kv().layout().bytes_per_token(),
            activations->runner().kv().layout().bytes_per_token());
  EXPECT_NE(run(*fp8, prompt, 200).tokens, run(*activations, prompt, 200).tokens);
}

INSTANTIATE_TEST_SUITE_P(Types,
                         Fp8KvEqualityTest,
                         testing::Values(ActivationType::kBf16, ActivationType::kF32),
                         [](const auto& param_info) {
                           return param_info.param == ActivationType::kBf16 ? "bf16" : "float32";
                         });

}  // namespace
}  // namespace talon
