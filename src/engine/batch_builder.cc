#include "engine/batch_builder.h"

#include <algorithm>
#include <utility>

#include "base/check.h"
#include "core/copy.h"
#include "ops/round_metadata.h"
#include "ops/round_slots.h"

namespace talon {
namespace {

int64_t num_given(const StepSizes& sizes) {
  return int64_t{4} * sizes.max_rows + int64_t{9} * sizes.max_logit_rows() +
         int64_t{6} * sizes.max_sequences + 1;
}

int64_t num_made(const StepSizes& sizes, int32_t max_pages) {
  return int64_t{2} * sizes.max_rows + sizes.max_logit_rows() +
         int64_t{sizes.max_sequences} * (1 + sizes.max_drafts + max_pages);
}

// Hands out one array after the other.
class Taker {
 public:
  explicit Taker(std::byte* data) : next_(reinterpret_cast<int32_t*>(data)) {}

  int32_t* operator()(int64_t count) {
    int32_t* start = next_;
    next_ += count;
    return start;
  }

 private:
  int32_t* next_;
};

// Pages that a piece of ops::patch_slots brings to a GPU; a plan with more comes in several.
constexpr int64_t kPatchPages = 4096;

}  // namespace

BatchBuilder::BatchBuilder(const StepSizes& sizes, const RoundState& state)
    : sizes_(sizes),
      state_(state),
      given_(Buffer::zeroed(4 * num_given(sizes), state.device())),
      made_(Buffer::zeroed(4 * num_made(sizes, state.max_pages()), state.device())),
      write_slots_(Buffer::zeroed(int64_t{8} * sizes.max_rows, state.device())) {
  TALON_CHECK(sizes.max_sequences <= state.num_slots(), "{} sequences", sizes.max_sequences);
  TALON_CHECK(sizes.max_drafts == state.max_drafts(), "{} drafts", sizes.max_drafts);
  views_at_ = given_arrays(given_.data());
  given_at_ = views_at_;
  if (state.device() != kCpuDevice) {
    staging_ = {HostBuffer(given_.num_bytes(), state.device()),
                HostBuffer(given_.num_bytes(), state.device())};
    patch_there_ = Buffer(4 * (2 * int64_t{state.num_slots()} + 3 * kPatchPages), state.device());
  }
  Taker made(made_.data());
  made_at_ = {.token_ids = made(sizes.max_rows),
              .positions = made(sizes.max_rows),
              .kv_lens = made(sizes.max_sequences),
              .choice_indices = made(sizes.max_logit_rows()),
              .drafts = made(int64_t{sizes.max_sequences} * sizes.max_drafts),
              .page_table = made(int64_t{sizes.max_sequences} * state.max_pages())};
}

BatchBuilder::Given BatchBuilder::given_arrays(std::byte* data) const {
  Taker given(data);
  return {.tokens = given(sizes_.max_rows),
          .row_sequence = given(sizes_.max_rows),
          .row_offsets = given(sizes_.max_rows),
          .next_tokens = given(sizes_.max_rows),
          .logit_rows = given(sizes_.max_logit_rows()),
          .choice_rows = given(sizes_.max_logit_rows()),
          .choice_logits = given(sizes_.max_logit_rows()),
          .choice_slots = given(sizes_.max_logit_rows()),
          .choice_offsets = given(sizes_.max_logit_rows()),
          .choice_num_top = given(sizes_.max_logit_rows()),
          .prompt_logits = given(sizes_.max_logit_rows()),
          .prompt_tokens = given(sizes_.max_logit_rows()),
          .prompt_num_top = given(sizes_.max_logit_rows()),
          .query_starts = given(sizes_.max_sequences + 1),
          .query_lens = given(sizes_.max_sequences),
          .slots = given(sizes_.max_sequences),
          .first_choice = given(sizes_.max_sequences),
          .num_drafts = given(sizes_.max_sequences),
          .new_drafts = given(sizes_.max_sequences)};
}

void BatchBuilder::patch_slots(Stream stream, const StepPlan& plan) {
  joins_.clear();
  pages_.clear();
  for (const SlotPatch& patch : plan.slot_patches) {
    joins_.insert(joins_.end(), {patch.slot.value, static_cast<int32_t>(patch.kv_len)});
  }
  for (const PagePatch& patch : plan.page_patches) {
    for (size_t i = 0; i < patch.pages.size(); ++i) {
      pages_.insert(pages_.end(), {patch.slot.value, patch.first_index + static_cast<int32_t>(i),
                                   patch.pages[i].value});
    }
  }
  const int64_t num_pages = std::ssize(pages_) / 3;
  int64_t first = 0;
  while (!joins_.empty() || first < num_pages) {
    const int64_t count = std::min(num_pages - first, kPatchPages);
    const Shape joins{std::ssize(joins_) / 2, 2};
    ConstTensorView join_view(joins_.data(), joins);
    ConstTensorView page_view(pages_.data() + 3 * first, Shape{count, 3});
    if (stream.is_cuda()) {
      const TensorView all = patch_there_.view(DType::kI32, Shape{patch_there_.num_bytes() / 4});
      const TensorView there = all.rows(0, 2 * joins[0]).reshaped(joins);
      const TensorView pages = all.rows(2 * joins[0], 3 * count).reshaped(Shape{count, 3});
      copy(stream, there, join_view);
      copy(stream, pages, page_view);
      join_view = there;
      page_view = pages;
    }
    ops::patch_slots(stream, {.state = state_.views(), .joins = join_view, .pages = page_view});
    joins_.clear();
    first += count;
  }
}

void BatchBuilder::add_row(int32_t token, int32_t offset, int32_t sequence, int32_t next) {
  TALON_CHECK(num_rows_ < sizes_.max_rows, "a step of more than {} rows", sizes_.max_rows);
  given_at_.tokens[num_rows_] = token;
  given_at_.row_sequence[num_rows_] = sequence;
  given_at_.row_offsets[num_rows_] = offset;
  given_at_.next_tokens[num_rows_] = next;
  ++num_rows_;
}

void BatchBuilder::add_logit_row() {
  TALON_CHECK(num_logit_rows_ < sizes_.max_logit_rows(), "a step of more than {} rows with logits",
              sizes_.max_logit_rows());
  given_at_.logit_rows[num_logit_rows_++] = num_rows_ - 1;
}

// The row added last chooses a token.
void BatchBuilder::add_choice(const PlanRow& row, int32_t offset) {
  TALON_CHECK(num_logit_rows_ > 0 && given_at_.logit_rows[num_logit_rows_ - 1] == num_rows_ - 1,
              "row {} has no logits", num_rows_ - 1);
  TALON_CHECK(num_choices_ < sizes_.max_choices(), "a step of more than {} choices",
              sizes_.max_choices());
  given_at_.choice_rows[num_choices_] = num_rows_ - 1;
  given_at_.choice_logits[num_choices_] = num_logit_rows_ - 1;
  given_at_.choice_slots[num_choices_] = row.slot.value;
  given_at_.choice_offsets[num_choices_] = offset;
  given_at_.choice_num_top[num_choices_] = row.num_logprobs;
  wants_logprobs_ = wants_logprobs_ || row.num_logprobs >= 0;
  ++num_choices_;
}

// The prompt has `token` after the row added last.
void BatchBuilder::add_prompt_entry(const PlanRow& row, int32_t token) {
  given_at_.prompt_logits[num_prompt_entries_] = num_logit_rows_ - 1;
  given_at_.prompt_tokens[num_prompt_entries_] = token;
  given_at_.prompt_num_top[num_prompt_entries_] = row.num_prompt_logprobs;
  ++num_prompt_entries_;
}

void BatchBuilder::add_prefill(const PlanRow& row, int32_t sequence) {
  const auto count = static_cast<int32_t>(row.tokens.size());
  const bool all_logits = row.num_prompt_logprobs >= 0;
  given_at_.num_drafts[sequence] = 0;
  given_at_.first_choice[sequence] = row.sample ? num_choices_ : -1;
  for (int32_t i = 0; i < count; ++i) {
    const bool is_last = i + 1 == count;
    const bool chooses = is_last && row.sample;
    const TokenId next = is_last ? row.next_token : row.tokens[static_cast<size_t>(i) + 1];
    add_row(row.tokens[static_cast<size_t>(i)].value, i, sequence, next.value);
    if (all_logits || chooses) {
      add_logit_row();
    }
    if (chooses) {
      add_choice(row, 0);
    } else if (all_logits) {
      add_prompt_entry(row, next.value);
    }
  }
}

void BatchBuilder::add_verify(const PlanRow& row, int32_t sequence) {
  TALON_CHECK(row.num_drafts >= 0 && row.num_drafts <= sizes_.max_drafts, "{} of {} drafts",
              row.num_drafts, sizes_.max_drafts);
  given_at_.first_choice[sequence] = num_choices_;
  given_at_.num_drafts[sequence] = row.num_drafts;
  for (int32_t j = 0; j <= row.num_drafts; ++j) {
    add_row(-1, j, sequence, -1);
    add_logit_row();
    add_choice(row, j);
  }
}

// Rows of a verify that a captured round has and the plan has not.
void BatchBuilder::add_dead_rows(int32_t count, int32_t sequence) {
  PlanRow dead;
  dead.slot = SlotIndex{-1};
  for (int32_t i = 0; i < count; ++i) {
    add_row(-1, -1, sequence, -1);
    add_logit_row();
    add_choice(dead, 0);
  }
}

void BatchBuilder::begin_sequence(const PlanRow& row, int32_t sequence) {
  TALON_CHECK(row.drafts_to_make <= sizes_.max_drafts, "{} drafts to make of {}",
              row.drafts_to_make, sizes_.max_drafts);
  given_at_.query_starts[sequence] = num_rows_;
  given_at_.query_lens[sequence] = static_cast<int32_t>(row.num_rows());
  given_at_.slots[sequence] = row.slot.value;
  given_at_.new_drafts[sequence] = row.drafts_to_make;
}

void BatchBuilder::list_rows(const StepPlan& plan) {
  for (int32_t b = 0; b < num_sequences_; ++b) {
    const PlanRow& row = plan.rows[static_cast<size_t>(b)];
    begin_sequence(row, b);
    row.is_prefill() ? add_prefill(row, b) : add_verify(row, b);
    num_new_drafts_ = std::max(num_new_drafts_, row.drafts_to_make);
  }
}

void BatchBuilder::list_padded(const StepPlan& plan, const GraphKey& key) {
  PlanRow padding;
  padding.slot = SlotIndex{-1};
  for (int32_t b = 0; b < num_sequences_; ++b) {
    const bool is_real = b < static_cast<int32_t>(plan.rows.size());
    const PlanRow& row = is_real ? plan.rows[static_cast<size_t>(b)] : padding;
    TALON_CHECK(!row.is_prefill() && row.num_drafts <= key.num_drafts &&
                    row.drafts_to_make <= key.num_drafts,
                "a row that a round of {} drafts cannot hold", key.num_drafts);
    begin_sequence(row, b);
    if (is_real) {
      add_verify(row, b);
      add_dead_rows(key.num_drafts - row.num_drafts, b);
    } else {
      given_at_.query_lens[b] = 0;
      given_at_.first_choice[b] = -1;
      given_at_.num_drafts[b] = 0;
      add_dead_rows(key.num_drafts + 1, b);
    }
  }
  num_new_drafts_ = key.num_drafts;
}

// Whether the arrays hold a step of this layout already: round after round of the same sequences
// brings nothing new but what the device knows itself.
bool BatchBuilder::holds_already(const StepPlan& plan, const GraphKey* key) {
  std::vector<int32_t> made_from;
  if (key != nullptr) {
    made_from = {key->num_sequences, key->num_drafts};
    for (const PlanRow& row : plan.rows) {
      made_from.insert(made_from.end(), {row.slot.value, row.num_drafts, row.drafts_to_make});
    }
  }
  const bool same = key != nullptr && made_from == held_;
  held_ = std::move(made_from);
  return same;
}

void BatchBuilder::fill(Stream stream, const StepPlan& plan, const GraphKey* key) {
  const auto num_planned = static_cast<int32_t>(plan.rows.size());
  const int32_t num_sequences = key == nullptr ? num_planned : key->num_sequences;
  TALON_CHECK(num_sequences <= sizes_.max_sequences && num_planned <= num_sequences,
              "{} sequences in a step of {}", num_planned, num_sequences);
  if (holds_already(plan, key)) {
    return;
  }
  const auto turn = static_cast<size_t>(num_uploads_ % 2);
  if (stream.is_cuda()) {
    given_at_ = given_arrays(staging_[turn].data());
  }
  num_sequences_ = num_sequences;
  num_rows_ = 0;
  num_logit_rows_ = 0;
  num_choices_ = 0;
  num_prompt_entries_ = 0;
  num_new_drafts_ = 0;
  wants_logprobs_ = false;
  key == nullptr ? list_rows(plan) : list_padded(plan, *key);
  given_at_.query_starts[num_sequences_] = num_rows_;
  if (stream.is_cuda()) {
    copy_bytes(stream, given_.data(), staging_[turn].data(), given_.num_bytes());
    ++num_uploads_;
  }
}

StepArrays BatchBuilder::views() const {
  const Device device = state_.device();
  const auto ints = [device](int32_t* data, const Shape& shape) {
    return TensorView(data, shape, device);
  };
  const Shape per_row{num_rows_};
  const Shape per_sequence{num_sequences_};
  const Shape per_choice{num_choices_};
  const Shape per_prompt_entry{num_prompt_entries_};
  return {
      .batch = {.num_rows = num_rows_,
                .num_sequences = num_sequences_,
                .context_limit = sizes_.context_limit,
                .token_ids = ints(made_at_.token_ids, per_row),
                .positions = ints(made_at_.positions, per_row),
                .row_sequence = ints(views_at_.row_sequence, per_row),
                .query_starts = ints(views_at_.query_starts, Shape{num_sequences_ + 1}),
                .query_lens = ints(views_at_.query_lens, per_sequence),
                .kv_lens = ints(made_at_.kv_lens, per_sequence),
                .page_table = ints(made_at_.page_table, Shape{num_sequences_, state_.max_pages()}),
                .write_slots = write_slots_.view(DType::kI64, per_row),
                .logit_rows = ints(views_at_.logit_rows, Shape{num_logit_rows_})},
      .next_tokens = ints(views_at_.next_tokens, per_row),
      .slots = ints(views_at_.slots, per_sequence),
      .choice_rows = ints(views_at_.choice_rows, per_choice),
      .choice_logits = ints(views_at_.choice_logits, per_choice),
      .choice_slots = ints(views_at_.choice_slots, per_choice),
      .choice_indices = ints(made_at_.choice_indices, per_choice),
      .choice_offsets = ints(views_at_.choice_offsets, per_choice),
      .choice_num_top = ints(views_at_.choice_num_top, per_choice),
      .first_choice = ints(views_at_.first_choice, per_sequence),
      .num_drafts = ints(views_at_.num_drafts, per_sequence),
      .new_drafts = ints(views_at_.new_drafts, per_sequence),
      .drafts = ints(made_at_.drafts, Shape{num_sequences_, sizes_.max_drafts}),
      .prompt_logits = ints(views_at_.prompt_logits, per_prompt_entry),
      .prompt_tokens = ints(views_at_.prompt_tokens, per_prompt_entry),
      .prompt_num_top = ints(views_at_.prompt_num_top, per_prompt_entry),
      .wants_logprobs = wants_logprobs_,
      .num_new_drafts = num_new_drafts_};
}

StepArrays BatchBuilder::make(Stream stream) const {
  const StepArrays arrays = views();
  const Shape per_row{num_rows_};
  const Device device = state_.device();
  ops::prepare_round(
      stream,
      {.token_ids = TensorView(made_at_.token_ids, per_row, device),
       .positions = TensorView(made_at_.positions, per_row, device),
       .kv_lens = TensorView(made_at_.kv_lens, Shape{arrays.batch.num_sequences}, device),
       .page_table = TensorView(made_at_.page_table, arrays.batch.page_table.shape(), device),
       .drafts = arrays.drafts,
       .choice_indices = arrays.choice_indices,
       .slots = arrays.slots,
       .num_drafts = arrays.num_drafts,
       .row_sequence = arrays.batch.row_sequence,
       .row_offsets = TensorView(views_at_.row_offsets, per_row, device),
       .given_tokens = TensorView(views_at_.tokens, per_row, device),
       .choice_rows = arrays.choice_rows,
       .state = state_.views()});
  ops::write_slots(stream, {.slots = write_slots_.view(DType::kI64, per_row),
                            .positions = arrays.batch.positions,
                            .row_sequence = arrays.batch.row_sequence,
                            .page_table = arrays.batch.page_table,
                            .context_limit = sizes_.context_limit});
  return arrays;
}

}  // namespace talon
