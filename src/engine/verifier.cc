#include "engine/verifier.h"

#include <algorithm>
#include <numeric>

#include "base/check.h"
#include "base/checked_int.h"
#include "core/copy.h"
#include "core/profile_range.h"
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

int64_t scratch_rows(const StepSizes& sizes) {
  return std::min<int64_t>(kScratchRows, sizes.max_choices());
}

int64_t arena_bytes(const StepSizes& sizes, int64_t vocab_size) {
  const int64_t choices = sizes.max_choices() * (4 * (3 + ceil_div(vocab_size, 32)) + 8);
  const int64_t scratch = scratch_rows(sizes) * ops::choose_scratch_bytes(vocab_size);
  return choices + scratch + int64_t{4} * 2 * sizes.max_sequences + 8 * Arena::kArenaAlignment;
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
      arena_(arena_bytes(sizes, vocab_size_), allowed.device()) {
  TALON_CHECK(options.acceptance_length == 0.0 || options.acceptance_length >= 1.0,
              "an acceptance length of {}", options.acceptance_length);
  const int64_t count = sizes.max_choices();
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
}

void Verifier::verify(Stream stream,
                      const StepPlan& plan,
                      const StepArrays& arrays,
                      ConstTensorView logits,
                      const StepLogprobs& logprobs) {
  const ProfileRange range("round: verify");
  num_choices_ = static_cast<int32_t>(arrays.choice_rows.size(0));
  num_sequences_ = static_cast<int32_t>(arrays.first_choice.size(0));
  choose(stream, plan, arrays, logits);
  accept(stream, arrays);
  sampler_.count(stream, emitted(), arrays.choice_slots);
  find_logprobs(stream, arrays, logits, logprobs);
}

void Verifier::choose(Stream stream,
                      const StepPlan& plan,
                      const StepArrays& arrays,
                      ConstTensorView logits) {
  const bool has_masks = write_masks(stream, plan);
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
bool Verifier::write_masks(Stream stream, const StepPlan& plan) {
  const int64_t num_words = masks_.size(1);
  const auto has_mask = [](const PlanRow& row) { return !row.masks.empty(); };
  if (std::none_of(plan.rows.begin(), plan.rows.end(), has_mask)) {
    return false;
  }
  host_mask_rows_.assign(static_cast<size_t>(num_choices_), -1);
  int32_t first = 0;
  for (const PlanRow& row : plan.rows) {
    const int32_t count = row.num_choices();
    if (has_mask(row) && count > 0) {
      TALON_CHECK(std::ssize(row.masks) >= count * num_words, "{} mask words for {} rows of {}",
                  row.masks.size(), count, num_words);
      copy_bytes(stream, masks_.row<int32_t>(first), row.masks.data(), 4 * num_words * count);
      std::iota(host_mask_rows_.begin() + first, host_mask_rows_.begin() + first + count, first);
    }
    first += count;
  }
  copy(stream, mask_rows_.rows(0, num_choices_),
       ConstTensorView(host_mask_rows_.data(), Shape{num_choices_}));
  return true;
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

// Of all choices if any is asked for; rejected rows emit nothing and are passed over.
void Verifier::find_logprobs(Stream stream,
                             const StepArrays& arrays,
                             ConstTensorView logits,
                             const StepLogprobs& logprobs) const {
  struct Entries {
    ConstTensorView rows, tokens, num_top;
    const LogprobViews& out;
  };
  const auto find = [&](const Entries& entries) {
    const int64_t count = entries.rows.size(0);
    ops::token_logprobs(stream, {.logprobs = entries.out.logprobs.rows(0, count),
                                 .top_ids = entries.out.top_ids.rows(0, count),
                                 .top_logprobs = entries.out.top_logprobs.rows(0, count),
                                 .logits = logits,
                                 .allowed = allowed_,
                                 .rows = entries.rows,
                                 .tokens = entries.tokens,
                                 .num_top = entries.num_top});
  };
  if (arrays.wants_logprobs) {
    find({.rows = arrays.choice_logits,
          .tokens = emitted(),
          .num_top = arrays.choice_num_top,
          .out = logprobs.chosen});
  }
  if (arrays.prompt_logits.size(0) > 0) {
    find({.rows = arrays.prompt_logits,
          .tokens = arrays.prompt_tokens,
          .num_top = arrays.prompt_num_top,
          .out = logprobs.prompt});
  }
}

}  // namespace talon
