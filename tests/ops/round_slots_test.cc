// Rounds on slot memory against a scalar model written from the definition: joins and pages,
// prompts beside verifies, padding and dead rows, acceptance of every length, the ring. Exact
// integers.
#include "ops/round_slots.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <vector>

#include "core/stream.h"
#include "tests/ops/op_test_util.h"

namespace talon::ops {
namespace {

using Ints = std::vector<int32_t>;

constexpr int32_t kSlots = 5;
constexpr int32_t kDrafts = 3;
constexpr int32_t kPages = 4;
constexpr int32_t kSequences = 4;

Ints ints(TestTensor& tensor) {
  Ints values(static_cast<size_t>(tensor.num_elements()));
  for (size_t i = 0; i < values.size(); ++i) {
    values[i] = tensor.at<int32_t>(static_cast<int64_t>(i));
  }
  return values;
}

// The slots' memory; everything starts as -1.
struct State {
  TestTensor kv_len{DType::kI32, {kSlots}};
  TestTensor pending{DType::kI32, {kSlots}};
  TestTensor num_drafts{DType::kI32, {kSlots}};
  TestTensor drafts{DType::kI32, {kSlots, kDrafts}};
  TestTensor page_table{DType::kI32, {kSlots, kPages}};

  SlotState views() {
    return {.kv_len = kv_len.view(),
            .pending = pending.view(),
            .num_drafts = num_drafts.view(),
            .drafts = drafts.view(),
            .page_table = page_table.view()};
  }
  bool intact() const {
    return kv_len.guards_intact() && pending.guards_intact() && num_drafts.guards_intact() &&
           drafts.guards_intact() && page_table.guards_intact();
  }
};

void set(TestTensor& tensor, const Ints& values) {
  for (size_t i = 0; i < values.size(); ++i) {
    tensor.at<int32_t>(static_cast<int64_t>(i)) = values[i];
  }
}

TEST(PatchSlotsTest, JoinsEmptyTheSlotAndPagesFollow) {
  for_each_run([](Stream stream) {
    State state;
    set(state.page_table, Ints(kSlots * kPages, 9));
    const TestTensor joins = TestTensor::of<int32_t>({3, 128, 1, 0}, Shape{2, 2});
    const TestTensor pages =
        TestTensor::of<int32_t>({3, 0, 7, 3, 1, 8, 0, 2, 5}, Shape{3, 3});  // slot 0 was there

    patch_slots(stream, {.state = state.views(), .joins = joins.cview(), .pages = pages.cview()});

    EXPECT_TRUE(state.intact());
    EXPECT_EQ(ints(state.kv_len), (Ints{-1, 0, -1, 128, -1}));
    EXPECT_EQ(ints(state.num_drafts), (Ints{-1, 0, -1, 0, -1}));
    EXPECT_EQ(ints(state.page_table), (Ints{9, 9, 5, 9,  //
                                            0, 0, 0, 0,  //
                                            9, 9, 9, 9,  //
                                            7, 8, 0, 0,  //
                                            9, 9, 9, 9}));
  });
}

TEST(PatchSlotsDeathTest, RefusesTheNullPageAndForeignPlaces) {
  CpuContext context(1);
  State state;
  const TestTensor none(DType::kI32, {0, 2});
  const auto patch = [&](const Ints& entry) {
    const TestTensor pages = TestTensor::of<int32_t>(entry, Shape{1, 3});
    patch_slots(Stream(context),
                {.state = state.views(), .joins = none.cview(), .pages = pages.cview()});
  };

  EXPECT_DEATH(patch({0, 0, 0}), "the null page in a table");
  EXPECT_DEATH(patch({0, kPages, 1}), "page 4 of 4");
  EXPECT_DEATH(patch({kSlots, 0, 1}), "slot 5 of 5");
}

// A step: slot 2 verifies two drafts, slot 0 takes a chunk of two tokens, the third sequence is
// padding, slot 4 verifies none of its drafts with a dead row behind.
struct Step {
  State state;
  TestTensor slots = TestTensor::of_i32({2, 0, -1, 4});
  TestTensor num_drafts = TestTensor::of_i32({2, 0, 0, 0});
  TestTensor row_sequence = TestTensor::of_i32({0, 0, 0, 1, 1, 2, 3, 3});
  TestTensor row_offsets = TestTensor::of_i32({0, 1, 2, 0, 1, -1, 0, -1});
  TestTensor given = TestTensor::of_i32({-1, -1, -1, 70, 71, -1, -1, -1});
  TestTensor choice_rows = TestTensor::of_i32({0, 1, 2, 4, 5, 6, 7});
  TestTensor tokens{DType::kI32, {8}};
  TestTensor positions{DType::kI32, {8}};
  TestTensor kv_lens{DType::kI32, {kSequences}};
  TestTensor page_table{DType::kI32, {kSequences, kPages}};
  TestTensor drafts{DType::kI32, {kSequences, kDrafts}};
  TestTensor indices{DType::kI32, {7}};

  Step() {
    set(state.kv_len, {128, -5, 300, -5, 17});
    set(state.pending, {-5, -5, 41, -5, 61});
    set(state.num_drafts, {0, -5, 3, -5, 1});
    set(state.drafts, {-5, -5, -5, -5, -5, -5, 42, 43, 44, -5, -5, -5, 62, -5, -5});
    for (int32_t i = 0; i < kSlots * kPages; ++i) {
      state.page_table.at<int32_t>(i) = 100 + i;
    }
  }

  void prepare(Stream stream) {
    prepare_round(stream, {.token_ids = tokens.view(),
                           .positions = positions.view(),
                           .kv_lens = kv_lens.view(),
                           .page_table = page_table.view(),
                           .drafts = drafts.view(),
                           .choice_indices = indices.view(),
                           .slots = slots.cview(),
                           .num_drafts = num_drafts.cview(),
                           .row_sequence = row_sequence.cview(),
                           .row_offsets = row_offsets.cview(),
                           .given_tokens = given.cview(),
                           .choice_rows = choice_rows.cview(),
                           .state = state.views()});
  }
};

TEST(PrepareRoundTest, MakesRowsOfGivenTokensAndOfWhatSlotsHold) {
  for_each_run([](Stream stream) {
    Step step;

    step.prepare(stream);

    EXPECT_TRUE(step.state.intact() && step.tokens.guards_intact() &&
                step.positions.guards_intact() && step.page_table.guards_intact());
    EXPECT_EQ(ints(step.tokens), (Ints{41, 42, 43, 70, 71, -1, 61, -1}));
    EXPECT_EQ(ints(step.positions), (Ints{300, 301, 302, 128, 129, -1, 17, -1}));
    EXPECT_EQ(ints(step.kv_lens), (Ints{300, 128, 0, 17}));
    EXPECT_EQ(ints(step.indices), (Ints{301, 302, 303, 130, -1, 18, -1}));
    EXPECT_EQ(ints(step.page_table),
              (Ints{108, 109, 110, 111, 100, 101, 102, 103, 0, 0, 0, 0, 116, 117, 118, 119}));
    EXPECT_EQ(step.drafts.at<int32_t>(0), 42);
    EXPECT_EQ(step.drafts.at<int32_t>(1), 43);
  });
}

TEST(PrepareRoundDeathTest, RefusesMoreDraftsThanTheSlotHolds) {
  CpuContext context(1);
  Step step;
  step.num_drafts.at<int32_t>(3) = 2;

  EXPECT_DEATH(step.prepare(Stream(context)), "2 of 1 drafts");
}

// The rest of that step, with `accepted` drafts of slot 2 standing.
struct Rest {
  Step step;
  TestTensor kv_len{DType::kI32, {kSequences}};
  TestTensor active{DType::kI32, {kSequences}};
  TestTensor last_rows{DType::kI32, {kSequences}};
  TestTensor next_tokens = TestTensor::of_i32({-1, -1, -1, 71, 72, -1, -1, -1});
  TestTensor choices = TestTensor::of_i32({42, 43, 55, -1, -1, 63, -1});
  TestTensor emitted = TestTensor::of_i32({-1, -1, -1, -1, -1, 63, -1});
  TestTensor first_choice = TestTensor::of_i32({0, -1, -1, 5});
  TestTensor accepted = TestTensor::of_i32({0, -1, -1, 0});
  TestTensor next_token = TestTensor::of_i32({0, -1, -1, 63});
  TestTensor new_drafts = TestTensor::of_i32({2, 0, 0, 0});
  TestTensor query_starts = TestTensor::of_i32({0, 3, 5, 6, 8});
  TestTensor query_lens = TestTensor::of_i32({3, 2, 0, 1});

  explicit Rest(int32_t num_accepted) {
    const Ints drafts = {42, 43};
    const int32_t token = num_accepted == 2 ? 55 : 90 + num_accepted;
    accepted.at<int32_t>(0) = num_accepted;
    next_token.at<int32_t>(0) = token;
    choices.at<int32_t>(num_accepted) = token;
    for (int32_t j = 0; j < num_accepted; ++j) {
      emitted.at<int32_t>(j) = drafts[static_cast<size_t>(j)];
    }
    emitted.at<int32_t>(num_accepted) = token;
  }

  void advance(Stream stream) {
    advance_round(stream, {.kv_len = kv_len.view(),
                           .active = active.view(),
                           .last_rows = last_rows.view(),
                           .next_tokens = next_tokens.view(),
                           .accepted = accepted.cview(),
                           .next_token = next_token.cview(),
                           .emitted = emitted.cview(),
                           .choices = choices.cview(),
                           .choice_rows = step.choice_rows.cview(),
                           .first_choice = first_choice.cview(),
                           .num_drafts = step.num_drafts.cview(),
                           .new_drafts = new_drafts.cview(),
                           .query_starts = query_starts.cview(),
                           .query_lens = query_lens.cview(),
                           .kv_lens = step.kv_lens.cview(),
                           .slots = step.slots.cview(),
                           .state = step.state.views()});
  }
};

TEST(AdvanceRoundTest, EveryAcceptance) {
  for_each_run([](Stream stream) {
    for (int32_t accepted = 0; accepted <= 2; ++accepted) {
      SCOPED_TRACE(accepted);
      Rest rest(accepted);
      rest.step.prepare(stream);

      rest.advance(stream);

      const int32_t length = 301 + accepted;
      EXPECT_TRUE(rest.step.state.intact() && rest.next_tokens.guards_intact());
      EXPECT_EQ(ints(rest.kv_len), (Ints{length, 130, 0, 18}));
      EXPECT_EQ(ints(rest.last_rows), (Ints{accepted, -1, -1, 6}));
      EXPECT_EQ(ints(rest.active), (Ints{1, 0, 0, 0}));
      EXPECT_EQ(ints(rest.step.state.kv_len), (Ints{130, -5, length, -5, 18}));
      EXPECT_EQ(rest.step.state.pending.at<int32_t>(2), accepted == 2 ? 55 : 90 + accepted);
      EXPECT_EQ(rest.step.state.pending.at<int32_t>(4), 63);
      EXPECT_EQ(rest.step.state.pending.at<int32_t>(0), -5);  // nothing was chosen
      EXPECT_EQ(ints(rest.step.state.num_drafts), (Ints{0, -5, 0, -5, 0}));
      // Up to the last valid row the emitted tokens; the chunk keeps the prompt's.
      const Ints next = ints(rest.next_tokens);
      for (int32_t j = 0; j <= accepted; ++j) {
        EXPECT_EQ(next[static_cast<size_t>(j)], rest.emitted.at<int32_t>(j));
      }
      EXPECT_EQ((Ints{next.begin() + 3, next.end()}), (Ints{71, 72, -1, 63, -1}));
    }
  });
}

TEST(FinishRoundTest, KeepsDraftsAndWritesTheRingInTurn) {
  for_each_run([](Stream stream) {
    constexpr int32_t kWords = ring_row_words(kDrafts);
    TestTensor ring(DType::kI32, {kRingEntries, kSequences + 1, kWords});
    TestTensor headers(DType::kI64, {kRingEntries, kRingHeaderWords});
    TestTensor counter = TestTensor::of<int64_t>({6}, Shape{1});
    TestTensor times = TestTensor::of<int64_t>({11, 12, 13}, Shape{kRoundTimes - 1});
    for (int32_t round = 6; round < 8; ++round) {
      SCOPED_TRACE(round);
      Rest rest(1);
      rest.step.prepare(stream);
      rest.advance(stream);
      const int32_t base = 10 * round;
      const TestTensor drafts =
          TestTensor::of<int32_t>({base, base + 1, -5, -5, -5, -5, -5, -5}, Shape{kSequences, 2});

      finish_round(stream, {.ring = ring.view(),
                            .headers = headers.view(),
                            .counter = counter.view(),
                            .times = times.cview(),
                            .drafts = drafts.cview(),
                            .active = rest.active.cview(),
                            .new_drafts = rest.new_drafts.cview(),
                            .accepted = rest.accepted.cview(),
                            .emitted = rest.emitted.cview(),
                            .first_choice = rest.first_choice.cview(),
                            .kv_len = rest.kv_len.cview(),
                            .slots = rest.step.slots.cview(),
                            .state = rest.step.state.views()});

      EXPECT_TRUE(ring.guards_intact() && headers.guards_intact() && rest.step.state.intact());
      EXPECT_EQ(counter.at<int64_t>(0), round + 1);
      const int64_t entry = round % kRingEntries;
      EXPECT_EQ(headers.at<int64_t>(entry * kRingHeaderWords), round);
      EXPECT_EQ(headers.at<int64_t>(entry * kRingHeaderWords + 3), 13);
      EXPECT_GT(headers.at<int64_t>(entry * kRingHeaderWords + 4), 0);
      const Ints all = ints(ring);
      const auto row = [&](int64_t b) {
        const auto begin = all.begin() + (entry * (kSequences + 1) + b) * kWords;
        return Ints{begin, begin + kWords};
      };
      EXPECT_EQ(row(0), (Ints{1, 302, 2, base, base + 1, -1, 42, 91, -1, -1}));
      EXPECT_EQ(row(1), (Ints{-1, 130, 0, -1, -1, -1, -1, -1, -1, -1}));
      EXPECT_EQ(row(2), Ints(kWords, -1));
      EXPECT_EQ(row(3), (Ints{0, 18, 0, -1, -1, -1, 63, -1, -1, -1}));
      EXPECT_EQ(rest.step.state.num_drafts.at<int32_t>(2), 2);
      EXPECT_EQ(rest.step.state.drafts.at<int32_t>(2 * kDrafts), base);
      EXPECT_EQ(rest.step.state.num_drafts.at<int32_t>(4), 0);
    }
  });
}

}  // namespace
}  // namespace talon::ops
