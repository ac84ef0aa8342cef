#include "engine/verifier.h"

#include <algorithm>
#include <span>

#include "base/check.h"
#include "base/checked_int.h"
#include "ops/accept.h"
#include "ops/choose.h"
#include "ops/emit_tokens.h"
#include "ops/force_accept.h"
#include "ops/token_logprobs.h"
#include "ops/verify_block.h"

namespace talon {
namespace {

// Rows that ops::choose works on at a time: enough for the threads of a large host.
constexpr int64_t kScratchRows = 16;

int64_t max_choices(const StepSizes& sizes) {
  return int64_t{sizes.max_sequences} * (sizes.max_drafts + 1);
}

int64_t scratch_rows(const StepSizes& sizes) { return std::min(kScratchRows, max_choices(sizes)); }

int64_t arena_bytes(const StepSizes& sizes, int64_t vocab_size) {
  const int64_t choices = max_choices(sizes) * (4 * (3 + ceil_div(vocab_size, 32)) + 8);
  const int64_t entry = int64_t{4} * (4 + 2 * Verifier::kMaxTopLogprobs);
  const int64_t entries = (max_choices(sizes) + sizes.max_logit_rows()) * entry;
  const int64_t scratch = scratch_rows(sizes) * ops::choose_scratch_bytes(vocab_size);
  return choices + entries + scratch + int64_t{4} * 2 * sizes.max_sequences +
         20 * Arena::kArenaAlignment;
}

}  // namespace

Verifier::Verifier(const StepSizes& sizes,
                   ConstTensorView allowed,
                   SamplerState& sampler,
                   const VerifierOptions& options)
    : sizes_(sizes),
      allowed_(allowed),
      sampler_(sampler),
      options_(options),
      vocab_size_(allowed.size(0)),
      arena_(arena_bytes(sizes, vocab_size_), allowed.device()),
      first_prompt_(static_cast<size_t>(sizes.max_sequences), 0) {
  TALON_CHECK(options.acceptance_length == 0.0 || options.acceptance_length >= 1.0,
              "an acceptance length of {}", options.acceptance_length);
  const int64_t count = max_choices(sizes);
  if (options.draws == DraftDraws::kOwn) {
    const int64_t num_slots = sampler.views().flags.size(0);
    target_laws_ = Buffer(4 * count * vocab_size_, allowed.device());
    draft_laws_ = Buffer(4 * num_slots * sizes.max_drafts * vocab_size_, allowed.device());
  }
  choices_ = arena_.take(DType::kI32, Shape{count});
  emitted_ = arena_.take(DType::kI32, Shape{count});
  keys_ = arena_.take(DType::kU64, Shape{count});
  mask_rows_ = arena_.take(DType::kI32, Shape{count});
  masks_ = arena_.take(DType::kI32, Shape{count, ceil_div(vocab_size_, 32)});
  accepted_ = arena_.take(DType::kI32, Shape{sizes.max_sequences});
  next_token_ = arena_.take(DType::kI32, Shape{sizes.max_sequences});
  scratch_ =
      arena_.take(DType::kU8, Shape{scratch_rows(sizes), ops::choose_scratch_bytes(vocab_size_)});
  chosen_ = take_entries(count);
  prompt_ = take_entries(sizes.max_logit_rows());
}

Verifier::Entries Verifier::take_entries(int64_t count) {
  return {.rows = arena_.take(DType::kI32, Shape{count}),
          .tokens = arena_.take(DType::kI32, Shape{count}),
          .num_top = arena_.take(DType::kI32, Shape{count}),
          .logprobs = arena_.take(DType::kF32, Shape{count}),
          .top_ids = arena_.take(DType::kI32, Shape{count, kMaxTopLogprobs}),
          .top_logprobs = arena_.take(DType::kF32, Shape{count, kMaxTopLogprobs})};
}

void Verifier::verify(Stream stream,
                      const StepPlan& plan,
                      const StepArrays& arrays,
                      ConstTensorView logits) {
  num_choices_ = static_cast<int32_t>(arrays.choice_rows.size(0));
  num_sequences_ = static_cast<int32_t>(arrays.first_choice.size(0));
  TALON_CHECK(std::ssize(plan.rows) == num_sequences_, "{} rows planned, {} sequences",
              plan.rows.size(), num_sequences_);
  choose(stream, plan, arrays, logits);
  accept(stream, arrays);
  sampler_.count(stream, emitted(), arrays.choice_slots);
  list_chosen(plan, arrays);
  find_logprobs(stream, chosen_, num_chosen_, logits);
  list_prompt(plan, arrays);
  find_logprobs(stream, prompt_, num_prompt_, logits);
}

void Verifier::choose(Stream stream,
                      const StepPlan& plan,
                      const StepArrays& arrays,
                      ConstTensorView logits) {
  const bool has_masks = write_masks(plan, arrays);
  const bool wants_laws = options_.draws == DraftDraws::kOwn;
  ops::choose(stream,
              {.choices = choices(),
               .probabilities =
                   wants_laws ? target_laws_.view(DType::kF32, Shape{num_choices_, vocab_size_})
                              : TensorView{},
               .logits = logits,
               .allowed = allowed_,
               .rows = {.slots = arrays.choice_slots,
                        .logit_rows = arrays.choice_logits,
                        .indices = arrays.choice_indices,
                        .num_before = arrays.choice_offsets,
                        .token_rows = arrays.choice_rows,
                        .tokens = arrays.batch.token_ids,
                        .mask_rows = has_masks ? mask_rows_.rows(0, num_choices_) : TensorView{},
                        .masks = has_masks ? masks_ : TensorView{}},
               .slots = sampler_.views(),
               .keys = keys_.rows(0, num_choices_),
               .scratch = scratch_});
}

// Copies the constraints of the plan beside the choices; false if there are none.
bool Verifier::write_masks(const StepPlan& plan, const StepArrays& arrays) {
  const int64_t num_words = masks_.size(1);
  bool has_masks = false;
  std::fill_n(mask_rows_.as<int32_t>(), num_choices_, -1);
  for (int32_t b = 0; b < num_sequences_; ++b) {
    const PlanRow& row = plan.rows[static_cast<size_t>(b)];
    const int32_t first = arrays.first_choice.as<int32_t>()[b];
    if (row.masks.empty() || first < 0) {
      continue;
    }
    const int32_t count = arrays.num_drafts.as<int32_t>()[b] + 1;
    TALON_CHECK(std::ssize(row.masks) >= count * num_words, "{} mask words for {} rows of {}",
                row.masks.size(), count, num_words);
    for (int32_t j = 0; j < count; ++j) {
      const auto words = std::span(row.masks).subspan(static_cast<size_t>(j * num_words));
      std::copy_n(words.begin(), num_words, masks_.row<int32_t>(first + j));
      mask_rows_.as<int32_t>()[first + j] = first + j;
    }
    has_masks = true;
  }
  return has_masks;
}

void Verifier::accept(Stream stream, const StepArrays& arrays) {
  if (options_.acceptance_length > 0.0) {
    ops::force_accept(stream, {.accepted = accepted(),
                               .next_token = next_token(),
                               .choices = choices(),
                               .first_choice = arrays.first_choice,
                               .num_drafts = arrays.num_drafts,
                               .slots = arrays.slots,
                               .seeds = sampler_.views().seed,
                               .indices = arrays.choice_indices,
                               .extra = options_.acceptance_length - 1.0});
  } else {
    ops::accept(stream, {.accepted = accepted(),
                         .next_token = next_token(),
                         .choices = choices(),
                         .first_choice = arrays.first_choice,
                         .drafts = arrays.drafts,
                         .num_drafts = arrays.num_drafts});
    if (options_.draws == DraftDraws::kOwn && sizes_.max_drafts > 0) {
      verify_block(stream, arrays);
    }
  }
  ops::emit_tokens(stream, {.emitted = emitted(),
                            .accepted = accepted(),
                            .next_token = next_token(),
                            .first_choice = arrays.first_choice,
                            .drafts = arrays.drafts,
                            .num_drafts = arrays.num_drafts});
}

void Verifier::verify_block(Stream stream, const StepArrays& arrays) {
  const DraftSampling sampling = draft_sampling(arrays.slots);
  ops::verify_block(
      stream, {.accepted = accepted(),
               .next_token = next_token(),
               .target_laws = target_laws_.view(DType::kF32, Shape{num_choices_, vocab_size_}),
               .draft_laws = sampling.laws,
               .choices = choices(),
               .first_choice = arrays.first_choice,
               .indices = arrays.choice_indices,
               .drafts = arrays.drafts,
               .num_drafts = arrays.num_drafts,
               .slots = arrays.slots,
               .seeds = sampling.seeds,
               .temperature = sampling.temperature});
}

DraftSampling Verifier::draft_sampling(ConstTensorView slots) const {
  if (options_.draws == DraftDraws::kGreedy) {
    return {};
  }
  const ops::SlotSampling views = sampler_.views();
  DraftSampling sampling{
      .slots = slots, .seeds = views.seed, .temperature = views.temperature, .laws = {}};
  if (options_.draws == DraftDraws::kOwn) {
    sampling.laws =
        draft_laws_.view(DType::kF32, Shape{views.seed.size(0), sizes_.max_drafts, vocab_size_});
  }
  return sampling;
}

// An entry a choice, if any is asked for; the ones of rejected rows are passed over, as they emit
// nothing.
void Verifier::list_chosen(const StepPlan& plan, const StepArrays& arrays) {
  std::copy_n(arrays.choice_logits.as<int32_t>(), num_choices_, chosen_.rows.as<int32_t>());
  std::copy_n(emitted_.as<int32_t>(), num_choices_, chosen_.tokens.as<int32_t>());
  std::fill_n(chosen_.num_top.as<int32_t>(), num_choices_, -1);
  num_chosen_ = 0;
  for (int32_t b = 0; b < num_sequences_; ++b) {
    const int32_t first = arrays.first_choice.as<int32_t>()[b];
    const int32_t num_top = plan.rows[static_cast<size_t>(b)].num_logprobs;
    if (first >= 0 && num_top >= 0) {
      const int32_t count = arrays.num_drafts.as<int32_t>()[b] + 1;
      std::fill_n(chosen_.num_top.as<int32_t>() + first, count, num_top);
      num_chosen_ = num_choices_;
    }
  }
}

// An entry for each row of a chunk whose next token the plan knows.
void Verifier::list_prompt(const StepPlan& plan, const StepArrays& arrays) {
  const std::span logit_rows(arrays.batch.logit_rows.as<int32_t>(),
                             static_cast<size_t>(arrays.batch.logit_rows.size(0)));
  num_prompt_ = 0;
  for (int32_t b = 0; b < num_sequences_; ++b) {
    const PlanRow& row = plan.rows[static_cast<size_t>(b)];
    first_prompt_[static_cast<size_t>(b)] = num_prompt_;
    if (!row.is_prefill() || row.num_prompt_logprobs < 0) {
      continue;
    }
    const auto count = static_cast<int32_t>(row.tokens.size()) - (row.sample ? 1 : 0);
    const int32_t first_row = arrays.batch.query_starts.as<int32_t>()[b];
    const auto found = std::lower_bound(logit_rows.begin(), logit_rows.end(), first_row);
    const auto first = static_cast<int32_t>(found - logit_rows.begin());
    TALON_CHECK(num_prompt_ + count <= prompt_.rows.size(0), "{} + {} prompt logprobs", num_prompt_,
                count);
    for (int32_t i = 0; i < count; ++i) {
      const auto at = static_cast<size_t>(first) + static_cast<size_t>(i);
      TALON_CHECK(at < logit_rows.size() && logit_rows[at] == first_row + i,
                  "row {} of the chunk of sequence {} has no logits", i, row.sequence.value);
      const auto next = static_cast<size_t>(i) + 1;
      const TokenId token = next < row.tokens.size() ? row.tokens[next] : row.next_token;
      prompt_.rows.as<int32_t>()[num_prompt_] = first + i;
      prompt_.tokens.as<int32_t>()[num_prompt_] = token.value;
      prompt_.num_top.as<int32_t>()[num_prompt_] = row.num_prompt_logprobs;
      ++num_prompt_;
    }
  }
}

void Verifier::find_logprobs(Stream stream,
                             const Entries& entries,
                             int32_t count,
                             ConstTensorView logits) const {
  if (count == 0) {
    return;
  }
  ops::token_logprobs(stream, {.logprobs = entries.logprobs.rows(0, count),
                               .top_ids = entries.top_ids.rows(0, count),
                               .top_logprobs = entries.top_logprobs.rows(0, count),
                               .logits = logits,
                               .allowed = allowed_,
                               .rows = entries.rows.rows(0, count),
                               .tokens = entries.tokens.rows(0, count),
                               .num_top = entries.num_top.rows(0, count)});
}

PositionLogprobs Verifier::read_entry(const Entries& entries, int32_t index) const {
  PositionLogprobs out{.chosen = {.token = TokenId{entries.tokens.as<int32_t>()[index]},
                                  .logprob = entries.logprobs.as<float>()[index]},
                       .top = {}};
  const auto* ids = entries.top_ids.row<int32_t>(index);
  const auto* logprobs = entries.top_logprobs.row<float>(index);
  for (int32_t i = 0; i < entries.num_top.as<int32_t>()[index] && ids[i] >= 0; ++i) {
    out.top.push_back({.token = TokenId{ids[i]}, .logprob = logprobs[i]});
  }
  return out;
}

void Verifier::read(const StepPlan& plan,
                    const StepArrays& arrays,
                    int32_t b,
                    RowResult& result) const {
  const PlanRow& row = plan.rows[static_cast<size_t>(b)];
  const int32_t accepted = accepted_.as<int32_t>()[b];
  const int32_t first = arrays.first_choice.as<int32_t>()[b];
  result.drafted = arrays.num_drafts.as<int32_t>()[b];
  result.accepted = std::max(accepted, 0);
  for (int32_t j = 0; j <= accepted; ++j) {
    result.tokens.push_back(TokenId{emitted_.as<int32_t>()[first + j]});
    if (row.num_logprobs >= 0) {
      result.logprobs.push_back(read_entry(chosen_, first + j));
    }
  }
  const auto next = static_cast<size_t>(b) + 1;
  const int32_t end =
      next < static_cast<size_t>(num_sequences_) ? first_prompt_[next] : num_prompt_;
  for (int32_t i = first_prompt_[static_cast<size_t>(b)]; i < end; ++i) {
    result.prompt_logprobs.push_back(read_entry(prompt_, i));
  }
}

}  // namespace talon
