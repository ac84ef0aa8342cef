// Many completions at once on a random model: what each says does not depend on the others, they
// come back in the order in which they were asked for, and a refusal harms nobody.
#include "stream/offline_runner.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "support/temp_dir.h"
#include "support/tiny_model.h"

namespace talon {
namespace {

using testing::ElementsAre;

class OfflineRunnerTest : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    suite_dir = std::make_unique<test::TempDir>();
    test::write_target(*suite_dir / "target");
    test::write_head(*suite_dir / "head");
  }
  static void TearDownTestSuite() { suite_dir.reset(); }

  // Three sequences run and two may wait.
  static LocalModel open() {
    EngineConfig config;
    config.model_dir = *suite_dir / "target";
    config.draft_model_dir = *suite_dir / "head";
    config.max_model_len = 512;
    config.max_num_seqs = 3;
    config.max_queue_len = 2;
    return open_local_model(config);
  }

  static std::vector<CompletionRequest> requests(int32_t count) {
    std::vector<CompletionRequest> out;
    out.reserve(static_cast<size_t>(count));
    for (int32_t i = 0; i < count; ++i) {
      out.push_back({.prompt = "Request " + std::to_string(i) + " is this",
                     .max_tokens = 5 + 7 * (i % 4),
                     .ignore_eos = true});
    }
    return out;
  }

 private:
  static std::unique_ptr<test::TempDir> suite_dir;
};

std::unique_ptr<test::TempDir> OfflineRunnerTest::suite_dir;

TEST_F(OfflineRunnerTest, AllAtOnceSayWhatEachSaysAlone) {
  const std::vector<CompletionRequest> all = requests(12);
  LocalModel alone = open();
  LocalModel together = open();

  std::vector<int64_t> order;
  complete_all(together, all, [&](int64_t index, CompletionOutcome&& outcome) {
    order.push_back(index);
    const Completion completion = completion_or_throw(std::move(outcome));
    const Completion expected = complete(alone, all[static_cast<size_t>(index)], {});
    EXPECT_EQ(completion.tokens, expected.tokens) << "request " << index;
    EXPECT_EQ(completion.text, expected.text) << "request " << index;
  });

  EXPECT_THAT(order, ElementsAre(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11));
  EXPECT_FALSE(together.engine->scheduler().has_work());
}

TEST_F(OfflineRunnerTest, ARefusalStandsInItsPlace) {
  LocalModel model = open();
  std::vector<CompletionRequest> all = requests(6);
  all[0].max_tokens = 0;
  all[4].prompt = std::string(2000, 'x');

  std::vector<std::string> refused;
  std::vector<int64_t> order;
  complete_all(model, all, [&](int64_t index, CompletionOutcome&& outcome) {
    order.push_back(index);
    if (const auto* refusal = std::get_if<Refusal>(&outcome)) {
      refused.push_back(refusal->field);
    }
  });

  EXPECT_THAT(order, ElementsAre(0, 1, 2, 3, 4, 5));
  EXPECT_THAT(refused, ElementsAre("max_tokens", "prompt"));
}

TEST_F(OfflineRunnerTest, ChoicesComeInOrderAndTheirPromptCountsOnce) {
  LocalModel model = open();
  std::vector<CompletionRequest> all = requests(4);
  all[1].num_choices = 2;
  all[1].sampling.temperature = 1.0F;
  all[2].num_choices = 3;  // never fits the queue of two

  std::vector<std::string> given;
  complete_all(model, all, [&](int64_t index, CompletionOutcome&& outcome) {
    const auto* completion = std::get_if<Completion>(&outcome);
    given.push_back(std::to_string(index) +
                    (completion == nullptr ? "refused" : std::to_string(completion->choice)));
  });

  EXPECT_THAT(given, ElementsAre("00", "10", "11", "2refused", "30"));
  OfflineRunner runner(model, [](int64_t index, Completion&&) { EXPECT_EQ(index, 0); });
  EXPECT_FALSE(runner.submit(all[1]).has_value());
  EXPECT_EQ(runner.num_in_flight(), 2);
  EXPECT_EQ(runner.num_submitted(), 1);
  while (runner.step()) {
  }
  EXPECT_EQ(runner.num_prompt_tokens(), std::ssize(model.tokenizer->encode(all[1].prompt)));
}

TEST_F(OfflineRunnerTest, CountsTokensAndRequestsInFlight) {
  LocalModel model = open();
  int64_t num_tokens = 0;
  int64_t num_prompt_tokens = 0;
  OfflineRunner runner(model, [&](int64_t, Completion&& completion) {
    num_tokens += std::ssize(completion.tokens);
    num_prompt_tokens += completion.prompt_tokens;
    EXPECT_GT(completion.prefill_ms, 0.0);
  });

  for (const CompletionRequest& request : requests(2)) {
    EXPECT_FALSE(runner.submit(request).has_value());
  }
  EXPECT_EQ(runner.num_in_flight(), 2);
  while (runner.step()) {
  }

  EXPECT_EQ(runner.num_in_flight(), 0);
  EXPECT_EQ(runner.num_output_tokens(), num_tokens);
  EXPECT_EQ(runner.num_prompt_tokens(), num_prompt_tokens);
  EXPECT_EQ(num_tokens, 5 + 12);
}

TEST_F(OfflineRunnerTest, AFullQueueIsAnAnswerAndTheCallbackMaySubmit) {
  LocalModel model = open();
  const CompletionRequest request = requests(1).front();
  int num_done = 0;
  OfflineRunner* self = nullptr;
  OfflineRunner runner(model, [&](int64_t, Completion&&) {
    if (++num_done == 1) {
      EXPECT_FALSE(self->submit(request).has_value());
    }
  });
  self = &runner;

  EXPECT_FALSE(runner.submit(request).has_value());
  EXPECT_FALSE(runner.submit(request).has_value());
  const std::optional<Refusal> refusal = runner.submit(request);
  ASSERT_TRUE(refusal.has_value());
  EXPECT_EQ(refusal->code, Refusal::Code::kQueueFull);
  while (runner.step()) {
  }

  EXPECT_EQ(num_done, 3);
  EXPECT_EQ(runner.num_submitted(), 3);
}

TEST_F(OfflineRunnerTest, WhatIsInFlightEndsWithTheRunner) {
  LocalModel model = open();
  {
    OfflineRunner runner(model, [](int64_t, Completion&&) { FAIL() << "nothing has ended"; });
    EXPECT_FALSE(runner.submit(requests(1).front()).has_value());
    EXPECT_TRUE(runner.step());
  }

  EXPECT_FALSE(model.engine->scheduler().has_work());
  EXPECT_FALSE(complete(model, requests(1).front(), {}).tokens.empty());
}

}  // namespace
}  // namespace talon
