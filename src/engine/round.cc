#include "engine/round.h"

#include <algorithm>

#include "base/check.h"
#include "core/profile_range.h"
#include "ops/round_slots.h"
#include "ops/stamp.h"

namespace talon {
namespace {

int64_t arena_bytes(const Model& model, const Drafter* drafter, const StepSizes& sizes) {
  const int64_t target = model.scratch_bytes(sizes.max_rows, sizes.max_logit_rows());
  const int64_t draft =
      drafter == nullptr ? 0 : drafter->scratch_bytes(sizes.max_rows, sizes.max_sequences);
  return std::max(target, draft);
}

int64_t tap_columns(const Model& model, const Drafter* drafter) {
  return drafter == nullptr ? 0 : std::ssize(drafter->taps()) * model.limits().hidden_size;
}

int64_t logit_bytes(const Model& model, const StepSizes& sizes) {
  return int64_t{4} * sizes.max_logit_rows() * model.limits().vocab_size;
}

int64_t tap_bytes(const Model& model, const Drafter* drafter, const StepSizes& sizes) {
  return dtype_bytes(activation_dtype(model.activation_type())) * sizes.max_rows *
         tap_columns(model, drafter);
}

// Times of a round beside its end, which the last op takes.
constexpr int32_t kStart = 0;
constexpr int32_t kVerified = 1;
constexpr int32_t kExtended = 2;

}  // namespace

int64_t Round::buffer_bytes(const Model& model, const Drafter* drafter, const StepSizes& sizes) {
  return arena_bytes(model, drafter, sizes) + logit_bytes(model, sizes) +
         tap_bytes(model, drafter, sizes);
}

Round::Round(const RoundParts& parts, const StepSizes& sizes, const VerifierOptions& options)
    : model_(parts.model),
      drafter_(parts.drafter),
      sizes_(sizes),
      state_(parts.state),
      ring_(parts.ring),
      verifier_(sizes, parts.allowed, parts.sampler, options),
      arena_(arena_bytes(parts.model, parts.drafter, sizes), parts.state.device()),
      logits_(logit_bytes(parts.model, sizes), parts.state.device()),
      taps_(tap_bytes(parts.model, parts.drafter, sizes), parts.state.device()),
      features_(int64_t{4} * sizes.max_sequences * parts.model.limits().hidden_size,
                parts.state.device()),
      integers_(int64_t{12} * sizes.max_sequences, parts.state.device()),
      new_drafts_(int64_t{4} * sizes.max_sequences * sizes.max_drafts, parts.state.device()),
      clock_(Buffer::zeroed(int64_t{8} * ops::kRoundTimes, parts.state.device())) {
  TALON_CHECK(parts.allowed.size(0) == parts.model.limits().vocab_size, "{}",
              to_string(parts.allowed.shape()));
  const TensorView integers = integers_.view(DType::kI32, Shape{3, sizes.max_sequences});
  last_rows_ = integers.at(0);
  kv_len_ = integers.at(1);
  active_ = integers.at(2);
  const TensorView clock = clock_.view(DType::kI64, Shape{ops::kRoundTimes});
  counter_ = clock.rows(0, 1);
  times_ = clock.rows(1, ops::kRoundTimes - 1);
}

void Round::advance(Stream stream, const StepArrays& arrays) {
  const ProfileRange range("round: advance");
  const int64_t num_sequences = arrays.batch.num_sequences;
  ops::advance_round(stream, {.kv_len = kv_len_.rows(0, num_sequences),
                              .active = active_.rows(0, num_sequences),
                              .last_rows = last_rows_.rows(0, num_sequences),
                              .next_tokens = arrays.next_tokens,
                              .accepted = verifier_.accepted(),
                              .next_token = verifier_.next_token(),
                              .emitted = verifier_.emitted(),
                              .choices = verifier_.choices(),
                              .choice_rows = arrays.choice_rows,
                              .first_choice = arrays.first_choice,
                              .num_drafts = arrays.num_drafts,
                              .new_drafts = arrays.new_drafts,
                              .query_starts = arrays.batch.query_starts,
                              .query_lens = arrays.batch.query_lens,
                              .kv_lens = arrays.batch.kv_lens,
                              .slots = arrays.slots,
                              .state = state_.views()});
}

void Round::extend(Stream stream, const StepArrays& arrays, KvStore& kv, bool drafts_follow) {
  const ProfileRange range("round: extend");
  const int64_t num_sequences = arrays.batch.num_sequences;
  const DType dtype = activation_dtype(model_.activation_type());
  arena_.reset();
  drafter_->extend(
      stream,
      {.batch = arrays.batch,
       .taps = taps_.view(dtype, Shape{arrays.batch.num_rows, tap_columns(model_, drafter_)}),
       .next_tokens = arrays.next_tokens,
       .last_rows = drafts_follow ? last_rows_.rows(0, num_sequences) : ConstTensorView(),
       .features = drafts_follow
                       ? features_.view(dtype, Shape{num_sequences, model_.limits().hidden_size})
                       : TensorView()},
      kv, arena_);
}

void Round::draft(Stream stream, const StepArrays& arrays, KvStore& kv, int32_t num_drafts) {
  const ProfileRange range("round: draft");
  const int64_t num_sequences = arrays.batch.num_sequences;
  const DType dtype = activation_dtype(model_.activation_type());
  arena_.reset();
  drafter_->draft(
      stream,
      {.features = features_.view(dtype, Shape{num_sequences, model_.limits().hidden_size}),
       .kv_len = kv_len_.rows(0, num_sequences),
       .active = active_.rows(0, num_sequences),
       .page_table = arrays.batch.page_table,
       .context_limit = sizes_.context_limit,
       .drafts = new_drafts_.view(DType::kI32, Shape{num_sequences, num_drafts}),
       .sampling = verifier_.draft_sampling(arrays.slots)},
      kv, arena_);
}

void Round::finish(Stream stream, const StepArrays& arrays, int32_t num_drafts) {
  const ProfileRange range("round: finish");
  const int64_t num_sequences = arrays.batch.num_sequences;
  ops::finish_round(stream,
                    {.ring = ring_.rows(),
                     .headers = ring_.headers(),
                     .counter = counter_,
                     .times = times_,
                     .drafts = new_drafts_.view(DType::kI32, Shape{num_sequences, num_drafts}),
                     .active = active_.rows(0, num_sequences),
                     .new_drafts = arrays.new_drafts,
                     .accepted = verifier_.accepted(),
                     .emitted = verifier_.emitted(),
                     .first_choice = arrays.first_choice,
                     .kv_len = kv_len_.rows(0, num_sequences),
                     .slots = arrays.slots,
                     .state = state_.views()});
}

void Round::stamp(Stream stream, int32_t time) const {
  ops::stamp(stream, {.out = times_.rows(time, 1)});
}

void Round::begin(Stream stream) const { stamp(stream, kStart); }

void Round::launch(
    Stream stream, const StepPlan& plan, const StepArrays& arrays, int64_t launch, KvStore& kv) {
  const int32_t num_drafts = drafter_ == nullptr ? 0 : arrays.num_new_drafts;
  forward(stream, arrays, kv);
  verifier_.verify(stream, plan, arrays, logits(arrays), ring_.logprobs(launch));
  advance(stream, arrays);
  stamp(stream, kVerified);
  if (drafter_ != nullptr) {
    extend(stream, arrays, kv, num_drafts > 0);
  }
  stamp(stream, kExtended);
  if (num_drafts > 0) {
    draft(stream, arrays, kv, num_drafts);
  }
  finish(stream, arrays, num_drafts);
}

TensorView Round::logits(const StepArrays& arrays) const {
  return logits_.view(DType::kF32,
                      Shape{arrays.batch.logit_rows.size(0), model_.limits().vocab_size});
}

void Round::forward(Stream stream, const StepArrays& arrays, KvStore& kv) {
  const ProfileRange range("round: forward");
  const Batch& batch = arrays.batch;
  const DType dtype = activation_dtype(model_.activation_type());
  ForwardOutput out{.logits = logits(arrays), .tap_layers = {}, .taps = {}};
  if (drafter_ != nullptr) {
    out.tap_layers = drafter_->taps();
    out.taps = taps_.view(dtype, Shape{batch.num_rows, tap_columns(model_, drafter_)});
  }
  arena_.reset();
  model_.forward(stream, batch, kv, arena_, out);
}

}  // namespace talon
