// Many sequences in one step: who gets rows, pages and slots (scheduler_script.h).
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <utility>
#include <vector>

#include "engine/scheduler.h"
#include "engine/scheduler_script.h"

namespace talon {
namespace {

using test::answer;
using test::config_of;
using test::events_of;
using test::num_rows;
using test::prompt_of;
using test::run;
using test::submit;

TEST(SchedulerPlanTest, MixesVerifiesAndChunksWithinTheBudget) {
  Scheduler scheduler(config_of(33, 4));
  const Submission first = submit(scheduler, prompt_of(10, 0));
  run(scheduler);
  (void)submit(scheduler, prompt_of(100, 200));
  (void)submit(scheduler, prompt_of(10, 400));

  const StepPlan mixed = run(scheduler);

  ASSERT_EQ(mixed.rows.size(), 2U);
  EXPECT_EQ(mixed.rows[0].sequence, first.id);
  EXPECT_EQ(mixed.rows[0].num_drafts, 3);
  EXPECT_EQ(mixed.rows[1].num_rows(), 60);
  EXPECT_EQ(num_rows(mixed), 64);
  EXPECT_EQ(scheduler.num_waiting(), 1);
}

TEST(SchedulerPlanTest, DraftsNeverStopAPrompt) {
  SchedulerConfig config = config_of(33, 4);
  config.max_rows = 8;
  Scheduler scheduler(config);
  for (int32_t i = 0; i < 3; ++i) {
    (void)submit(scheduler, prompt_of(2, 100 * i));
  }
  run(scheduler);
  (void)submit(scheduler, prompt_of(40, 700));

  const StepPlan plan = run(scheduler);

  ASSERT_EQ(plan.rows.size(), 4U);
  EXPECT_TRUE(plan.rows[3].is_prefill());
  EXPECT_LE(num_rows(plan), 8);
}

TEST(SchedulerPlanTest, LimitsTheChunkOfOnePrompt) {
  SchedulerConfig config = config_of(33, 4);
  config.max_chunk = 20;
  Scheduler scheduler(config);
  (void)submit(scheduler, prompt_of(50, 0));
  (void)submit(scheduler, prompt_of(50, 200));

  const StepPlan plan = run(scheduler);

  ASSERT_EQ(plan.rows.size(), 2U);
  EXPECT_EQ(plan.rows[0].num_rows(), 20);
  EXPECT_EQ(plan.rows[1].num_rows(), 20);
}

TEST(SchedulerPlanTest, PreemptsTheYoungestWhenPagesRunOut) {
  Scheduler scheduler(config_of(4, 2));  // three pages
  const Submission first = submit(scheduler, prompt_of(120, 0, 200));
  const Submission second = submit(scheduler, prompt_of(100, 500, 200));
  int64_t steps = 0;
  while (scheduler.stats().preemptions == 0) {
    run(scheduler);
    ASSERT_LT(++steps, 300);
  }
  EXPECT_EQ(scheduler.num_running(), 1);
  while (scheduler.has_work()) {
    run(scheduler);
  }

  for (const Submission& submission : {first, second}) {
    int64_t tokens = 0;
    for (const TokenEvent& event : events_of(submission)) {
      tokens += std::ssize(event.tokens);
    }
    EXPECT_EQ(tokens, 200);
  }
  EXPECT_EQ(scheduler.pool().num_available(), 3);
}

TEST(SchedulerPlanTest, PrioritiesOvertakeAndWaitingCounts) {
  SchedulerConfig config = config_of(33, 1);
  config.use_priorities = true;
  Scheduler scheduler(config);
  (void)submit(scheduler, prompt_of(4, 0, 300));
  run(scheduler);
  Request patient = prompt_of(4, 10, 1);
  patient.priority = 1;
  const Submission old = submit(scheduler, std::move(patient));
  for (int step = 0; step < 257; ++step) {
    run(scheduler);
  }
  const Submission late = submit(scheduler, prompt_of(4, 20, 1));
  Request urgent = prompt_of(4, 30, 1);
  urgent.priority = -1;
  const Submission first = submit(scheduler, std::move(urgent));
  std::vector<SeqId> order;
  while (scheduler.has_work()) {
    const StepPlan plan = run(scheduler);
    if (plan.rows[0].is_prefill()) {
      order.push_back(plan.rows[0].sequence);
    }
  }

  // 257 steps of waiting are worth more than the one priority between the two.
  EXPECT_THAT(order, testing::ElementsAre(first.id, old.id, late.id));
}

TEST(SchedulerPlanTest, CancelDuringAStepKeepsPagesUntilItIsRead) {
  Scheduler scheduler(config_of(33, 4));
  const Submission request = submit(scheduler, prompt_of(40, 0));
  const StepPlan plan = scheduler.plan();

  scheduler.cancel(request.id);
  EXPECT_LT(scheduler.pool().num_available(), 32);
  scheduler.cancel(request.id);
  scheduler.commit(answer(plan));

  EXPECT_EQ(scheduler.pool().num_available(), 32);
  EXPECT_FALSE(scheduler.has_work());
  EXPECT_EQ(events_of(request).size(), 1U);
}

SchedulerConfig ahead_config() {
  SchedulerConfig config = config_of(33, 4);
  config.launch_ahead = true;
  return config;
}

TEST(LaunchAheadTest, PlansOnlyWhenMembershipCannotChange) {
  Scheduler scheduler(ahead_config());
  (void)submit(scheduler, prompt_of(20, 0));
  const StepPlan prefill = scheduler.plan();
  EXPECT_FALSE(scheduler.plan_ahead().has_value()) << "a chunk is in flight";
  scheduler.commit(answer(prefill));

  const StepPlan verify = scheduler.plan();
  const std::optional<StepPlan> ahead = scheduler.plan_ahead();
  ASSERT_TRUE(ahead.has_value());
  EXPECT_TRUE(ahead->ahead);
  EXPECT_EQ(ahead->rows[0].num_drafts, 3);
  EXPECT_FALSE(scheduler.plan_ahead().has_value()) << "two are outstanding";
  scheduler.commit(answer(verify));
  (void)submit(scheduler, prompt_of(20, 100));
  EXPECT_FALSE(scheduler.plan_ahead().has_value()) << "one could join";
}

TEST(LaunchAheadTest, DropsWhatRanBehindAnEnd) {
  Scheduler scheduler(ahead_config());
  const Submission request = submit(scheduler, prompt_of(20, 0, 2));
  scheduler.commit(answer(scheduler.plan()));
  const StepPlan last = scheduler.plan();
  StepPlan behind = *scheduler.plan_ahead();

  scheduler.commit(answer(last));
  EXPECT_TRUE(scheduler.has_work()) << "its pages are still written";
  EXPECT_LT(scheduler.pool().num_available(), 32);
  behind.rows[0].first_position += 1;
  scheduler.commit(answer(behind));

  EXPECT_FALSE(scheduler.has_work());
  EXPECT_EQ(scheduler.pool().num_available(), 32);
  const std::vector<TokenEvent> events = events_of(request);
  EXPECT_EQ(events.size(), 2U);
  EXPECT_EQ(events.back().finish, FinishReason::kLength);
}

// Allows ids below `limit` only.
class Below final : public TokenConstraint {
 public:
  explicit Below(int32_t limit) : limit_(limit) {}
  void fill_mask(std::span<uint32_t> mask) override {
    for (int32_t id = 0; id < limit_; ++id) {
      mask[static_cast<size_t>(id / 32)] |= 1U << (id % 32);
    }
  }
  bool accept(TokenId token) override {
    accepted += token.value < limit_ ? 1 : 0;
    return token.value < limit_;
  }
  void rollback(int32_t count) override { accepted -= count; }

  int32_t accepted = 0;

 private:
  int32_t limit_;
};

TEST(SchedulerPlanTest, ConstraintMasksEachRowAndCutsIllegalDrafts) {
  for (const int32_t limit : {8, 7}) {  // drafts are token 7
    Scheduler scheduler(config_of(33, 4));
    auto constraint = std::make_shared<Below>(limit);
    Request request = prompt_of(4, 0);
    request.constraints = {constraint};
    (void)submit(scheduler, std::move(request));
    const StepPlan prefill = scheduler.plan();
    scheduler.commit(answer(prefill, [](const PlanRow&) { return std::vector{TokenId{1}}; }));

    const StepPlan verify = scheduler.plan();

    const int32_t drafts = limit == 8 ? 3 : 0;
    EXPECT_EQ(prefill.rows[0].masks.size(), 32U);
    EXPECT_EQ(verify.rows[0].num_drafts, drafts);
    EXPECT_EQ(std::ssize(verify.rows[0].masks), 32 * (drafts + 1));
    EXPECT_EQ(verify.rows[0].masks[0], (1U << limit) - 1);
    EXPECT_EQ(constraint->accepted, 1) << "drafts are taken back";
    scheduler.commit(answer(verify, [](const PlanRow&) { return std::vector{TokenId{1}}; }));
  }
}
}  // namespace
}  // namespace talon
