// Many sequences in one step: who gets rows, pages and slots. The runner is a script: every row
// that samples gives one token, unless a test says otherwise.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <utility>
#include <vector>

#include "engine/scheduler.h"

namespace talon {
namespace {

constexpr TokenId kWord{7};

SchedulerConfig config_of(int32_t num_pages, int32_t max_sequences) {
  return {.num_pages = num_pages,
          .context_limit = std::min<int64_t>(512, int64_t{num_pages - 1} * kPageTokens),
          .vocab_size = 1000,
          .max_sequences = max_sequences,
          .max_rows = 64,
          .max_logit_rows = 64,
          .max_drafts = 3,
          .has_drafter = true,
          .max_queue_len = 16};
}

// A prompt that no other shares: its tokens start at `first`.
Request prompt_of(int64_t length, int32_t first, int32_t max_tokens = 100) {
  Request request{.prompt = {}, .max_tokens = max_tokens};
  for (int32_t i = 0; i < length; ++i) {
    request.prompt.emplace_back((first + i) % 1000);
  }
  return request;
}

Submission submit(Scheduler& scheduler, Request request) {
  return std::get<std::vector<Submission>>(scheduler.add(std::move(request))).front();
}

using Answer = std::function<std::vector<TokenId>(const PlanRow&)>;

std::vector<TokenId> one_token(const PlanRow&) { return {kWord}; }

StepResult answer(const StepPlan& plan, const Answer& tokens_of = one_token) {
  StepResult result{.round = plan.round, .rows = {}, .times = {}};
  for (const PlanRow& row : plan.rows) {
    RowResult out;
    out.sequence = row.sequence;
    out.drafted = row.num_drafts;
    if (row.sample) {
      out.tokens = tokens_of(row);
      out.accepted = static_cast<int32_t>(std::ssize(out.tokens)) - 1;
    }
    const int64_t valid = row.is_prefill() ? row.num_rows() : std::ssize(out.tokens);
    out.kv_len = row.first_position + valid;
    out.drafts.assign(static_cast<size_t>(row.drafts_to_make), kWord);
    result.rows.push_back(std::move(out));
  }
  return result;
}

StepPlan run(Scheduler& scheduler) {
  StepPlan plan = scheduler.plan();
  if (!plan.empty()) {
    scheduler.commit(answer(plan));
  }
  scheduler.check_integrity();
  return plan;
}

int64_t num_rows(const StepPlan& plan) {
  int64_t sum = 0;
  for (const PlanRow& row : plan.rows) {
    sum += row.num_rows();
  }
  return sum;
}

std::vector<TokenEvent> events_of(const Submission& submission) {
  std::vector<TokenEvent> events;
  while (std::optional<TokenEvent> event = submission.events->try_pop()) {
    events.push_back(std::move(*event));
  }
  return events;
}

TEST(BatchingTest, MixesVerifiesAndChunksWithinTheBudget) {
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

TEST(BatchingTest, DraftsNeverStopAPrompt) {
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

TEST(BatchingTest, LimitsTheChunkOfOnePrompt) {
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

TEST(BatchingTest, SharesThePagesOfAnEarlierPrompt) {
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

TEST(BatchingTest, ComputesAtLeastOneRowOfACachedPrompt) {
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

TEST(BatchingTest, SaltsAndPromptLogprobsKeepPrefixesApart) {
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

TEST(BatchingTest, ChoicesShareTheirPrompt) {
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

TEST(BatchingTest, ChoicesRunAloneWhenTheFirstIsGone) {
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

TEST(BatchingTest, PreemptsTheYoungestWhenPagesRunOut) {
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

TEST(BatchingTest, PrioritiesOvertakeAndWaitingCounts) {
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

TEST(BatchingTest, CancelDuringAStepKeepsPagesUntilItIsRead) {
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

TEST(BatchingTest, ConstraintMasksEachRowAndCutsIllegalDrafts) {
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
