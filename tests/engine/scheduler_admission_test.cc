// Where a sequence starts: shared pages, copied pages, choices of one request (scheduler_script.h).
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <utility>
#include <vector>

#include "engine/scheduler.h"
#include "engine/scheduler_script.h"

namespace talon {
namespace {

using test::config_of;
using test::events_of;
using test::num_rows;
using test::prompt_of;
using test::run;
using test::submit;

TEST(SchedulerAdmissionTest, SharesThePagesOfAnEarlierPrompt) {
  for (const bool has_drafter : {false, true}) {
    SchedulerConfig config = config_of(33, 4);
    config.has_drafter = has_drafter;
    config.max_drafts = has_drafter ? 3 : 0;
    Scheduler scheduler(config);
    (void)submit(scheduler, prompt_of(300, 0, 1));
    while (scheduler.has_work()) {
      run(scheduler);
    }

    const Submission second = submit(scheduler, prompt_of(300, 0, 1));
    const StepPlan plan = run(scheduler);

    // Two full pages match either way; a drafter makes the last one private and its last row new.
    EXPECT_EQ(plan.rows[0].first_position, has_drafter ? 255 : 256);
    EXPECT_EQ(plan.slot_patches[0].kv_len, plan.rows[0].first_position);
    EXPECT_EQ(plan.page_copies.size(), has_drafter ? 1U : 0U);
    EXPECT_EQ(scheduler.stats().prefix_hits, 256);
    EXPECT_EQ(events_of(second).front().cached_tokens, has_drafter ? 255 : 256);
  }
}

TEST(SchedulerAdmissionTest, ComputesAtLeastOneRowOfACachedPrompt) {
  Scheduler scheduler(config_of(33, 4));
  (void)submit(scheduler, prompt_of(256, 0, 1));
  while (scheduler.has_work()) {
    run(scheduler);
  }

  (void)submit(scheduler, prompt_of(256, 0, 1));
  const StepPlan plan = run(scheduler);

  // The second page ends with the prompt: its last token's logits are needed.
  EXPECT_EQ(plan.rows[0].first_position, 127);
  EXPECT_EQ(scheduler.stats().prefix_hits, 128);
}

TEST(SchedulerAdmissionTest, SaltsAndPromptLogprobsKeepPrefixesApart) {
  Scheduler scheduler(config_of(33, 4));
  Request salted = prompt_of(200, 0, 1);
  salted.cache_salt = "tenant";
  Request with_logprobs = prompt_of(200, 0, 1);
  with_logprobs.num_prompt_logprobs = 0;
  for (Request request : {prompt_of(200, 0, 1), salted, with_logprobs}) {
    (void)submit(scheduler, std::move(request));
    while (scheduler.has_work()) {
      EXPECT_TRUE(run(scheduler).page_copies.empty());
    }
  }
  EXPECT_EQ(scheduler.stats().prefix_hits, 0);
}

TEST(SchedulerAdmissionTest, ChoicesShareTheirPrompt) {
  SchedulerConfig config = config_of(33, 4);
  config.prefix_caching = false;
  Scheduler scheduler(config);
  Request request = prompt_of(60, 0);
  request.num_choices = 3;
  request.sampling.seed = 40;
  const auto choices = std::get<std::vector<Submission>>(scheduler.add(std::move(request)));

  const StepPlan first = run(scheduler);
  const StepPlan second = run(scheduler);

  ASSERT_EQ(first.rows.size(), 1U) << "the others wait for the first one's pages";
  ASSERT_EQ(second.rows.size(), 3U);
  EXPECT_EQ(second.rows[1].num_rows(), 1);
  EXPECT_EQ(second.rows[2].first_position, 59);
  EXPECT_EQ(second.page_copies.size(), 2U);
  EXPECT_EQ(second.slot_patches[1].sampling.seed, 42);
  EXPECT_EQ(events_of(choices[2]).size(), 1U);
}

TEST(SchedulerAdmissionTest, ChoicesRunAloneWhenTheFirstIsGone) {
  Scheduler scheduler(config_of(33, 4));
  Request request = prompt_of(20, 0);
  request.num_choices = 2;
  const auto choices = std::get<std::vector<Submission>>(scheduler.add(std::move(request)));
  scheduler.cancel(choices[0].id);

  const StepPlan plan = run(scheduler);

  ASSERT_EQ(plan.rows.size(), 1U);
  EXPECT_EQ(plan.rows[0].sequence, choices[1].id);
  EXPECT_EQ(plan.rows[0].num_rows(), 20);
}

TEST(SchedulerAdmissionTest, TellsWhoGotASlot) {
  Scheduler scheduler(config_of(33, 1));
  std::vector<SeqId> admitted;
  scheduler.on_admission([&](SeqId id) { admitted.push_back(id); });
  const Submission first = submit(scheduler, prompt_of(20, 0));
  const Submission second = submit(scheduler, prompt_of(20, 500));

  run(scheduler);
  run(scheduler);
  EXPECT_THAT(admitted, testing::ElementsAre(first.id));
  scheduler.cancel(first.id);
  run(scheduler);

  EXPECT_THAT(admitted, testing::ElementsAre(first.id, second.id));
}

TEST(SchedulerAdmissionTest, SaysWhyTheFirstWaits) {
  Scheduler slots(config_of(33, 1));
  (void)submit(slots, prompt_of(20, 0));
  run(slots);
  EXPECT_EQ(slots.wait_reason(), WaitReason::kNone);
  (void)submit(slots, prompt_of(20, 500));
  run(slots);
  EXPECT_EQ(slots.wait_reason(), WaitReason::kSlots);

  Scheduler pages(config_of(4, 4));
  (void)submit(pages, prompt_of(300, 0));
  (void)submit(pages, prompt_of(300, 500));
  while (pages.num_prefilling() > 0 || pages.num_running() == 0) {
    run(pages);
  }
  EXPECT_EQ(pages.wait_reason(), WaitReason::kPages);

  Scheduler rows(config_of(33, 4));
  (void)submit(rows, prompt_of(300, 0));
  (void)submit(rows, prompt_of(300, 500));
  run(rows);
  EXPECT_EQ(rows.wait_reason(), WaitReason::kRows);
}

}  // namespace
}  // namespace talon
