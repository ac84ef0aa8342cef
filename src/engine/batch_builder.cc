#include "engine/batch_builder.h"

#include <algorithm>

#include "base/check.h"
#include "ops/round_metadata.h"

namespace talon {
namespace {

int64_t num_ints(const StepSizes& sizes, int32_t max_pages) {
  const int64_t rows = sizes.max_rows;
  const int64_t sequences = sizes.max_sequences;
  return 4 * rows + sizes.max_logit_rows() + (sequences + 1) + 4 * sequences +
         sequences * sizes.max_drafts + sequences * max_pages;
}

TensorView ints_view(int32_t* data, const Shape& shape) { return TensorView(data, shape); }

}  // namespace

BatchBuilder::BatchBuilder(const StepSizes& sizes, const RoundState& state)
    : sizes_(sizes),
      state_(state),
      buffer_(Buffer::zeroed(4 * num_ints(sizes, state.max_pages()))),
      slots_(Buffer::zeroed(int64_t{8} * sizes.max_rows)) {
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
         .query_starts = take(sizes.max_sequences + 1),
         .query_lens = take(sizes.max_sequences),
         .kv_lens = take(sizes.max_sequences),
         .first_choice = take(sizes.max_sequences),
         .num_drafts = take(sizes.max_sequences),
         .drafts = take(int64_t{sizes.max_sequences} * sizes.max_drafts),
         .page_table = take(int64_t{sizes.max_sequences} * state.max_pages())};
}

void BatchBuilder::apply_patches(const StepPlan& plan) {
  for (const PagePatch& patch : plan.page_patches) {
    auto* table = state_.page_table().row<int32_t>(patch.slot.value);
    const int32_t last = patch.first_index + static_cast<int32_t>(patch.pages.size());
    TALON_CHECK(patch.first_index >= 0 && last <= state_.max_pages(), "pages up to {}", last);
    if (patch.first_index == 0) {
      std::fill_n(table, state_.max_pages(), kNullPage.value);
      state_.kv_len().as<int32_t>()[patch.slot.value] = 0;
      state_.num_drafts().as<int32_t>()[patch.slot.value] = 0;
    }
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

void BatchBuilder::add_prefill(const PlanRow& row, int32_t sequence) {
  const auto count = static_cast<int32_t>(row.tokens.size());
  const auto first = static_cast<int32_t>(row.first_position);
  TALON_CHECK(state_.kv_len().as<int32_t>()[row.slot.value] == first,
              "sequence {}: a chunk at {} on {} positions", row.sequence.value, first,
              state_.kv_len().as<int32_t>()[row.slot.value]);
  for (int32_t i = 0; i < count; ++i) {
    const TokenId next = i + 1 < count ? row.tokens[static_cast<size_t>(i) + 1] : row.next_token;
    add_row(row.tokens[static_cast<size_t>(i)].value, first + i, sequence, next.value);
  }
  at_.num_drafts[sequence] = 0;
  at_.first_choice[sequence] = row.sample ? num_logit_rows_ : -1;
  if (row.sample) {
    at_.logit_rows[num_logit_rows_++] = num_rows_ - 1;
  }
}

void BatchBuilder::add_verify(const PlanRow& row, int32_t sequence) {
  const int32_t slot = row.slot.value;
  const int32_t kv_len = state_.kv_len().as<int32_t>()[slot];
  TALON_CHECK(kv_len == row.first_position, "{} != {}", kv_len, row.first_position);
  TALON_CHECK(row.num_drafts <= state_.num_drafts().as<int32_t>()[slot], "{} of {} drafts",
              row.num_drafts, state_.num_drafts().as<int32_t>()[slot]);
  const int32_t* held = sizes_.max_drafts > 0 ? state_.drafts().row<int32_t>(slot) : nullptr;
  at_.first_choice[sequence] = num_logit_rows_;
  at_.num_drafts[sequence] = row.num_drafts;
  for (int32_t j = 0; j <= row.num_drafts; ++j) {
    at_.logit_rows[num_logit_rows_++] = num_rows_;
    const int32_t token = j == 0 ? state_.pending().as<int32_t>()[slot] : held[j - 1];
    add_row(token, kv_len + j, sequence, -1);
    if (j > 0) {
      at_.drafts[sequence * sizes_.max_drafts + j - 1] = token;
    }
  }
}

StepArrays BatchBuilder::build(Stream stream, const StepPlan& plan) {
  const auto num_sequences = static_cast<int32_t>(plan.rows.size());
  TALON_CHECK(num_sequences <= sizes_.max_sequences, "{} sequences in a step", num_sequences);
  apply_patches(plan);
  num_rows_ = 0;
  num_logit_rows_ = 0;
  for (int32_t b = 0; b < num_sequences; ++b) {
    const PlanRow& row = plan.rows[static_cast<size_t>(b)];
    at_.query_starts[b] = num_rows_;
    at_.query_lens[b] = static_cast<int32_t>(row.num_rows());
    at_.kv_lens[b] = static_cast<int32_t>(row.first_position);
    std::copy_n(state_.page_table().row<int32_t>(row.slot.value), state_.max_pages(),
                at_.page_table + int64_t{b} * state_.max_pages());
    row.is_prefill() ? add_prefill(row, b) : add_verify(row, b);
  }
  at_.query_starts[num_sequences] = num_rows_;

  const Shape per_row{num_rows_};
  const Shape per_sequence{num_sequences};
  const TensorView slots = slots_.view(DType::kI64, per_row);
  StepArrays arrays{
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
                .write_slots = slots,
                .logit_rows = ints_view(at_.logit_rows, Shape{num_logit_rows_})},
      .next_tokens = ints_view(at_.next_tokens, per_row),
      .choice_rows = ints_view(at_.logit_rows, Shape{num_logit_rows_}),
      .first_choice = ints_view(at_.first_choice, per_sequence),
      .num_drafts = ints_view(at_.num_drafts, per_sequence),
      .drafts = ints_view(at_.drafts, Shape{num_sequences, sizes_.max_drafts})};
  ops::write_slots(stream, {.slots = slots,
                            .positions = arrays.batch.positions,
                            .row_sequence = arrays.batch.row_sequence,
                            .page_table = arrays.batch.page_table,
                            .context_limit = sizes_.context_limit});
  return arrays;
}

}  // namespace talon
