// Shared prefixes: conversations under common system prompts, turn by turn. As many pages match
// with a drafter as without, although with one the last page of a match is copied and one of its
// rows is computed again. Cached tokens may then be one fewer.
#include <gtest/gtest.h>

#include <vector>

#include "sim/sim_engine.h"
#include "sim/sim_rng.h"

namespace talon::test {
namespace {

constexpr int32_t kVocabulary = 300;

SchedulerConfig roomy_config(bool has_drafter) {
  SchedulerConfig config;
  config.num_pages = 1500;
  config.context_limit = 4096;
  config.vocab_size = kVocabulary;
  config.max_sequences = 16;
  config.max_rows = 65536;  // who is submitted together is admitted together
  config.max_logit_rows = 65536;
  config.max_drafts = has_drafter ? 3 : 0;
  config.has_drafter = has_drafter;
  config.max_queue_len = 64;
  return config;
}

std::vector<TokenId> random_tokens(SimRng& rng, int64_t count) {
  std::vector<TokenId> tokens;
  tokens.reserve(static_cast<size_t>(count));
  for (int64_t i = 0; i < count; ++i) {
    tokens.emplace_back(static_cast<int32_t>(rng.below(kVocabulary)));
  }
  return tokens;
}

// Pages of prompts that were found when all turns of all conversations are over.
int64_t matched_tokens(const SchedulerConfig& config, uint64_t seed, int64_t num_together) {
  SimRng rng(seed);
  SimEngine engine(config, seed);
  std::vector<std::vector<TokenId>> systems;
  for (const int64_t length : {128, 256, 300, 385}) {
    systems.push_back(random_tokens(rng, length));
  }
  std::vector<std::vector<TokenId>> conversations(24);
  for (std::vector<TokenId>& conversation : conversations) {
    conversation = rng.pick(systems);
  }
  for (int turn = 0; turn < 40; ++turn) {
    for (int64_t i = 0; i < num_together; ++i) {
      const auto index = static_cast<size_t>((turn * num_together + i) % 24);
      Request request;
      request.prompt = conversations[index];
      const std::vector<TokenId> question = random_tokens(rng, rng.between(1, 150));
      request.prompt.insert(request.prompt.end(), question.begin(), question.end());
      request.max_tokens = static_cast<int32_t>(rng.between(1, 100));
      conversations[index] = request.prompt;
      engine.add(request);
    }
    for (const AnswerCheck& answer : engine.run()) {
      // Its own conversation goes on with the answer, whoever ended first.
      for (std::vector<TokenId>& conversation : conversations) {
        const auto& tokens = answer.history().tokens();
        if (std::ssize(conversation) == std::ssize(tokens) - answer.num_output_tokens() &&
            std::equal(conversation.begin(), conversation.end(), tokens.begin())) {
          conversation = tokens;
        }
      }
    }
  }
  const int64_t hits = engine.scheduler().stats().prefix_hits;
  engine.check_idle();
  return hits;
}

TEST(PrefixHitsTest, AsManyPagesMatchWithADrafterAsWithout) {
  for (const int64_t num_together : {1, 2, 8}) {
    for (uint64_t seed = 0; seed < 3; ++seed) {
      const int64_t without = matched_tokens(roomy_config(false), seed, num_together);
      EXPECT_GT(without, 128);
      EXPECT_EQ(matched_tokens(roomy_config(true), seed, num_together), without)
          << "seed " << seed << ", " << num_together << " together";
    }
  }
}

// Conversations that part at a page's end: the page is kept once for each way on.
TEST(PrefixHitsTest, ConversationsThatPartAfterAPageKeepTheirOwnPages) {
  for (const bool has_drafter : {false, true}) {
    SimRng rng(7);
    SimEngine engine(roomy_config(has_drafter), 7);
    Request first;
    first.prompt = random_tokens(rng, 256);
    Request second = first;
    first.prompt.emplace_back(1);
    second.prompt.emplace_back(2);
    second.prompt.resize(385, TokenId{3});
    first.max_tokens = second.max_tokens = 1;

    engine.add(first);
    engine.run();
    engine.add(second);
    engine.run();
    EXPECT_EQ(engine.scheduler().stats().prefix_hits, 256);
    engine.add(second);
    engine.run();

    EXPECT_EQ(engine.scheduler().stats().prefix_hits, 256 + 384) << "drafter " << has_drafter;
    engine.check_idle();
  }
}

}  // namespace
}  // namespace talon::test
