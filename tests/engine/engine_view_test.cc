// What an engine tells operators of its sequences and steps (scheduler_script.h).
#include "engine/engine_view.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "engine/scheduler.h"
#include "engine/scheduler_script.h"

namespace talon {
namespace {

using test::config_of;
using test::prompt_of;
using test::run;
using test::submit;

TEST(EngineViewTest, SequencesAreInOrderOfService) {
  Scheduler scheduler(config_of(33, 2));
  const Submission first = submit(scheduler, prompt_of(20, 0));
  const Submission second = submit(scheduler, prompt_of(100, 300));
  const Submission third = submit(scheduler, prompt_of(20, 500));
  run(scheduler);  // 64 rows: all of the first prompt, a part of the second

  const std::vector<SequenceView> views = scheduler.sequences();

  ASSERT_EQ(views.size(), 3U);
  EXPECT_EQ(views[0].id, first.id);
  EXPECT_EQ(views[0].state, "running");
  EXPECT_EQ(views[0].prompt_len, 20);
  EXPECT_EQ(views[0].num_tokens, 21);
  EXPECT_EQ(views[0].kv_len, 20);
  EXPECT_EQ(views[0].num_pages, 1);
  EXPECT_EQ(views[1].id, second.id);
  EXPECT_EQ(views[1].state, "prefilling");
  EXPECT_EQ(views[1].kv_len, 44);
  EXPECT_EQ(views[2].id, third.id);
  EXPECT_EQ(views[2].state, "waiting");
  EXPECT_EQ(views[2].num_pages, 0);
  EXPECT_EQ(scheduler.num_prefilling(), 1);
}

TEST(EngineViewTest, RowsOfAPlanAreCountedByKind) {
  StepPlan plan;
  plan.round = 3;
  plan.ahead = true;
  plan.rows.resize(2);
  plan.rows[0].tokens = {TokenId{1}, TokenId{2}};
  plan.rows[1].num_drafts = 3;

  const StepView view = view_of(plan);

  EXPECT_EQ(view.round, 3);
  EXPECT_EQ(view.num_sequences, 2);
  EXPECT_EQ(view.num_rows, 6);
  EXPECT_EQ(view.num_prefill_rows, 2);
  EXPECT_EQ(view.num_draft_rows, 3);
  EXPECT_TRUE(view.is_ahead);
}

TEST(EngineViewTest, EveryReasonHasAName) {
  for (const WaitReason reason :
       {WaitReason::kNone, WaitReason::kSlots, WaitReason::kRows, WaitReason::kPages,
        WaitReason::kPrompt, WaitReason::kPreemption, WaitReason::kTransfers}) {
    EXPECT_NE(wait_reason_name(reason), "?");
  }
}

}  // namespace
}  // namespace talon
