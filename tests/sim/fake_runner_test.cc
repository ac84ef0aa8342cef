// The checker checked: a small run by hand is accepted, and each way in which a plan may be wrong
// is a violation that names it.
#include "sim/fake_runner.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace talon::test {
namespace {

using testing::HasSubstr;

constexpr int32_t kVocabulary = 50;

StepBounds small_bounds(bool has_drafter = true) {
  return {.num_pages = 8,
          .context_limit = 256,
          .vocab_size = kVocabulary,
          .max_sequences = 3,
          .max_rows = 200,
          .max_logit_rows = 12,
          .max_drafts = has_drafter ? 3 : 0,
          .has_drafter = has_drafter};
}

std::vector<TokenId> tokens_from(int32_t first, int64_t count) {
  std::vector<TokenId> tokens;
  tokens.reserve(static_cast<size_t>(count));
  for (int64_t i = 0; i < count; ++i) {
    tokens.emplace_back(static_cast<int32_t>((first + i) % kVocabulary));
  }
  return tokens;
}

// Sequence `id` enters slot `id - 1` with these pages.
void join(StepPlan& plan, int32_t id, int64_t kv_len, const std::vector<PageId>& pages) {
  SlotPatch patch;
  patch.slot = SlotIndex{id - 1};
  patch.kv_len = kv_len;
  plan.slot_patches.push_back(patch);
  plan.page_patches.push_back({.slot = patch.slot, .first_index = 0, .pages = pages});
}

PlanRow chunk(int32_t id, int64_t first, const std::vector<TokenId>& tokens) {
  PlanRow row;
  row.sequence = SeqId{id};
  row.slot = SlotIndex{id - 1};
  row.first_position = first;
  row.tokens = tokens;
  row.sample = true;
  return row;
}

PlanRow verify(int32_t id, int64_t kv_len, int32_t num_drafts) {
  PlanRow row;
  row.sequence = SeqId{id};
  row.slot = SlotIndex{id - 1};
  row.first_position = kv_len;
  row.num_drafts = num_drafts;
  row.sample = true;
  return row;
}

class FakeRunnerTest : public testing::Test {
 protected:
  explicit FakeRunnerTest(bool has_drafter = true) : runner_(small_bounds(has_drafter), model_) {}

  StepPlan next_plan() {
    StepPlan plan;
    plan.round = ++round_;
    return plan;
  }

  StepResult run(const StepPlan& plan) {
    runner_.launch(plan);
    return runner_.wait();
  }

  std::string fault_of(const StepPlan& plan) {
    try {
      runner_.launch(plan);
    } catch (const Violation& violation) {
      return violation.what();
    }
    return "";
  }

  // Sequence 1 with a prompt of 130 tokens in pages 1 and 2, three drafts held. Returns kv_len.
  int64_t start_first() {
    StepPlan plan = next_plan();
    join(plan, 1, 0, {PageId{1}, PageId{2}});
    plan.rows.push_back(chunk(1, 0, tokens_from(0, 130)));
    plan.rows.back().drafts_to_make = small_bounds().max_drafts;
    return run(plan).rows.front().kv_len;
  }

  FakeModel model_{kVocabulary, 0};
  FakeRunner runner_;
  int64_t round_ = 0;
};

TEST_F(FakeRunnerTest, GivesTheAnswerOfTheFunctionWhateverIsDrafted) {
  int64_t kv_len = start_first();
  History history;
  for (const TokenId token : tokens_from(0, 130)) {
    history.append(token);
  }
  const ChoiceRule rule{.seed = 0, .held_back = {}, .mask = {}};
  history.append(choose_token(history.hash(), rule, kVocabulary));

  for (int i = 0; i < 20; ++i) {
    StepPlan plan = next_plan();
    plan.rows.push_back(verify(1, kv_len, 3));
    plan.rows.back().drafts_to_make = 3;
    const RowResult row = run(plan).rows.front();

    EXPECT_EQ(row.drafted, 3);
    EXPECT_EQ(std::ssize(row.tokens), row.accepted + 1);
    EXPECT_EQ(row.kv_len, kv_len + row.accepted + 1);
    EXPECT_EQ(row.drafts.size(), 3U);
    for (const TokenId token : row.tokens) {
      EXPECT_EQ(token, choose_token(history.hash(), rule, kVocabulary));
      history.append(token);
    }
    kv_len = row.kv_len;
  }
}

TEST_F(FakeRunnerTest, LaunchAheadTakesLengthAndDraftsFromTheDevice) {
  const int64_t kv_len = start_first();
  StepPlan plan = next_plan();
  plan.rows.push_back(verify(1, kv_len, 3));
  plan.rows.back().drafts_to_make = 2;
  StepPlan ahead = next_plan();
  ahead.ahead = true;
  ahead.rows.push_back(verify(1, kv_len, 3));

  runner_.launch(plan);
  runner_.launch(ahead);
  const RowResult first = runner_.wait().rows.front();
  const RowResult second = runner_.wait().rows.front();

  EXPECT_EQ(second.drafted, 2) << "no more than are held";
  EXPECT_EQ(second.kv_len, first.kv_len + second.accepted + 1);
}

TEST_F(FakeRunnerTest, RejectsRowsThatDoNotFollowTheState) {
  const int64_t kv_len = start_first();
  StepPlan plan = next_plan();

  plan.rows = {verify(1, kv_len - 1, 0)};
  EXPECT_THAT(fault_of(plan), HasSubstr("planned on 129 positions, there are 130"));
  plan.rows = {verify(2, 0, 0)};
  EXPECT_THAT(fault_of(plan), HasSubstr("empty slot"));
  plan.rows = {verify(1, kv_len, 3), verify(1, kv_len, 3)};
  EXPECT_THAT(fault_of(plan), HasSubstr("slot 0 has two rows"));
  plan.rows = {};
  EXPECT_THAT(fault_of(plan), HasSubstr("no rows"));
}

TEST_F(FakeRunnerTest, RejectsRowsOverTheBudget) {
  StepPlan plan = next_plan();
  join(plan, 1, 0, {PageId{1}, PageId{2}});
  plan.rows.push_back(chunk(1, 0, tokens_from(0, 201)));
  EXPECT_THAT(fault_of(plan), HasSubstr("201 rows"));

  plan.rows.front() = chunk(1, 0, tokens_from(0, 13));
  plan.rows.front().num_prompt_logprobs = 0;
  EXPECT_THAT(fault_of(plan), HasSubstr("13 rows with logits"));
}

TEST_F(FakeRunnerTest, RejectsAChunkOfOtherTokens) {
  runner_.declare(SeqId{1}, 0, tokens_from(0, 130));
  StepPlan plan = next_plan();
  join(plan, 1, 0, {PageId{1}, PageId{2}});
  plan.rows.push_back(chunk(1, 0, tokens_from(1, 130)));

  EXPECT_THAT(fault_of(plan), HasSubstr("token 0 of the chunk is another"));
}

TEST_F(FakeRunnerTest, RejectsAPositionWithoutAPage) {
  StepPlan plan = next_plan();
  join(plan, 1, 0, {PageId{1}});
  plan.rows.push_back(chunk(1, 0, tokens_from(0, 130)));

  EXPECT_THAT(fault_of(plan), HasSubstr("a row at 128 with 1 pages"));
}

TEST_F(FakeRunnerTest, RejectsAWriteToASharedPage) {
  start_first();
  StepPlan plan = next_plan();
  join(plan, 2, 100, {PageId{1}});
  plan.rows = {verify(1, 130, 0), chunk(2, 100, tokens_from(0, 10))};

  EXPECT_THAT(fault_of(plan), HasSubstr("a row at 100 in page 1, which 2 tables hold"));
}

TEST_F(FakeRunnerTest, RejectsAPrefixOfAnotherHistory) {
  start_first();
  std::vector<TokenId> prompt = tokens_from(0, 130);
  prompt[5] = TokenId{49};
  runner_.declare(SeqId{2}, 0, prompt);
  StepPlan plan = next_plan();
  join(plan, 2, 128, {PageId{1}, PageId{3}});
  plan.rows = {chunk(2, 128, {prompt[128], prompt[129]})};

  EXPECT_THAT(fault_of(plan), HasSubstr("the drafter's entry at 4 (page 1) is of another history"));
}

TEST_F(FakeRunnerTest, RejectsAPrefixUnderAnotherSalt) {
  start_first();
  runner_.declare(SeqId{2}, salt_root("salt"), tokens_from(0, 130));
  StepPlan plan = next_plan();
  join(plan, 2, 128, {PageId{1}, PageId{3}});
  plan.rows = {chunk(2, 128, {TokenId{28}, TokenId{29}})};

  EXPECT_THAT(fault_of(plan), HasSubstr("the target's entry at 0"));
}

TEST_F(FakeRunnerTest, RejectsAPageWhoseSuccessorIsAnotherToken) {
  start_first();
  StepPlan plan = next_plan();
  join(plan, 2, 128, {PageId{1}, PageId{3}});
  plan.rows = {chunk(2, 128, tokens_from(40, 2))};

  EXPECT_THAT(fault_of(plan), HasSubstr("the drafter's entry at 127 (page 1) is of another"));
}

TEST_F(FakeRunnerTest, AcceptsACopyWithItsLastRowAgain) {
  start_first();
  StepPlan plan = next_plan();
  join(plan, 2, 127, {PageId{4}, PageId{3}});
  plan.page_copies.push_back({.from = PageId{1}, .to = PageId{4}});
  plan.rows = {chunk(2, 127, {TokenId{27}, TokenId{40}, TokenId{41}})};

  EXPECT_EQ(fault_of(plan), "");
}

TEST_F(FakeRunnerTest, RejectsRejectedRowsBelowKvLen) {
  const int64_t kv_len = start_first();
  StepPlan plan = next_plan();
  plan.rows = {verify(1, kv_len, 3)};
  const RowResult row = run(plan).rows.front();
  ASSERT_LT(row.accepted, 3) << "the sequence's drafts are no test";

  // A fork that shares rows which the round rejected.
  StepPlan fork = next_plan();
  join(fork, 2, row.kv_len + 1, {PageId{1}, PageId{3}});
  fork.page_copies.push_back({.from = PageId{2}, .to = PageId{3}});
  fork.rows = {chunk(2, row.kv_len + 1, {TokenId{1}})};
  EXPECT_THAT(fault_of(fork), HasSubstr("is of "));
}

TEST_F(FakeRunnerTest, RejectsRowsOfPagesThatAPeerMayWrite) {
  const int64_t kv_len = start_first();
  StepPlan plan = next_plan();
  plan.rows = {verify(1, kv_len, 0)};
  runner_.open_page(PageId{2});

  EXPECT_THAT(fault_of(plan), HasSubstr("page 2 may still be written by a peer"));
}

TEST_F(FakeRunnerTest, ComparesWhatAPeerWrote) {
  const int64_t kv_len = start_first();
  StepPlan plan = next_plan();
  plan.rows = {verify(1, kv_len, 0)};
  runner_.open_page(PageId{2});
  runner_.write_page(PageId{2}, runner_.cells(PageId{1}));
  runner_.close_page(PageId{2});

  EXPECT_THAT(fault_of(plan), HasSubstr("entry at 128 (page 2) is of another history"));
}

TEST_F(FakeRunnerTest, RejectsNewMembersAhead) {
  const int64_t kv_len = start_first();
  StepPlan plan = next_plan();
  plan.rows = {verify(1, kv_len, 0)};
  runner_.launch(plan);
  StepPlan other = next_plan();
  other.rows = {verify(1, kv_len + 1, 0)};
  EXPECT_THAT(fault_of(other), HasSubstr("while a result is unread"));

  other.ahead = true;
  other.rows = {verify(1, kv_len, 0), verify(2, 0, 0)};
  EXPECT_THAT(fault_of(other), HasSubstr("changes its members"));
}

TEST_F(FakeRunnerTest, RejectsRowsOfAnEndedSequence) {
  const int64_t kv_len = start_first();
  runner_.forget(SeqId{1});
  StepPlan plan = next_plan();
  plan.rows = {verify(1, kv_len, 0)};

  EXPECT_THAT(fault_of(plan), HasSubstr("empty slot"));
}

// What a first chunk in `page` violates, if anything.
std::string fault_in_pool(const PagePool& pool, PageId page) {
  FakeModel model(kVocabulary, 0);
  FakeRunner runner(small_bounds(), model, &pool);
  StepPlan plan;
  plan.round = 1;
  join(plan, 1, 0, {page});
  plan.rows.push_back(chunk(1, 0, tokens_from(0, 10)));
  try {
    runner.launch(plan);
  } catch (const Violation& violation) {
    return violation.what();
  }
  return "";
}

TEST(FakeRunnerPoolTest, RejectsWritesThatThePoolForbids) {
  PagePool pool(8);
  const PageId page = *pool.allocate();

  EXPECT_EQ(fault_in_pool(pool, page), "");
  pool.set_cacheable(page, true);
  EXPECT_THAT(fault_in_pool(pool, page), HasSubstr("writes the published page"));
  pool.set_cacheable(page, false);
  pool.add_reference(page);
  EXPECT_THAT(fault_in_pool(pool, page), HasSubstr("2 references"));

  pool.release(page);
  pool.release(page);
}

class PlainFakeRunnerTest : public FakeRunnerTest {
 protected:
  PlainFakeRunnerTest() : FakeRunnerTest(/*has_drafter=*/false) {}
};

TEST_F(PlainFakeRunnerTest, SharesPagesWithoutRegardToTheirSuccessors) {
  StepPlan first = next_plan();
  join(first, 1, 0, {PageId{1}, PageId{2}});
  first.rows.push_back(chunk(1, 0, tokens_from(0, 130)));
  run(first);
  StepPlan second = next_plan();
  join(second, 2, 128, {PageId{1}, PageId{3}});
  second.rows = {chunk(2, 128, tokens_from(40, 2))};

  EXPECT_EQ(fault_of(second), "");
}

}  // namespace
}  // namespace talon::test
