// Prompts that one engine computes and another one answers (scheduler_script.h): what is held and
// may be read of it, who awaits what, where pages in doubt stay, and who waits meanwhile.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <optional>
#include <utility>
#include <vector>

#include "engine/scheduler.h"
#include "engine/scheduler_script.h"

namespace talon {
namespace {

using test::config_of;
using test::events_of;
using test::prompt_of;
using test::run;
using test::submit;

Request decode_of(int64_t length, int32_t first, int32_t max_tokens = 100) {
  Request request = prompt_of(length, first, max_tokens);
  request.handoff = HandoffRole::kDecode;
  return request;
}

std::vector<int64_t> wanted_ordinals(const Scheduler& scheduler, SeqId id) {
  std::vector<int64_t> ordinals;
  for (const WantedPage& page : scheduler.wanted_kv(id)) {
    ordinals.push_back(page.ordinal);
  }
  return ordinals;
}

Request prefill_of(int64_t length, int32_t first) {
  Request request = prompt_of(length, first);
  request.handoff = HandoffRole::kPrefill;
  return request;
}

void run_all(Scheduler& scheduler) {
  while (scheduler.has_work()) {
    run(scheduler);
  }
}

std::vector<PageRef> refs(const Scheduler& scheduler, const std::vector<int32_t>& pages) {
  std::vector<PageRef> refs;
  refs.reserve(pages.size());
  for (const int32_t page : pages) {
    refs.push_back(scheduler.pool().ref(PageId{page}));
  }
  return refs;
}

TEST(SchedulerHandoffTest, ComputesAllButTheLastTokenAndHoldsThePages) {
  Scheduler scheduler(config_of(33, 1));
  const Submission prompt = submit(scheduler, prefill_of(300, 0));
  StepPlan last;
  while (scheduler.has_work()) {
    last = run(scheduler);
  }

  ASSERT_EQ(last.rows.size(), 1U);
  EXPECT_FALSE(last.rows[0].sample);
  EXPECT_EQ(last.rows[0].first_position + last.rows[0].num_rows(), 299);
  EXPECT_EQ(last.rows[0].next_token, TokenId{299}) << "the drafter's last entry is of the prompt";
  const std::vector<TokenEvent> events = events_of(prompt);
  ASSERT_EQ(events.size(), 1U);
  EXPECT_EQ(events[0].finish, FinishReason::kPrefilled);
  EXPECT_TRUE(events[0].tokens.empty());
  EXPECT_EQ(scheduler.num_held(), 1);
  EXPECT_EQ(scheduler.num_running(), 0);
  EXPECT_EQ(scheduler.sequences().front().state, "held");
  const std::optional<OfferedKv> offered = scheduler.offered_kv(prompt.id);
  ASSERT_TRUE(offered.has_value());
  EXPECT_TRUE(offered->is_complete);
  EXPECT_EQ(offered->num_positions, 299);
  EXPECT_EQ(offered->pages, refs(scheduler, {1, 2, 3}));
  EXPECT_TRUE(scheduler.plan().empty());
}

TEST(SchedulerHandoffTest, ItsSlotIsForTheNext) {
  Scheduler scheduler(config_of(33, 1));
  (void)submit(scheduler, prefill_of(20, 0));
  const Submission next = submit(scheduler, prompt_of(20, 500, 1));

  run(scheduler);
  run(scheduler);

  EXPECT_EQ(events_of(next).size(), 1U);
  EXPECT_EQ(scheduler.num_held(), 1);
}

TEST(SchedulerHandoffTest, OffersFullPagesWhileItPrefills) {
  Scheduler scheduler(config_of(33, 1));
  const Submission prompt = submit(scheduler, prefill_of(300, 0));
  EXPECT_EQ(scheduler.offered_kv(prompt.id)->num_positions, 0) << "it waits";
  std::vector<int64_t> positions;
  while (scheduler.has_work()) {
    run(scheduler);
    const OfferedKv offered = *scheduler.offered_kv(prompt.id);
    positions.push_back(offered.num_positions);
    EXPECT_EQ(std::ssize(offered.pages), (offered.num_positions + 127) / 128);
    EXPECT_EQ(offered.is_complete, offered.num_positions == 299);
  }

  // 64 rows a step: at 128 the page's last entry was made from token 128, which is the prompt's.
  EXPECT_THAT(positions, testing::ElementsAre(0, 128, 128, 256, 299));
}

TEST(SchedulerHandoffTest, OffersNothingOfOthers) {
  Scheduler scheduler(config_of(33, 2));
  const Submission plain = submit(scheduler, prompt_of(200, 0));
  run(scheduler);

  EXPECT_FALSE(scheduler.offered_kv(plain.id).has_value());
  EXPECT_FALSE(scheduler.offered_kv(SeqId{99}).has_value());
  scheduler.release(plain.id);
  EXPECT_EQ(scheduler.num_running(), 1) << "only what is held can be released";
}

TEST(SchedulerHandoffTest, ReleasedPagesStayInThePrefixCache) {
  Scheduler scheduler(config_of(33, 1));
  const Submission prompt = submit(scheduler, prefill_of(300, 0));
  run_all(scheduler);
  const PageRef first = scheduler.offered_kv(prompt.id)->pages[0];

  scheduler.release(prompt.id);
  scheduler.release(prompt.id);

  scheduler.check_integrity();
  EXPECT_EQ(scheduler.num_held(), 0);
  EXPECT_FALSE(scheduler.offered_kv(prompt.id).has_value());
  EXPECT_EQ(scheduler.pool().num_available(), 32);
  EXPECT_EQ(scheduler.pool().num_cached(), 2);
  EXPECT_TRUE(scheduler.pool().is_current(first)) << "a late reader reads the same";
  (void)submit(scheduler, prompt_of(300, 0, 1));
  run(scheduler);
  EXPECT_EQ(scheduler.stats().prefix_hits, 256);
}

// Its last page is computed again at least in part, so that every prefill has a row.
TEST(SchedulerHandoffTest, ACachedPromptIsHeldToo) {
  for (const int64_t length : {2, 129, 257, 300}) {
    Scheduler scheduler(config_of(33, 1));
    for (int i = 0; i < 2; ++i) {
      const Submission prompt = submit(scheduler, prefill_of(length, 0));
      run_all(scheduler);
      EXPECT_EQ(scheduler.offered_kv(prompt.id)->num_positions, length - 1);
      scheduler.release(prompt.id);
    }
    EXPECT_EQ(scheduler.stats().prefix_hits, (length - 2) / 128 * 128);
  }
}

TEST(SchedulerHandoffTest, CancelWorksAtEveryMoment) {
  for (int num_steps = 0; num_steps <= 5; ++num_steps) {
    Scheduler scheduler(config_of(33, 1));
    const Submission prompt = submit(scheduler, prefill_of(300, 0));
    for (int i = 0; i < num_steps; ++i) {
      run(scheduler);
    }

    scheduler.cancel(prompt.id);
    scheduler.cancel(prompt.id);

    scheduler.check_integrity();
    EXPECT_FALSE(scheduler.has_work());
    EXPECT_EQ(scheduler.num_held(), 0);
    EXPECT_EQ(scheduler.pool().num_available(), 32);
    const std::vector<TokenEvent> events = events_of(prompt);
    ASSERT_EQ(events.size(), 1U) << "the last event comes once";
    EXPECT_EQ(events[0].finish,
              num_steps == 5 ? FinishReason::kPrefilled : FinishReason::kCancelled);
  }
}

TEST(SchedulerHandoffTest, CancelledInFlightItIsNotHeld) {
  Scheduler scheduler(config_of(33, 1));
  const Submission prompt = submit(scheduler, prefill_of(20, 0));
  const StepPlan plan = scheduler.plan();

  scheduler.cancel(prompt.id);
  EXPECT_FALSE(scheduler.offered_kv(prompt.id).has_value());
  scheduler.commit(test::answer(plan));

  scheduler.check_integrity();
  EXPECT_EQ(scheduler.num_held(), 0);
  EXPECT_EQ(scheduler.pool().num_free(), 32);
}

// Three pages, two of them held: who outgrows the third one has nobody to preempt but itself.
TEST(SchedulerHandoffTest, ASequenceAloneWaitsForHeldPages) {
  SchedulerConfig config = config_of(4, 2);
  config.max_drafts = 0;
  Scheduler scheduler(config);
  const Submission held = submit(scheduler, prefill_of(200, 0));
  run_all(scheduler);
  const Submission plain = submit(scheduler, prompt_of(120, 500, 20));

  while (!run(scheduler).empty()) {
  }
  EXPECT_EQ(events_of(plain).size(), 9U);
  EXPECT_EQ(scheduler.num_waiting(), 1);
  EXPECT_EQ(scheduler.wait_reason(), WaitReason::kPages);
  scheduler.release(held.id);
  run_all(scheduler);

  const std::vector<TokenEvent> events = events_of(plain);
  ASSERT_EQ(events.size(), 11U);
  EXPECT_EQ(events.back().finish, FinishReason::kLength);
}

TEST(SchedulerHandoffTest, APreemptedPrefillStartsAgain) {
  SchedulerConfig config = config_of(5, 2);
  config.max_drafts = 0;
  config.prefix_caching = false;
  Scheduler scheduler(config);
  (void)submit(scheduler, prompt_of(127, 500, 10));
  run(scheduler);
  run(scheduler);
  const Submission prompt = submit(scheduler, prefill_of(384, 0));
  run(scheduler);
  const PageRef first = scheduler.pool().ref(PageId{2});
  run(scheduler);

  EXPECT_EQ(scheduler.stats().preemptions, 1);
  EXPECT_FALSE(scheduler.pool().is_current(first)) << "the other one has it now";
  EXPECT_EQ(scheduler.offered_kv(prompt.id)->num_positions, 0);
  run_all(scheduler);
  EXPECT_EQ(scheduler.offered_kv(prompt.id)->num_positions, 383);
}

TEST(SchedulerHandoffTest, AwaitsThePagesOfAllPositionsButTheLast) {
  const std::vector<std::pair<int64_t, int64_t>> cases{{2, 1}, {129, 1}, {130, 2}, {257, 2}};
  for (const auto& [length, num_pages] : cases) {
    Scheduler scheduler(config_of(33, 1));
    const Submission prompt = submit(scheduler, decode_of(length, 0));
    EXPECT_TRUE(scheduler.wanted_kv(prompt.id).empty()) << "it waits";

    EXPECT_TRUE(run(scheduler).empty());

    EXPECT_THAT(scheduler.awaiting_kv(), testing::ElementsAre(prompt.id));
    EXPECT_EQ(std::ssize(scheduler.wanted_kv(prompt.id)), num_pages) << length << " tokens";
    EXPECT_EQ(scheduler.wanted_kv(prompt.id).front(),
              (WantedPage{.ordinal = 0, .ref = {.page = PageId{1}, .generation = 1}}));
    EXPECT_FALSE(scheduler.has_work());
    EXPECT_EQ(scheduler.num_waiting(), 0);
    EXPECT_EQ(scheduler.sequences().front().state, "awaiting_kv");
    EXPECT_EQ(scheduler.sequences().front().kv_len, 0);
  }
}

TEST(SchedulerHandoffTest, GoesOnAsIfItHadPrefilled) {
  Scheduler scheduler(config_of(33, 1));
  const Submission prompt = submit(scheduler, decode_of(300, 0, 3));
  run(scheduler);

  EXPECT_TRUE(scheduler.kv_arrived(prompt.id));
  EXPECT_EQ(scheduler.sequences().front().state, "ready");
  EXPECT_TRUE(scheduler.has_work());
  const StepPlan plan = run(scheduler);

  ASSERT_EQ(plan.rows.size(), 1U);
  EXPECT_EQ(plan.rows[0].first_position, 299);
  EXPECT_EQ(plan.rows[0].tokens, std::vector<TokenId>{TokenId{299}});
  EXPECT_TRUE(plan.rows[0].sample);
  ASSERT_EQ(plan.slot_patches.size(), 1U);
  EXPECT_EQ(plan.slot_patches[0].kv_len, 299);
  EXPECT_EQ(plan.page_patches[0].pages.size(), 3U);
  run_all(scheduler);
  EXPECT_EQ(events_of(prompt).back().finish, FinishReason::kLength);
  EXPECT_EQ(scheduler.pool().num_cached(), 2) << "what came is cached as what was computed";
}

TEST(SchedulerHandoffTest, SkipsPagesOfItsOwnCache) {
  for (const bool has_drafter : {false, true}) {
    SchedulerConfig config = config_of(33, 1);
    config.has_drafter = has_drafter;
    config.max_drafts = has_drafter ? 3 : 0;
    Scheduler scheduler(config);
    (void)submit(scheduler, prompt_of(300, 0, 1));
    run_all(scheduler);
    const Submission prompt = submit(scheduler, decode_of(300, 0, 1));

    EXPECT_TRUE(run(scheduler).empty()) << "no page is copied";
    // With a drafter the last page that matches comes from the other engine.
    EXPECT_EQ(wanted_ordinals(scheduler, prompt.id),
              has_drafter ? (std::vector<int64_t>{1, 2}) : std::vector<int64_t>{2});
    scheduler.kv_arrived(prompt.id);
    run(scheduler);

    EXPECT_EQ(events_of(prompt).front().cached_tokens, has_drafter ? 128 : 256);
  }
}

TEST(SchedulerHandoffTest, AwaitsNothingThatItHas) {
  SchedulerConfig config = config_of(33, 1);
  config.has_drafter = false;
  config.max_drafts = 0;
  Scheduler scheduler(config);
  (void)submit(scheduler, prompt_of(300, 0, 1));
  run_all(scheduler);
  const Submission prompt = submit(scheduler, decode_of(257, 0, 1));

  const StepPlan plan = run(scheduler);

  ASSERT_EQ(plan.rows.size(), 1U);
  EXPECT_EQ(plan.rows[0].first_position, 256);
  EXPECT_TRUE(scheduler.awaiting_kv().empty());
  EXPECT_EQ(events_of(prompt).front().finish, FinishReason::kLength);
}

TEST(SchedulerHandoffTest, ComputesItselfWhatDoesNotCome) {
  Scheduler scheduler(config_of(33, 1));
  const Submission prompt = submit(scheduler, decode_of(300, 0, 1));
  run(scheduler);

  EXPECT_TRUE(scheduler.kv_failed(prompt.id, OnKvFailure::kRecompute));
  scheduler.check_integrity();
  EXPECT_THAT(scheduler.quarantined(), testing::ElementsAre(prompt.id));
  EXPECT_EQ(scheduler.num_quarantined_pages(), 3);
  const StepPlan first = run(scheduler);
  run_all(scheduler);

  EXPECT_EQ(first.rows[0].first_position, 0);
  for (const PageId page : first.page_patches[0].pages) {
    EXPECT_GT(page.value, 3) << "a page that a peer may write";
  }
  EXPECT_EQ(events_of(prompt).back().finish, FinishReason::kLength);
  EXPECT_EQ(scheduler.pool().num_available(), 29) << "three stay in quarantine";
  EXPECT_TRUE(scheduler.kv_quiesced(prompt.id));
  EXPECT_EQ(scheduler.pool().num_available(), 32);
  EXPECT_EQ(scheduler.pool().num_cached(), 2) << "of those in quarantine none is cached";
}

TEST(SchedulerHandoffTest, EndsWithItsChoicesIfItMayNotCompute) {
  Scheduler scheduler(config_of(33, 4));
  Request request = decode_of(300, 0);
  request.num_choices = 2;
  const auto choices = std::get<std::vector<Submission>>(scheduler.add(std::move(request)));
  const Submission other = submit(scheduler, decode_of(20, 500));
  run(scheduler);

  EXPECT_TRUE(scheduler.kv_failed(choices[0].id, OnKvFailure::kEnd));

  scheduler.check_integrity();
  for (const Submission& choice : choices) {
    EXPECT_EQ(events_of(choice).back().finish, FinishReason::kHandoffFailed);
  }
  EXPECT_THAT(scheduler.awaiting_kv(), testing::ElementsAre(other.id));
  EXPECT_EQ(scheduler.num_quarantined_pages(), 3);
  EXPECT_EQ(scheduler.pool().num_available(), 32 - 3 - 1);
}

TEST(SchedulerHandoffTest, ChoicesShareWhatCame) {
  Scheduler scheduler(config_of(33, 4));
  Request request = decode_of(300, 0, 3);
  request.num_choices = 3;
  const auto choices = std::get<std::vector<Submission>>(scheduler.add(std::move(request)));
  run(scheduler);
  EXPECT_EQ(scheduler.num_waiting(), 2);

  scheduler.kv_arrived(choices[0].id);
  EXPECT_EQ(run(scheduler).rows.size(), 1U);
  const StepPlan plan = run(scheduler);
  EXPECT_EQ(plan.rows.size(), 3U);
  EXPECT_EQ(plan.rows[2].first_position, 299);
  run_all(scheduler);

  for (const Submission& choice : choices) {
    EXPECT_EQ(events_of(choice).back().finish, FinishReason::kLength);
  }
}

TEST(SchedulerHandoffTest, ACancelledOnesPagesAreQuarantinedOnlyWhileItAwaits) {
  for (const bool has_arrived : {false, true}) {
    Scheduler scheduler(config_of(4, 1));
    const Submission prompt = submit(scheduler, decode_of(200, 0));
    scheduler.cancel(prompt.id);
    EXPECT_EQ(scheduler.pool().num_free(), 3) << "it waited: nobody was asked";
    const Submission again = submit(scheduler, decode_of(200, 0));
    run(scheduler);
    if (has_arrived) {
      scheduler.kv_arrived(again.id);
    }

    scheduler.cancel(again.id);

    scheduler.check_integrity();
    EXPECT_EQ(events_of(again).back().finish, FinishReason::kCancelled);
    EXPECT_EQ(scheduler.num_quarantined_pages(), has_arrived ? 0 : 2);
    EXPECT_EQ(scheduler.pool().num_available(), has_arrived ? 3 : 1);
  }
}

TEST(SchedulerHandoffTest, PagesInQuarantineAreWaitedFor) {
  Scheduler scheduler(config_of(4, 1));
  const Submission gone = submit(scheduler, decode_of(200, 0));
  run(scheduler);
  scheduler.cancel(gone.id);
  const Submission next = submit(scheduler, prompt_of(200, 500, 1));

  EXPECT_TRUE(run(scheduler).empty());
  EXPECT_EQ(scheduler.wait_reason(), WaitReason::kPages);
  scheduler.clear_prefix_cache();
  EXPECT_TRUE(run(scheduler).empty());
  scheduler.kv_quiesced(gone.id);
  run_all(scheduler);

  EXPECT_EQ(events_of(next).back().finish, FinishReason::kLength);
}

TEST(SchedulerHandoffTest, LateAndForeignNewsAreIgnored) {
  Scheduler scheduler(config_of(33, 1));
  const Submission prompt = submit(scheduler, decode_of(200, 0));
  const auto tell_all = [&](SeqId id) {
    return scheduler.kv_arrived(id) || scheduler.kv_failed(id, OnKvFailure::kEnd) ||
           scheduler.kv_quiesced(id);
  };
  EXPECT_FALSE(tell_all(prompt.id)) << "it waits";
  EXPECT_FALSE(tell_all(SeqId{99}));
  run(scheduler);
  EXPECT_FALSE(scheduler.kv_quiesced(prompt.id)) << "it awaits";
  EXPECT_TRUE(scheduler.kv_arrived(prompt.id));
  EXPECT_FALSE(tell_all(prompt.id)) << "it is ready";
  run(scheduler);
  EXPECT_FALSE(tell_all(prompt.id)) << "it runs";
  scheduler.cancel(prompt.id);
  EXPECT_FALSE(tell_all(prompt.id)) << "it ended";
  scheduler.check_integrity();
}

// The first one that waits lacks pages which the ready one has: it must not stand in its way.
TEST(SchedulerHandoffTest, WhoIsReadyStandsBeforeThoseThatWait) {
  Scheduler scheduler(config_of(4, 1));
  const Submission running = submit(scheduler, prompt_of(20, 500, 3));
  run(scheduler);
  const Submission ready = submit(scheduler, decode_of(200, 0, 1));
  run(scheduler);
  Request large = prompt_of(300, 300, 1);
  const Submission first = submit(scheduler, std::move(large));
  scheduler.kv_arrived(ready.id);
  run_all(scheduler);

  EXPECT_EQ(events_of(running).back().finish, FinishReason::kLength);
  EXPECT_EQ(events_of(ready).back().finish, FinishReason::kLength);
  EXPECT_EQ(events_of(first).back().finish, FinishReason::kLength);
}

// Four rows, which a verify of three drafts fills if nobody else needs one.
TEST(SchedulerHandoffTest, DraftsLeaveARowForWhoIsReady) {
  SchedulerConfig config = config_of(33, 2);
  config.max_rows = 4;
  Scheduler scheduler(config);
  (void)submit(scheduler, prompt_of(4, 500));
  run(scheduler);
  EXPECT_EQ(run(scheduler).rows.front().num_drafts, 3);
  const Submission ready = submit(scheduler, decode_of(200, 0));
  run(scheduler);
  scheduler.kv_arrived(ready.id);

  const StepPlan plan = run(scheduler);

  ASSERT_EQ(plan.rows.size(), 2U);
  EXPECT_EQ(plan.rows[0].num_drafts, 2);
  EXPECT_EQ(plan.rows[1].sequence, ready.id);
}

TEST(SchedulerHandoffTest, NoMoreAwaitKvThanThereAreSlots) {
  Scheduler scheduler(config_of(33, 2));
  const Submission a = submit(scheduler, decode_of(20, 0));
  const Submission b = submit(scheduler, decode_of(20, 100));
  const Submission c = submit(scheduler, decode_of(20, 200));
  const Submission local = submit(scheduler, prompt_of(20, 500, 1));
  run(scheduler);
  EXPECT_THAT(scheduler.awaiting_kv(), testing::ElementsAre(a.id, b.id));
  EXPECT_EQ(scheduler.wait_reason(), WaitReason::kTransfers);
  EXPECT_EQ(events_of(local).size(), 1U) << "slow peers do not hold it up";

  scheduler.kv_arrived(a.id);
  EXPECT_EQ(scheduler.num_ready(), 1);
  run(scheduler);

  EXPECT_THAT(scheduler.awaiting_kv(), testing::ElementsAre(b.id, c.id));
}

TEST(SchedulerHandoffTest, WhoAwaitsOrCameBreaksLaunchAhead) {
  SchedulerConfig config = config_of(33, 1);
  config.launch_ahead = true;
  Scheduler scheduler(config);
  (void)submit(scheduler, prompt_of(20, 500));
  run(scheduler);
  const auto may_plan_ahead = [&] {
    const StepPlan plan = scheduler.plan();
    std::optional<StepPlan> ahead = scheduler.plan_ahead();
    scheduler.commit(test::answer(plan));
    if (ahead.has_value()) {
      ++ahead->rows[0].first_position;
      scheduler.commit(test::answer(*ahead));
    }
    return ahead.has_value();
  };
  EXPECT_TRUE(may_plan_ahead());

  const StepPlan plan = scheduler.plan();
  const Submission prompt = submit(scheduler, decode_of(20, 0));
  EXPECT_FALSE(scheduler.plan_ahead().has_value()) << "it needs no slot to be given pages";
  scheduler.commit(test::answer(plan));
  EXPECT_TRUE(may_plan_ahead()) << "it has them and awaits KV";
  (void)submit(scheduler, decode_of(20, 200));
  EXPECT_TRUE(may_plan_ahead()) << "no more than one may await KV beside one slot";
  scheduler.kv_arrived(prompt.id);
  EXPECT_TRUE(may_plan_ahead()) << "there is no slot for it";
}

}  // namespace
}  // namespace talon
