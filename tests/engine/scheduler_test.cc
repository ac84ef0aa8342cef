// The scheduler against a fake runner that answers plans from a script: what is planned, where new
// tokens are cut, what happens to pages. No model, no device.
#include "engine/scheduler.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <vector>

namespace talon {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

constexpr TokenId kEnd{9};

std::vector<TokenId> ids(std::initializer_list<int32_t> values) {
  std::vector<TokenId> out;
  for (const int32_t value : values) {
    out.emplace_back(value);
  }
  return out;
}

SchedulerConfig small_config() {
  return {.num_pages = 5,
          .context_limit = 512,
          .vocab_size = 100,
          .max_sequences = 1,
          .max_rows = 128,
          .max_logit_rows = 64,
          .max_drafts = 3,
          .has_drafter = true,
          .max_queue_len = 2,
          .end_token_ids = {kEnd}};
}

Request prompt_of(int64_t length, int32_t max_tokens = 100) {
  return {.prompt = std::vector<TokenId>(static_cast<size_t>(length), TokenId{1}),
          .max_tokens = max_tokens};
}

// Answers a plan: `tokens[i]` are what row i came to if it samples. The runner holds drafts 1, 1,
// ..
StepResult answer(const StepPlan& plan, const std::vector<std::vector<TokenId>>& tokens) {
  StepResult result{.round = plan.round, .rows = {}, .times = {}};
  for (size_t i = 0; i < plan.rows.size(); ++i) {
    const PlanRow& row = plan.rows[i];
    RowResult out;
    out.sequence = row.sequence;
    out.drafted = row.num_drafts;
    if (row.sample) {
      out.tokens = tokens.at(i);
    }
    out.accepted = std::max(0, static_cast<int32_t>(std::ssize(out.tokens)) - 1);
    const int64_t valid = row.is_prefill() ? row.num_rows() : std::ssize(out.tokens);
    out.kv_len = row.first_position + valid;
    out.drafts.assign(static_cast<size_t>(row.drafts_to_make), TokenId{1});
    result.rows.push_back(std::move(out));
  }
  return result;
}

Submission submit(Scheduler& scheduler, Request request) {
  return std::get<std::vector<Submission>>(scheduler.add(std::move(request))).front();
}

Refusal refused(Scheduler& scheduler, Request request) {
  return std::get<Refusal>(scheduler.add(std::move(request)));
}

// Plans and commits one step.
StepPlan run(Scheduler& scheduler, const std::vector<TokenId>& tokens) {
  const StepPlan plan = scheduler.plan();
  scheduler.commit(answer(plan, {tokens}));
  scheduler.check_integrity();
  return plan;
}

TEST(SchedulerTest, PrefillsInChunksThenVerifies) {
  Scheduler scheduler(small_config());
  const Submission request = submit(scheduler, prompt_of(200));

  const StepPlan first = run(scheduler, {});
  const StepPlan second = run(scheduler, ids({5}));
  const StepPlan third = run(scheduler, ids({6, 7}));

  EXPECT_EQ(first.rows[0].num_rows(), 128);
  EXPECT_FALSE(first.rows[0].sample);
  EXPECT_EQ(first.rows[0].next_token, TokenId{1});
  EXPECT_EQ(first.rows[0].drafts_to_make, 0);
  EXPECT_EQ(second.rows[0].first_position, 128);
  EXPECT_TRUE(second.rows[0].sample);
  EXPECT_FALSE(third.rows[0].is_prefill());
  EXPECT_EQ(third.rows[0].first_position, 200);
  EXPECT_EQ(third.rows[0].num_drafts, 3);
  EXPECT_TRUE(request.events->try_pop()->round.is_prefill);
  const TokenEvent verified = *request.events->try_pop();
  EXPECT_EQ(verified.tokens, ids({6, 7}));
  EXPECT_EQ(verified.round.accepted, 1);
}

TEST(SchedulerTest, ReservesPagesAheadOfTheRound) {
  Scheduler scheduler(small_config());
  (void)submit(scheduler, prompt_of(125));

  const StepPlan plan = run(scheduler, ids({5}));

  // Rows 0..124, then the drafter's chain may reach past position 127.
  ASSERT_EQ(plan.page_patches.size(), 1U);
  EXPECT_EQ(plan.page_patches[0].first_index, 0);
  EXPECT_THAT(plan.page_patches[0].pages, ElementsAre(PageId{1}, PageId{2}));
}

struct CutCase {
  const char* name;
  std::vector<TokenId> round;  // tokens of one verify
  std::vector<TokenId> stop_ids;
  bool ignore_eos;
  int32_t max_tokens;  // the prefill gave one already
  std::vector<TokenId> kept;
  std::optional<FinishReason> reason;
};

class SchedulerCutTest : public testing::TestWithParam<CutCase> {};

TEST_P(SchedulerCutTest, KeepsTokensUpToTheFirstHit) {
  const CutCase& param = GetParam();
  Scheduler scheduler(small_config());
  Request request = prompt_of(4, param.max_tokens);
  request.stop_token_ids = param.stop_ids;
  request.ignore_eos = param.ignore_eos;
  const Submission submission = submit(scheduler, std::move(request));
  run(scheduler, ids({2}));
  (void)submission.events->try_pop();

  run(scheduler, param.round);

  const TokenEvent event = *submission.events->try_pop();
  EXPECT_EQ(event.tokens, param.kept);
  EXPECT_EQ(event.finish, param.reason);
  EXPECT_EQ(event.round.accepted, std::ssize(param.round) - 1) << "counted as verified";
  EXPECT_EQ(scheduler.pool().num_available() == 4, param.reason.has_value());
}

INSTANTIATE_TEST_SUITE_P(
    Stops,
    SchedulerCutTest,
    testing::Values(
        CutCase{"None", ids({3, 4, 5, 6}), {}, false, 99, ids({3, 4, 5, 6}), std::nullopt},
        CutCase{"EndFirst", ids({9, 4, 5, 6}), {}, false, 99, ids({9}), FinishReason::kStop},
        CutCase{"EndInside", ids({3, 9, 5, 9}), {}, false, 99, ids({3, 9}), FinishReason::kStop},
        CutCase{
            "EndLast", ids({3, 4, 5, 9}), {}, false, 99, ids({3, 4, 5, 9}), FinishReason::kStop},
        CutCase{"EndIgnored", ids({3, 9, 5, 6}), {}, true, 99, ids({3, 9, 5, 6}), std::nullopt},
        CutCase{"StopId", ids({3, 4, 5, 6}), ids({5, 4}), false, 99, ids({3, 4}),
                FinishReason::kStop},
        CutCase{"StopIdBeforeEnd", ids({3, 4, 9, 6}), ids({4}), false, 99, ids({3, 4}),
                FinishReason::kStop},
        CutCase{"EndBeforeStopId", ids({9, 4}), ids({4}), false, 99, ids({9}), FinishReason::kStop},
        CutCase{"StopIdWithEndIgnored", ids({9, 4}), ids({4}), true, 99, ids({9, 4}),
                FinishReason::kStop},
        CutCase{"Length", ids({3, 4}), {}, false, 3, ids({3, 4}), FinishReason::kLength},
        CutCase{"EndAtLength", ids({3, 9}), {}, false, 3, ids({3, 9}), FinishReason::kStop},
        CutCase{"EndBeforeLength", ids({9, 4}), {}, false, 3, ids({9}), FinishReason::kStop}),
    [](const auto& param_info) { return param_info.param.name; });

TEST(SchedulerTest, VerifiesNoMoreDraftsThanCanBeKept) {
  Scheduler scheduler(small_config());
  (void)submit(scheduler, prompt_of(4, 3));
  run(scheduler, ids({2}));

  const StepPlan plan = run(scheduler, ids({3}));

  EXPECT_EQ(plan.rows[0].num_drafts, 1);  // two tokens are left, the round gives one itself
}

TEST(SchedulerTest, StopsAtTheContextLimit) {
  Scheduler scheduler(small_config());
  const Submission request = submit(scheduler, prompt_of(510, 100));
  for (int chunk = 0; chunk < 3; ++chunk) {
    run(scheduler, {});
  }
  run(scheduler, ids({2}));

  const StepPlan plan = run(scheduler, ids({3}));

  EXPECT_EQ(plan.rows[0].num_drafts, 0);
  (void)request.events->try_pop();
  EXPECT_EQ(request.events->try_pop()->finish, FinishReason::kLength);
}

TEST(SchedulerTest, RunsRequestsInOrderWhenSlotsAreFew) {
  Scheduler scheduler(small_config());
  const Submission first = submit(scheduler, prompt_of(4, 1));
  const Submission second = submit(scheduler, prompt_of(5, 1));

  EXPECT_EQ(run(scheduler, ids({2})).rows[0].sequence, first.id);
  EXPECT_EQ(run(scheduler, ids({2})).rows[0].sequence, second.id);
  EXPECT_FALSE(scheduler.has_work());
  EXPECT_TRUE(scheduler.plan().empty());
}

TEST(SchedulerTest, CancelReturnsPagesAtOnce) {
  Scheduler scheduler(small_config());
  const Submission running = submit(scheduler, prompt_of(200));
  const Submission waiting = submit(scheduler, prompt_of(5));
  run(scheduler, {});

  scheduler.cancel(running.id);
  scheduler.cancel(waiting.id);
  scheduler.cancel(running.id);
  scheduler.cancel(SeqId{77});

  EXPECT_EQ(running.events->try_pop()->finish, FinishReason::kCancelled);
  EXPECT_EQ(waiting.events->try_pop()->finish, FinishReason::kCancelled);
  EXPECT_FALSE(running.events->try_pop().has_value());
  EXPECT_EQ(scheduler.pool().num_available(), 4);
  EXPECT_FALSE(scheduler.has_work());
}

TEST(SchedulerTest, DropsTheResultOfACancelledSequence) {
  Scheduler scheduler(small_config());
  const Submission request = submit(scheduler, prompt_of(4));
  const StepPlan plan = scheduler.plan();

  scheduler.cancel(request.id);
  scheduler.commit(answer(plan, {ids({2})}));

  EXPECT_EQ(request.events->try_pop()->finish, FinishReason::kCancelled);
  EXPECT_FALSE(request.events->try_pop().has_value());
  scheduler.check_integrity();
}

TEST(SchedulerTest, RefusesBadRequestsByField) {
  Scheduler scheduler(small_config());
  Request bad_stop = prompt_of(4);
  bad_stop.stop_token_ids = ids({100});
  Request foreign = prompt_of(4);
  foreign.prompt[2] = TokenId{-1};

  EXPECT_EQ(refused(scheduler, prompt_of(0)).field, "prompt");
  EXPECT_EQ(refused(scheduler, prompt_of(512)).code, Refusal::Code::kContextLength);
  EXPECT_THAT(refused(scheduler, prompt_of(512)).message, HasSubstr("512"));
  EXPECT_EQ(refused(scheduler, prompt_of(4, 0)).field, "max_tokens");
  EXPECT_EQ(refused(scheduler, bad_stop).field, "stop_token_ids");
  EXPECT_EQ(refused(scheduler, foreign).field, "prompt");
  EXPECT_FALSE(scheduler.has_work());
}

TEST(SchedulerTest, FullQueueIsAnAnswer) {
  Scheduler scheduler(small_config());
  (void)submit(scheduler, prompt_of(4));
  (void)submit(scheduler, prompt_of(4));

  EXPECT_EQ(refused(scheduler, prompt_of(4)).code, Refusal::Code::kQueueFull);
}

TEST(SchedulerDeathTest, AbortsWhenTheRunnerDisagrees) {
  EXPECT_DEATH(
      {
        Scheduler scheduler(small_config());
        (void)submit(scheduler, prompt_of(4));
        StepResult result = answer(scheduler.plan(), {ids({2})});
        result.rows[0].kv_len += 1;
        scheduler.commit(result);
      },
      "kv_len 5 != 4");
}

}  // namespace
}  // namespace talon
