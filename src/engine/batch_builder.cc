#include "engine/batch_builder.h"

#include <algorithm>

#include "base/check.h"
#include "ops/round_metadata.h"

namespace talon {
namespace {

int64_t num_ints(const StepSizes& sizes, int32_t max_pages) {
  const int64_t rows = sizes.max_rows;
  const int64_t sequences = sizes.max_sequences;
  return 4 * rows + int64_t{6} * sizes.max_logit_rows() + (sequences + 1) + 5 * sequences +
         sequences * sizes.max_drafts + sequences * max_pages;
}

TensorView ints_view(int32_t* data, const Shape& shape) { return TensorView(data, shape); }

}  // namespace

BatchBuilder::BatchBuilder(const StepSizes& sizes, const RoundState& state)
    : sizes_(sizes),
      state_(state),
      buffer_(Buffer::zeroed(4 * num_ints(sizes, state.max_pages()))),
      write_slots_(Buffer::zeroed(int64_t{8} * sizes.max_rows)) {
  TALON_CHECK(sizes.max_sequences <= state.num_slots(), "{} sequences", sizes.max_sequences);
  TALON_CHECK(sizes.max_drafts == state.max_drafts(), "{} drafts", sizes.max_drafts);
  auto* next = reinterpret_cast<int32_t*>(buffer_.data());
  const auto take = [&next](int64_t count) {
    int32_t* start = next;
    next += count;
    return start;
  };
  at_ = {.tokens = take(sizes.max_rows),
         .positions = take(sizes.max_rows),
         .row_sequence = take(sizes.max_rows),
         .next_tokens = take(sizes.max_rows),
         .logit_rows = take(sizes.max_logit_rows()),
         .choice_rows = take(sizes.max_logit_rows()),
         .choice_logits = take(sizes.max_logit_rows()),
         .choice_slots = take(sizes.max_logit_rows()),
         .choice_indices = take(sizes.max_logit_rows()),
         .choice_offsets = take(sizes.max_logit_rows()),
         .query_starts = take(sizes.max_sequences + 1),
         .query_lens = take(sizes.max_sequences),
         .kv_lens = take(sizes.max_sequences),
         .slots = take(sizes.max_sequences),
         .first_choice = take(sizes.max_sequences),
         .num_drafts = take(sizes.max_sequences),
         .drafts = take(int64_t{sizes.max_sequences} * sizes.max_drafts),
         .page_table = take(int64_t{sizes.max_sequences} * state.max_pages())};
}

void BatchBuilder::apply_patches(const StepPlan& plan) {
  for (const SlotPatch& patch : plan.slot_patches) {
    std::fill_n(state_.page_table().row<int32_t>(patch.slot.value), state_.max_pages(),
                kNullPage.value);
    state_.kv_len().as<int32_t>()[patch.slot.value] = static_cast<int32_t>(patch.kv_len);
    state_.num_drafts().as<int32_t>()[patch.slot.value] = 0;
  }
  for (const PagePatch& patch : plan.page_patches) {
    auto* table = state_.page_table().row<int32_t>(patch.slot.value);
    const int32_t last = patch.first_index + static_cast<int32_t>(patch.pages.size());
    TALON_CHECK(patch.first_index >= 0 && last <= state_.max_pages(), "pages up to {}", last);
    for (size_t i = 0; i < patch.pages.size(); ++i) {
      TALON_CHECK(patch.pages[i] != kNullPage, "the null page in a table");
      table[patch.first_index + static_cast<int32_t>(i)] = patch.pages[i].value;
    }
  }
}

void BatchBuilder::add_row(int32_t token, int32_t position, int32_t sequence, int32_t next) {
  TALON_CHECK(num_rows_ < sizes_.max_rows, "a step of more than {} rows", sizes_.max_rows);
  at_.tokens[num_rows_] = token;
  at_.positions[num_rows_] = position;
  at_.row_sequence[num_rows_] = sequence;
  at_.next_tokens[num_rows_] = next;
  ++num_rows_;
}

// The row added last chooses a token.
void BatchBuilder::add_choice(int32_t slot, int32_t offset) {
  TALON_CHECK(num_logit_rows_ > 0 && at_.logit_rows[num_logit_rows_ - 1] == num_rows_ - 1,
              "row {} has no logits", num_rows_ - 1);
  at_.choice_rows[num_choices_] = num_rows_ - 1;
  at_.choice_logits[num_choices_] = num_logit_rows_ - 1;
  at_.choice_slots[num_choices_] = slot;
  at_.choice_indices[num_choices_] = at_.positions[num_rows_ - 1] + 1;
  at_.choice_offsets[num_choices_] = offset;
  ++num_choices_;
}

void BatchBuilder::add_logit_row() {
  TALON_CHECK(num_logit_rows_ < sizes_.max_logit_rows(), "a step of more than {} rows with logits",
              sizes_.max_logit_rows());
  at_.logit_rows[num_logit_rows_++] = num_rows_ - 1;
}

void BatchBuilder::add_prefill(const PlanRow& row, int32_t sequence) {
  const auto count = static_cast<int32_t>(row.tokens.size());
  const auto first = static_cast<int32_t>(row.first_position);
  TALON_CHECK(state_.kv_len().as<int32_t>()[row.slot.value] == first,
              "sequence {}: a chunk at {} on {} positions", row.sequence.value, first,
              state_.kv_len().as<int32_t>()[row.slot.value]);
  const bool all_logits = row.num_prompt_logprobs >= 0;
  at_.num_drafts[sequence] = 0;
  at_.first_choice[sequence] = row.sample ? num_choices_ : -1;
  for (int32_t i = 0; i < count; ++i) {
    const bool is_last = i + 1 == count;
    const TokenId next = is_last ? row.next_token : row.tokens[static_cast<size_t>(i) + 1];
    add_row(row.tokens[static_cast<size_t>(i)].value, first + i, sequence, next.value);
    if (all_logits || (is_last && row.sample)) {
      add_logit_row();
    }
    if (is_last && row.sample) {
      add_choice(row.slot.value, 0);
    }
  }
}

void BatchBuilder::add_verify(const PlanRow& row, int32_t sequence, bool ahead) {
  const int32_t slot = row.slot.value;
  const int32_t kv_len = state_.kv_len().as<int32_t>()[slot];
  const bool as_planned =
      ahead ? kv_len >= row.first_position : kv_len == static_cast<int32_t>(row.first_position);
  TALON_CHECK(as_planned, "sequence {}: {} positions, {} planned", row.sequence.value, kv_len,
              row.first_position);
  TALON_CHECK(row.num_drafts <= state_.num_drafts().as<int32_t>()[slot], "{} of {} drafts",
              row.num_drafts, state_.num_drafts().as<int32_t>()[slot]);
  const int32_t* held = sizes_.max_drafts > 0 ? state_.drafts().row<int32_t>(slot) : nullptr;
  at_.first_choice[sequence] = num_choices_;
  at_.num_drafts[sequence] = row.num_drafts;
  for (int32_t j = 0; j <= row.num_drafts; ++j) {
    const int32_t token = j == 0 ? state_.pending().as<int32_t>()[slot] : held[j - 1];
    add_row(token, kv_len + j, sequence, -1);
    add_logit_row();
    add_choice(slot, j);
    if (j > 0) {
      at_.drafts[sequence * sizes_.max_drafts + j - 1] = token;
    }
  }
}

StepArrays BatchBuilder::views(int32_t num_sequences) const {
  const Shape per_row{num_rows_};
  const Shape per_sequence{num_sequences};
  const Shape per_choice{num_choices_};
  return {
      .batch = {.num_rows = num_rows_,
                .num_sequences = num_sequences,
                .context_limit = sizes_.context_limit,
                .token_ids = ints_view(at_.tokens, per_row),
                .positions = ints_view(at_.positions, per_row),
                .row_sequence = ints_view(at_.row_sequence, per_row),
                .query_starts = ints_view(at_.query_starts, Shape{num_sequences + 1}),
                .query_lens = ints_view(at_.query_lens, per_sequence),
                .kv_lens = ints_view(at_.kv_lens, per_sequence),
                .page_table = ints_view(at_.page_table, Shape{num_sequences, state_.max_pages()}),
                .write_slots = write_slots_.view(DType::kI64, per_row),
                .logit_rows = ints_view(at_.logit_rows, Shape{num_logit_rows_})},
      .next_tokens = ints_view(at_.next_tokens, per_row),
      .slots = ints_view(at_.slots, per_sequence),
      .choice_rows = ints_view(at_.choice_rows, per_choice),
      .choice_logits = ints_view(at_.choice_logits, per_choice),
      .choice_slots = ints_view(at_.choice_slots, per_choice),
      .choice_indices = ints_view(at_.choice_indices, per_choice),
      .choice_offsets = ints_view(at_.choice_offsets, per_choice),
      .first_choice = ints_view(at_.first_choice, per_sequence),
      .num_drafts = ints_view(at_.num_drafts, per_sequence),
      .drafts = ints_view(at_.drafts, Shape{num_sequences, sizes_.max_drafts})};
}

StepArrays BatchBuilder::build(Stream stream, const StepPlan& plan) {
  const auto num_sequences = static_cast<int32_t>(plan.rows.size());
  TALON_CHECK(num_sequences <= sizes_.max_sequences, "{} sequences in a step", num_sequences);
  apply_patches(plan);
  num_rows_ = 0;
  num_logit_rows_ = 0;
  num_choices_ = 0;
  for (int32_t b = 0; b < num_sequences; ++b) {
    const PlanRow& row = plan.rows[static_cast<size_t>(b)];
    at_.query_starts[b] = num_rows_;
    at_.query_lens[b] = static_cast<int32_t>(row.num_rows());
    at_.kv_lens[b] = state_.kv_len().as<int32_t>()[row.slot.value];
    at_.slots[b] = row.slot.value;
    std::copy_n(state_.page_table().row<int32_t>(row.slot.value), state_.max_pages(),
                at_.page_table + int64_t{b} * state_.max_pages());
    row.is_prefill() ? add_prefill(row, b) : add_verify(row, b, plan.ahead);
  }
  at_.query_starts[num_sequences] = num_rows_;
  const StepArrays arrays = views(num_sequences);
  ops::write_slots(stream, {.slots = write_slots_.view(DType::kI64, Shape{num_rows_}),
                            .positions = arrays.batch.positions,
                            .row_sequence = arrays.batch.row_sequence,
                            .page_table = arrays.batch.page_table,
                            .context_limit = sizes_.context_limit});
  return arrays;
}

}  // namespace talon
