#include "engine/round.h"

#include <algorithm>
#include <chrono>

#include "base/check.h"
#include "ops/accept.h"
#include "ops/argmax.h"

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

Round::Round(const Model& model,
             const Drafter* drafter,
             ConstTensorView allowed,
             const StepSizes& sizes,
             const RoundState& state)
    : model_(model),
      drafter_(drafter),
      allowed_(allowed),
      sizes_(sizes),
      state_(state),
      arena_(arena_bytes(model, drafter, sizes)),
      logits_(int64_t{4} * sizes.max_logit_rows() * model.limits().vocab_size),
      taps_(dtype_bytes(activation_dtype(model.activation_type())) * sizes.max_rows *
            tap_columns(model, drafter)),
      features_(int64_t{4} * sizes.max_sequences * model.limits().hidden_size),
      keys_(int64_t{8} * sizes.max_logit_rows()),
      integers_(int64_t{4} * (sizes.max_logit_rows() + 5 * sizes.max_sequences)),
      new_drafts_(int64_t{4} * sizes.max_sequences * sizes.max_drafts) {
  TALON_CHECK(allowed.size(0) == model.limits().vocab_size, "{}", to_string(allowed.shape()));
  auto* next = reinterpret_cast<int32_t*>(integers_.data());
  const auto take = [&next](int64_t count) {
    const TensorView view(next, Shape{count});
    next += count;
    return view;
  };
  choices_ = take(sizes.max_logit_rows());
  accepted_ = take(sizes.max_sequences);
  next_token_ = take(sizes.max_sequences);
  last_rows_ = take(sizes.max_sequences);
  kv_len_ = take(sizes.max_sequences);
  active_ = take(sizes.max_sequences);
}

void Round::verify(Stream stream, const StepArrays& arrays) {
  const int64_t num_choices = arrays.choice_rows.size(0);
  const TensorView keys = keys_.view(DType::kU64, Shape{num_choices});
  ops::argmax(stream,
              {.keys = keys,
               .logits = logits_.view(DType::kF32, Shape{num_choices, model_.limits().vocab_size}),
               .allowed = allowed_});
  for (int64_t r = 0; r < num_choices; ++r) {
    choices_.as<int32_t>()[r] = ops::argmax_key_id(keys.as<uint64_t>()[r]);
  }
  const int64_t num_sequences = arrays.batch.num_sequences;
  ops::accept(stream, {.accepted = accepted_.rows(0, num_sequences),
                       .next_token = next_token_.rows(0, num_sequences),
                       .choices = choices_.rows(0, num_choices),
                       .first_choice = arrays.first_choice,
                       .drafts = arrays.drafts,
                       .num_drafts = arrays.num_drafts});
}

void Round::advance(const StepPlan& plan, const StepArrays& arrays) {
  for (int32_t b = 0; b < arrays.batch.num_sequences; ++b) {
    const PlanRow& row = plan.rows[static_cast<size_t>(b)];
    const int32_t accepted = accepted_.as<int32_t>()[b];
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
    state_.pending().as<int32_t>()[row.slot.value] = next_token_.as<int32_t>()[b];
    // Every row that made a choice takes it as the token after itself: rows up to the last valid
    // one see true tokens, rows past it are overwritten by the next round.
    const int32_t first_choice = arrays.first_choice.as<int32_t>()[b];
    for (int32_t j = 0; j <= arrays.num_drafts.as<int32_t>()[b]; ++j) {
      const int32_t choice_row = arrays.choice_rows.as<int32_t>()[first_choice + j];
      arrays.next_tokens.as<int32_t>()[choice_row] = choices_.as<int32_t>()[first_choice + j];
    }
  }
}

void Round::extend(Stream stream, const StepArrays& arrays, KvStore& kv) {
  const int64_t num_sequences = arrays.batch.num_sequences;
  const DType dtype = activation_dtype(model_.activation_type());
  arena_.reset();
  drafter_->extend(
      stream,
      {.batch = arrays.batch,
       .taps = taps_.view(dtype, Shape{arrays.batch.num_rows, tap_columns(model_, drafter_)}),
       .next_tokens = arrays.next_tokens,
       .last_rows = last_rows_.rows(0, num_sequences),
       .features = features_.view(dtype, Shape{num_sequences, model_.limits().hidden_size})},
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
       .drafts = new_drafts_.view(DType::kI32, Shape{num_sequences, num_drafts})},
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
    const int32_t accepted = accepted_.as<int32_t>()[b];
    RowResult out{.sequence = row.sequence,
                  .tokens = {},
                  .drafted = arrays.num_drafts.as<int32_t>()[b],
                  .accepted = std::max(accepted, 0),
                  .kv_len = kv_len_.as<int32_t>()[b],
                  .drafts = {},
                  .logprobs = {},
                  .prompt_logprobs = {}};
    const int32_t num_held = state_.num_drafts().as<int32_t>()[row.slot.value];
    for (int32_t i = 0; i < num_held; ++i) {
      out.drafts.emplace_back(state_.drafts().row<int32_t>(row.slot.value)[i]);
    }
    const int32_t first_choice = arrays.first_choice.as<int32_t>()[b];
    for (int32_t j = 0; j <= accepted; ++j) {
      out.tokens.push_back(TokenId{choices_.as<int32_t>()[first_choice + j]});
    }
    result.rows.push_back(std::move(out));
  }
  return result;
}

StepResult Round::run(Stream stream, const StepPlan& plan, const StepArrays& arrays, KvStore& kv) {
  PhaseTimes times;
  Lap lap;
  forward(stream, arrays, kv);
  verify(stream, arrays);
  advance(plan, arrays);
  times.verify_us = lap.next();
  if (drafter_ != nullptr) {
    extend(stream, arrays, kv);
    times.extend_us = lap.next();
    const int32_t num_drafts = most_drafts(plan);
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

void Round::forward(Stream stream, const StepArrays& arrays, KvStore& kv) {
  const Batch& batch = arrays.batch;
  const DType dtype = activation_dtype(model_.activation_type());
  const int64_t num_choices = arrays.choice_rows.size(0);
  ForwardOutput out{
      .logits = logits_.view(DType::kF32, Shape{num_choices, model_.limits().vocab_size}),
      .tap_layers = {},
      .taps = {}};
  if (drafter_ != nullptr) {
    out.tap_layers = drafter_->taps();
    out.taps = taps_.view(dtype, Shape{batch.num_rows, tap_columns(model_, drafter_)});
  }
  arena_.reset();
  model_.forward(stream, batch, kv, arena_, out);
}

}  // namespace talon
