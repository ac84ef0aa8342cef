#include "engine/round.h"

#include <algorithm>
#include <chrono>

#include "base/check.h"

namespace talon {
namespace {

int64_t arena_bytes(const Model& model, const Drafter* drafter, const StepSizes& sizes) {
  const int64_t target = model.scratch_bytes(sizes.max_rows, sizes.max_logit_rows());
  const int64_t draft =
      drafter == nullptr ? 0 : drafter->scratch_bytes(sizes.max_rows, sizes.max_sequences);
  return std::max(target, draft);
}

// Microseconds since the last call.
class Lap {
 public:
  double next() {
    const auto now = std::chrono::steady_clock::now();
    const std::chrono::duration<double, std::micro> lap = now - last_;
    last_ = now;
    return lap.count();
  }

 private:
  std::chrono::steady_clock::time_point last_ = std::chrono::steady_clock::now();
};

int64_t tap_columns(const Model& model, const Drafter* drafter) {
  return drafter == nullptr ? 0 : std::ssize(drafter->taps()) * model.limits().hidden_size;
}

int32_t most_drafts(const StepPlan& plan) {
  int32_t most = 0;
  for (const PlanRow& row : plan.rows) {
    most = std::max(most, row.drafts_to_make);
  }
  return most;
}

}  // namespace

Round::Round(const RoundParts& parts, const StepSizes& sizes, const VerifierOptions& options)
    : model_(parts.model),
      drafter_(parts.drafter),
      sizes_(sizes),
      state_(parts.state),
      verifier_(sizes, parts.allowed, parts.sampler, options),
      arena_(arena_bytes(parts.model, parts.drafter, sizes)),
      logits_(int64_t{4} * sizes.max_logit_rows() * parts.model.limits().vocab_size),
      taps_(dtype_bytes(activation_dtype(parts.model.activation_type())) * sizes.max_rows *
            tap_columns(parts.model, parts.drafter)),
      features_(int64_t{4} * sizes.max_sequences * parts.model.limits().hidden_size),
      integers_(int64_t{12} * sizes.max_sequences),
      new_drafts_(int64_t{4} * sizes.max_sequences * sizes.max_drafts) {
  TALON_CHECK(parts.allowed.size(0) == parts.model.limits().vocab_size, "{}",
              to_string(parts.allowed.shape()));
  auto* next = reinterpret_cast<int32_t*>(integers_.data());
  const auto take = [&next](int64_t count) {
    const TensorView view(next, Shape{count});
    next += count;
    return view;
  };
  last_rows_ = take(sizes.max_sequences);
  kv_len_ = take(sizes.max_sequences);
  active_ = take(sizes.max_sequences);
}

void Round::advance(const StepPlan& plan, const StepArrays& arrays) {
  const auto* accepted_of = verifier_.accepted().as<int32_t>();
  const auto* emitted = verifier_.emitted().as<int32_t>();
  const auto* choices = verifier_.choices().as<int32_t>();
  for (int32_t b = 0; b < arrays.batch.num_sequences; ++b) {
    const PlanRow& row = plan.rows[static_cast<size_t>(b)];
    const int32_t accepted = accepted_of[b];
    const int32_t rejected = arrays.num_drafts.as<int32_t>()[b] - std::max(accepted, 0);
    const int32_t num_valid = arrays.batch.query_lens.as<int32_t>()[b] - rejected;
    const int32_t kv_len = arrays.batch.kv_lens.as<int32_t>()[b] + num_valid;
    const bool sampled = accepted >= 0;
    kv_len_.as<int32_t>()[b] = kv_len;
    active_.as<int32_t>()[b] = sampled && row.drafts_to_make > 0 ? 1 : 0;
    state_.kv_len().as<int32_t>()[row.slot.value] = kv_len;
    state_.num_drafts().as<int32_t>()[row.slot.value] = 0;

    const int32_t first_row = arrays.batch.query_starts.as<int32_t>()[b];
    last_rows_.as<int32_t>()[b] = sampled ? first_row + num_valid - 1 : -1;
    if (!sampled) {
      continue;
    }
    state_.pending().as<int32_t>()[row.slot.value] = verifier_.next_token().as<int32_t>()[b];
    // Rows up to the last valid one take the token that was emitted there as the one after
    // themselves. Rows past it are overwritten by the next round; any token serves.
    const int32_t first_choice = arrays.first_choice.as<int32_t>()[b];
    for (int32_t j = 0; j <= arrays.num_drafts.as<int32_t>()[b]; ++j) {
      const int32_t choice_row = arrays.choice_rows.as<int32_t>()[first_choice + j];
      const int32_t token = emitted[first_choice + j];
      arrays.next_tokens.as<int32_t>()[choice_row] = token >= 0 ? token : choices[first_choice + j];
    }
  }
}

void Round::extend(Stream stream, const StepArrays& arrays, KvStore& kv, bool drafts_follow) {
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

void Round::store_drafts(const StepPlan& plan, int32_t num_made) {
  const auto* made = reinterpret_cast<const int32_t*>(new_drafts_.data());
  for (size_t b = 0; b < plan.rows.size(); ++b) {
    const PlanRow& row = plan.rows[b];
    if (active_.as<int32_t>()[b] == 0) {
      continue;
    }
    std::copy_n(made + static_cast<int64_t>(b) * num_made, row.drafts_to_make,
                state_.drafts().row<int32_t>(row.slot.value));
    state_.num_drafts().as<int32_t>()[row.slot.value] = row.drafts_to_make;
  }
}

StepResult Round::read_result(const StepPlan& plan, const StepArrays& arrays) const {
  StepResult result{.round = plan.round, .rows = {}, .times = {}};
  for (int32_t b = 0; b < arrays.batch.num_sequences; ++b) {
    const PlanRow& row = plan.rows[static_cast<size_t>(b)];
    RowResult out;
    out.sequence = row.sequence;
    out.kv_len = kv_len_.as<int32_t>()[b];
    const int32_t num_held = state_.num_drafts().as<int32_t>()[row.slot.value];
    for (int32_t i = 0; i < num_held; ++i) {
      out.drafts.emplace_back(state_.drafts().row<int32_t>(row.slot.value)[i]);
    }
    verifier_.read(plan, arrays, b, out);
    result.rows.push_back(std::move(out));
  }
  return result;
}

StepResult Round::run(Stream stream, const StepPlan& plan, const StepArrays& arrays, KvStore& kv) {
  PhaseTimes times;
  Lap lap;
  forward(stream, arrays, kv);
  verifier_.verify(stream, plan, arrays, logits(arrays));
  advance(plan, arrays);
  times.verify_us = lap.next();
  if (drafter_ != nullptr) {
    const int32_t num_drafts = most_drafts(plan);
    extend(stream, arrays, kv, num_drafts > 0);
    times.extend_us = lap.next();
    if (num_drafts > 0) {
      draft(stream, arrays, kv, num_drafts);
      store_drafts(plan, num_drafts);
    }
    times.draft_us = lap.next();
  }
  StepResult result = read_result(plan, arrays);
  result.times = times;
  return result;
}

TensorView Round::logits(const StepArrays& arrays) const {
  return logits_.view(DType::kF32,
                      Shape{arrays.batch.logit_rows.size(0), model_.limits().vocab_size});
}

void Round::forward(Stream stream, const StepArrays& arrays, KvStore& kv) {
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
