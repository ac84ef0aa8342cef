// Rounds on slot memory, CUDA against the CPU: exact integers, over random steps with chunks,
// verifies, dead rows and padding. The ring's times are the device's own.
#include "ops/round_slots.h"

#include <gtest/gtest.h>

#include <cstddef>
#include <cstdint>
#include <vector>

#include "tests/ops/cuda_run.h"

namespace talon::ops {
namespace {

constexpr Bound kExact = {0.0, 0.0};
constexpr int32_t kSlots = 300;
constexpr int32_t kDrafts = 3;
constexpr int32_t kPages = 150;  // more than a block has threads

using Ints = std::vector<int32_t>;

TestTensor random_ints(TestRng& rng, const Shape& shape, int64_t low, int64_t high) {
  TestTensor tensor(DType::kI32, shape);
  for (int64_t i = 0; i < tensor.num_elements(); ++i) {
    tensor.at<int32_t>(i) = static_cast<int32_t>(rng.integer(low, high));
  }
  return tensor;
}

// A random step of a stride of K + 1 rows a sequence.
struct Step {
  TestTensor kv_len, pending, held, slot_drafts, slot_pages;
  TestTensor slots, num_drafts, row_sequence, row_offsets, given, choice_rows;
  TestTensor first_choice, accepted, next_token, emitted, choices, new_drafts;
  TestTensor query_starts, query_lens, drafts;

  Step(TestRng& rng, int32_t num_sequences)
      : kv_len(random_ints(rng, {kSlots}, 0, 9000)),
        pending(random_ints(rng, {kSlots}, 0, 5000)),
        held(random_ints(rng, {kSlots}, kDrafts, kDrafts)),
        slot_drafts(random_ints(rng, {kSlots, kDrafts}, 0, 5000)),
        slot_pages(random_ints(rng, {kSlots, kPages}, 0, 90000)),
        slots(random_ints(rng, {num_sequences}, -1, -1)),
        num_drafts(random_ints(rng, {num_sequences}, 0, kDrafts)),
        row_sequence(DType::kI32, {num_sequences * (kDrafts + 1)}),
        row_offsets(DType::kI32, {num_sequences * (kDrafts + 1)}),
        given(DType::kI32, {num_sequences * (kDrafts + 1)}),
        choice_rows(DType::kI32, {num_sequences * (kDrafts + 1)}),
        first_choice(DType::kI32, {num_sequences}),
        accepted(DType::kI32, {num_sequences}),
        next_token(random_ints(rng, {num_sequences}, 0, 5000)),
        emitted(random_ints(rng, {num_sequences * (kDrafts + 1)}, -1, 5000)),
        choices(random_ints(rng, {num_sequences * (kDrafts + 1)}, 0, 5000)),
        new_drafts(random_ints(rng, {num_sequences}, 0, kDrafts)),
        query_starts(DType::kI32, {num_sequences + 1}),
        query_lens(DType::kI32, {num_sequences}),
        drafts(random_ints(rng, {num_sequences, kDrafts}, 0, 5000)) {
    for (int32_t b = 0; b < num_sequences; ++b) {
      const bool is_padding = rng.integer(0, 4) == 0;
      const bool is_chunk = !is_padding && rng.integer(0, 3) == 0;
      slots.at<int32_t>(b) = is_padding ? -1 : kSlots - 1 - b;
      if (is_padding || is_chunk) {
        num_drafts.at<int32_t>(b) = 0;
      }
      const int32_t live = is_padding ? 0 : is_chunk ? 2 : num_drafts.at<int32_t>(b) + 1;
      first_choice.at<int32_t>(b) = is_padding || is_chunk ? -1 : b * (kDrafts + 1);
      accepted.at<int32_t>(b) =
          is_padding || is_chunk ? -1
                                 : static_cast<int32_t>(rng.integer(0, num_drafts.at<int32_t>(b)));
      query_starts.at<int32_t>(b) = b * (kDrafts + 1);
      query_lens.at<int32_t>(b) = live;
      for (int32_t j = 0; j <= kDrafts; ++j) {
        const int32_t t = b * (kDrafts + 1) + j;
        row_sequence.at<int32_t>(t) = b;
        row_offsets.at<int32_t>(t) = j < live ? j : -1;
        given.at<int32_t>(t) = is_chunk ? 100 + j : -1;
        choice_rows.at<int32_t>(t) = t;
      }
    }
    query_starts.at<int32_t>(num_sequences) = num_sequences * (kDrafts + 1);
  }

  SlotState state(Place& place) const {
    return {.kv_len = place.out(kv_len),
            .pending = place.out(pending),
            .num_drafts = place.out(held),
            .drafts = place.out(slot_drafts),
            .page_table = place.out(slot_pages)};
  }
};

TEST(CudaPatchSlotsTest, JoinsAndPages) {
  TestRng rng(71);
  const Step step(rng, 1);
  TestTensor joins(DType::kI32, {20, 2});
  TestTensor pages(DType::kI32, {400, 3});
  for (int32_t i = 0; i < 20; ++i) {
    joins.at<int32_t>(2 * i) = 7 * i;
    joins.at<int32_t>(2 * i + 1) = 128 * i;
  }
  for (int32_t i = 0; i < 400; ++i) {
    pages.at<int32_t>(3 * i) = 7 * (i % 20);
    pages.at<int32_t>(3 * i + 1) = i / 20;
    pages.at<int32_t>(3 * i + 2) = 1000 + i;
  }
  expect_cuda_near(
      [&](Place& place) {
        patch_slots(
            place.stream(),
            {.state = step.state(place), .joins = place.in(joins), .pages = place.in(pages)});
      },
      {kExact, kExact, kExact, kExact, kExact});
}

// The three ops of a round in their order, each on what the one before made.
class Rounds {
 public:
  explicit Rounds(const Step& step)
      : step_(step),
        num_sequences_(static_cast<int32_t>(step.slots.num_elements())),
        rows_(DType::kI32, {num_sequences_ * (kDrafts + 1)}),
        sequences_(DType::kI32, {num_sequences_}),
        table_(DType::kI32, {num_sequences_, kPages}),
        verified_(DType::kI32, {num_sequences_, kDrafts}),
        ring_(DType::kI32, {kRingEntries, num_sequences_ + 3, ring_row_words(kDrafts)}),
        headers_(DType::kI64, {kRingEntries, kRingHeaderWords}) {}

  static constexpr size_t kNumOutputs = 5 + 6 + 4 + 2;

  void run(Place& place) const {
    const SlotState state = step_.state(place);
    const TensorView kv_lens = prepare(place, state);
    const Advanced advanced = advance(place, state, kv_lens);
    finish(place, state, advanced);
  }

 private:
  struct Advanced {
    TensorView kv_len;
    TensorView active;
  };

  TensorView prepare(Place& place, const SlotState& state) const {
    const TensorView tokens = place.out(rows_);
    const TensorView positions = place.out(rows_);
    const TensorView kv_lens = place.out(sequences_);
    const TensorView pages = place.out(table_);
    const TensorView drafts = place.out(verified_);
    const TensorView indices = place.out(rows_);
    prepare_round(place.stream(), {.token_ids = tokens,
                                   .positions = positions,
                                   .kv_lens = kv_lens,
                                   .page_table = pages,
                                   .drafts = drafts,
                                   .choice_indices = indices,
                                   .slots = place.in(step_.slots),
                                   .num_drafts = place.in(step_.num_drafts),
                                   .row_sequence = place.in(step_.row_sequence),
                                   .row_offsets = place.in(step_.row_offsets),
                                   .given_tokens = place.in(step_.given),
                                   .choice_rows = place.in(step_.choice_rows),
                                   .state = state});
    return kv_lens;
  }

  Advanced advance(Place& place, const SlotState& state, ConstTensorView kv_lens) const {
    const Advanced advanced{.kv_len = place.out(sequences_), .active = place.out(sequences_)};
    const TensorView last_rows = place.out(sequences_);
    const TensorView next_tokens = place.out(step_.given);
    advance_round(place.stream(), {.kv_len = advanced.kv_len,
                                   .active = advanced.active,
                                   .last_rows = last_rows,
                                   .next_tokens = next_tokens,
                                   .accepted = place.in(step_.accepted),
                                   .next_token = place.in(step_.next_token),
                                   .emitted = place.in(step_.emitted),
                                   .choices = place.in(step_.choices),
                                   .choice_rows = place.in(step_.choice_rows),
                                   .first_choice = place.in(step_.first_choice),
                                   .num_drafts = place.in(step_.num_drafts),
                                   .new_drafts = place.in(step_.new_drafts),
                                   .query_starts = place.in(step_.query_starts),
                                   .query_lens = place.in(step_.query_lens),
                                   .kv_lens = kv_lens,
                                   .slots = place.in(step_.slots),
                                   .state = state});
    return advanced;
  }

  void finish(Place& place, const SlotState& state, const Advanced& advanced) const {
    const TensorView ring = place.out(ring_);
    const TensorView counter = place.out(counter_);
    // Written, but not compared: its times differ by nature.
    const ConstTensorView header = place.in(headers_);
    const TensorView headers(const_cast<std::byte*>(header.data()), DType::kI64, header.shape(),
                             header.device());
    finish_round(place.stream(), {.ring = ring,
                                  .headers = headers,
                                  .counter = counter,
                                  .times = place.in(times_),
                                  .drafts = place.in(step_.drafts),
                                  .active = advanced.active,
                                  .new_drafts = place.in(step_.new_drafts),
                                  .accepted = place.in(step_.accepted),
                                  .emitted = place.in(step_.emitted),
                                  .first_choice = place.in(step_.first_choice),
                                  .kv_len = advanced.kv_len,
                                  .slots = place.in(step_.slots),
                                  .state = state});
  }

  const Step& step_;
  int32_t num_sequences_;
  TestTensor rows_;
  TestTensor sequences_;
  TestTensor table_;
  TestTensor verified_;
  TestTensor ring_;
  TestTensor headers_;
  TestTensor counter_ = TestTensor::of<int64_t>({5}, Shape{1});
  TestTensor times_ = TestTensor::of<int64_t>({1, 2, 3}, Shape{kRoundTimes - 1});
};

TEST(CudaRoundSlotsTest, PrepareAdvanceAndFinish) {
  TALON_TRACE_SEED();
  TestRng rng(72);
  for (const int32_t num_sequences : {1, 4, 33, 200}) {
    SCOPED_TRACE(num_sequences);
    const Step step(rng, num_sequences);
    const Rounds rounds(step);
    const std::vector<Bound> bounds(Rounds::kNumOutputs, kExact);
    expect_cuda_near([&](Place& place) { rounds.run(place); }, bounds);
  }
}

}  // namespace
}  // namespace talon::ops
