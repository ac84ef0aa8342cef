// What batching, caching, preemption and launch-ahead must not change: each test compares the
// tokens of requests with the tokens of the same requests alone (support/engine_fixture.h). Greedy
// and sampled; every K where it may matter.
#include <gtest/gtest.h>

#include <cstdint>
#include <vector>

#include "engine/engine.h"
#include "support/engine_fixture.h"

namespace talon {
namespace {

using test::Output;
using test::random_prompt;
using test::run_all;

constexpr int32_t kAnswer = 40;

// The settings of a request that uses all of the pipeline, and the plain one.
SamplingSettings sampling_of(bool sampled) {
  SamplingSettings settings;
  if (sampled) {
    settings.temperature = 0.9F;
    settings.top_p = 0.95F;
    settings.top_k = 5;
    settings.presence_penalty = 0.3F;
    settings.repetition_penalty = 1.1F;
    settings.seed = 1234;
  }
  return settings;
}

class BatchingEqualityTest : public test::EngineFixture, public testing::WithParamInterface<bool> {
 protected:
  static Request request_of(int64_t length, uint64_t seed) {
    return {.prompt = random_prompt(length, seed),
            .max_tokens = kAnswer,
            .sampling = sampling_of(GetParam())};
  }

  // Each request on an engine of its own, without a drafter.
  static std::vector<std::vector<TokenId>> alone(const std::vector<Request>& requests) {
    std::vector<std::vector<TokenId>> tokens;
    for (const Request& request : requests) {
      tokens.push_back(run_all(*build(baseline()), {request}).front().tokens);
    }
    return tokens;
  }

  static std::vector<std::vector<TokenId>> tokens_of(const std::vector<Output>& outputs) {
    std::vector<std::vector<TokenId>> tokens;
    for (const Output& output : outputs) {
      tokens.push_back(output.tokens);
    }
    return tokens;
  }

  static std::vector<Request> eight() {
    std::vector<Request> requests;
    const int64_t lengths[] = {1, 17, 127, 128, 129, 200, 300, 640};
    for (uint64_t i = 0; i < 8; ++i) {
      requests.push_back(request_of(lengths[i], 100 + i));
    }
    return requests;
  }
};

TEST_P(BatchingEqualityTest, EightTogetherAreEightAlone) {
  const std::vector<Request> requests = eight();
  const auto expected = alone(requests);

  for (const int32_t drafts : {0, 1, 2, 3, 7}) {
    EXPECT_EQ(tokens_of(run_all(*build(config(drafts)), requests)), expected) << "K = " << drafts;
  }
  EXPECT_EQ(tokens_of(run_all(*build(baseline()), requests)), expected);
}

TEST_P(BatchingEqualityTest, SmallChunksChangeNothing) {
  const std::vector<Request> requests = eight();
  EngineConfig chunked = config(3);
  chunked.max_num_batched_tokens = 40;
  chunked.long_prefill_token_threshold = 7;

  EXPECT_EQ(tokens_of(run_all(*build(chunked), requests)), alone(requests));
}

TEST_P(BatchingEqualityTest, PrefixHitsAreMisses) {
  for (const int32_t drafts : {-1, 0, 3}) {
    const EngineConfig with = drafts < 0 ? baseline() : config(drafts);
    const auto engine = build(with);
    const Request request = request_of(400, 7);
    Request longer = request_of(400, 7);  // agrees on three pages and goes on differently
    longer.prompt.resize(384);
    for (const TokenId token : random_prompt(90, 8)) {
      longer.prompt.push_back(token);
    }
    const Output miss = run_all(*engine, {request}).front();

    const Output hit = run_all(*engine, {request}).front();
    const Output other = run_all(*engine, {longer}).front();

    EXPECT_EQ(hit.tokens, miss.tokens) << "K = " << drafts;
    EXPECT_EQ(hit.cached_tokens, with.draft_model_dir.empty() ? 384 : 383);
    EXPECT_EQ(other.tokens, alone({longer}).front()) << "K = " << drafts;
    ASSERT_EQ(hit.rounds.size(), miss.rounds.size());
    for (size_t i = 0; i < hit.rounds.size(); ++i) {
      EXPECT_EQ(hit.rounds[i].round.accepted, miss.rounds[i].round.accepted)
          << "the drafter saw something else in round " << i;
    }
    EXPECT_EQ(engine->scheduler().stats().prefix_hits, 384 + 384);
  }
}

TEST_P(BatchingEqualityTest, PreemptedIsUninterrupted) {
  std::vector<Request> requests;
  for (uint64_t i = 0; i < 4; ++i) {
    requests.push_back(request_of(110, 20 + i));
    requests.back().max_tokens = 150;
  }
  for (const bool cached : {false, true}) {
    EngineConfig small = config(3);
    small.max_model_len = 300;
    small.enable_prefix_caching = cached;
    const auto probe = build(small);
    small.kv_cache_bytes = 7 * probe->runner().kv().num_bytes() / probe->runner().kv().num_pages();
    const auto engine = build(small);

    EXPECT_EQ(tokens_of(run_all(*engine, requests)), alone(requests));
    EXPECT_GT(engine->scheduler().stats().preemptions, 0);
  }
}

TEST_P(BatchingEqualityTest, ChoicesAreRequestsWithTheirSeeds) {
  Request three = request_of(200, 31);
  three.num_choices = 3;
  std::vector<Request> single(3, request_of(200, 31));
  for (int64_t j = 0; j < 3; ++j) {
    single[static_cast<size_t>(j)].sampling.seed += j;
  }
  for (const bool cached : {false, true}) {
    EngineConfig settings = config(3);
    settings.enable_prefix_caching = cached;
    EXPECT_EQ(tokens_of(run_all(*build(settings), {three})), alone(single));
  }
}

TEST_P(BatchingEqualityTest, LaunchAheadIsThePlainLoop) {
  std::vector<Request> requests = eight();
  requests[3].max_tokens = 3;
  EngineConfig ahead = config(3);
  ahead.async_scheduling = true;
  const auto engine = build(ahead);

  EXPECT_EQ(tokens_of(run_all(*engine, requests)), alone(requests));
  EXPECT_GT(engine->scheduler().stats().ahead_steps, 0);
  EXPECT_EQ(engine->scheduler().pool().num_available(), engine->scheduler().pool().num_pages() - 1);
}

TEST_P(BatchingEqualityTest, RequestsMayDifferInDrafts) {
  std::vector<Request> requests = eight();
  for (size_t i = 0; i < requests.size(); ++i) {
    requests[i].max_drafts = static_cast<int32_t>(i);
  }

  EXPECT_EQ(tokens_of(run_all(*build(config(7)), requests)), alone(requests));
}

TEST_P(BatchingEqualityTest, HowDraftsAreDrawnChangesNothingUnlessTheNoiseIsTheirOwn) {
  const std::vector<Request> requests = eight();
  const auto expected = alone(requests);
  for (const DraftDraws draws : {DraftDraws::kGreedy, DraftDraws::kShared, DraftDraws::kOwn}) {
    EngineConfig settings = config(3);
    settings.draft_draws = draws;
    const bool equal = tokens_of(run_all(*build(settings), requests)) == expected;

    // Drafts with their own noise keep the law of sampled answers, not their tokens.
    EXPECT_EQ(equal, draws != DraftDraws::kOwn || !GetParam()) << static_cast<int>(draws);
  }
}

INSTANTIATE_TEST_SUITE_P(Drawing,
                         BatchingEqualityTest,
                         testing::Bool(),
                         [](const auto& param_info) {
                           return param_info.param ? "sampled" : "greedy";
                         });

}  // namespace
}  // namespace talon
