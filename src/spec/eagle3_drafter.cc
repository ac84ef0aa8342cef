#include "spec/eagle3_drafter.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <utility>
#include <vector>

#include "base/check.h"
#include "base/checked_int.h"
#include "model/eagle3/kv_layout.h"
#include "ops/argmax.h"
#include "ops/attention.h"
#include "ops/draft_input.h"
#include "ops/draw_draft.h"
#include "ops/gated_activation.h"
#include "ops/gather_rows.h"
#include "ops/key_tokens.h"
#include "ops/linear.h"
#include "ops/qkv_norm_rope_append.h"
#include "ops/rms_norm.h"
#include "ops/rope.h"
#include "ops/round_metadata.h"

namespace talon {
namespace {

constexpr auto kGain = ops::GainForm::kPlain;
constexpr LayerIndex kLayer{0};

int64_t array_bytes(DType dtype, int64_t num_elements) {
  return round_up(dtype_bytes(dtype) * num_elements, Arena::kArenaAlignment);
}

template <class T>
Buffer buffer_of(Uploader* uploader, const std::vector<T>& values) {
  return place(uploader, values.data(), std::ssize(values) * static_cast<int64_t>(sizeof(T)));
}

// By id of the draft vocabulary: whether its target id may be drafted.
std::vector<uint8_t> allowed_drafts(std::span<const uint8_t> allowed,
                                    std::span<const int32_t> draft_to_target) {
  if (draft_to_target.empty()) {
    return {allowed.begin(), allowed.end()};
  }
  std::vector<uint8_t> drafts;
  for (const int32_t id : draft_to_target) {
    const bool is_allowed = allowed.empty() || allowed[static_cast<size_t>(id)] != 0;
    drafts.push_back(is_allowed ? 1 : 0);
  }
  return drafts;
}

std::vector<int32_t> ascending_rows(int32_t count) {
  std::vector<int32_t> rows(static_cast<size_t>(count));
  std::iota(rows.begin(), rows.end(), 0);
  return rows;
}

// An array [T] as [T, 1], the form of gather_rows.
template <class View>
View as_column(const View& array) {
  return array.reshaped(Shape{array.size(0), 1});
}

}  // namespace

Eagle3Drafter::Eagle3Drafter(Eagle3Weights weights,
                             Eagle3Config config,
                             ModelTypes types,
                             std::span<const uint8_t> allowed,
                             Uploader* uploader)
    : weights_(std::move(weights)),
      config_(std::move(config)),
      types_(types),
      inv_freq_(buffer_of(uploader, ops::rope_inv_freq(config_.rope_theta, config_.head_dim))),
      row_sequence_(buffer_of(uploader, ascending_rows(kMaxSequences))),
      allowed_(buffer_of(uploader, allowed_drafts(allowed, weights_.draft_to_target))),
      map_(buffer_of(uploader, weights_.draft_to_target)) {
  TALON_CHECK(allowed.empty() || std::ssize(allowed) == config_.vocab_size, "{} flags for {} ids",
              allowed.size(), config_.vocab_size);
  TALON_CHECK(weights_.draft_to_target.empty()
                  ? config_.draft_vocab_size == config_.vocab_size
                  : std::ssize(weights_.draft_to_target) == config_.draft_vocab_size,
              "a vocabulary map of {} for {} of {} ids", weights_.draft_to_target.size(),
              config_.draft_vocab_size, config_.vocab_size);
  TALON_CHECK(!weights_.taps.empty(), "a head without taps");
}

KvLayout Eagle3Drafter::kv_layout() const { return eagle3_kv_layout(config_, dtype(), types_.kv); }

int64_t Eagle3Drafter::qkv_columns() const {
  return q_columns() + 2 * int64_t{config_.num_kv_heads} * config_.head_dim;
}

void Eagle3Drafter::extend(Stream stream, const ExtendArgs& args, KvStore& kv, Arena& arena) const {
  const Arena::Scope scope(arena);
  const Batch& batch = args.batch;
  const Step step{.stream = stream, .kv = kv, .arena = arena, .page_table = batch.page_table};
  const TensorView hidden = combine_taps(step, args.taps);
  Queries queries = project(step, {.tokens = args.next_tokens,
                                   .hidden = hidden,
                                   .positions = batch.positions,
                                   .write_slots = batch.write_slots});
  if (args.last_rows.empty()) {
    return;  // keys and values are written, and nobody wants a feature
  }
  queries.row_sequence = batch.row_sequence;
  finish(step, take_last(step, queries, args.last_rows), args.features);
}

void Eagle3Drafter::draft(Stream stream, const DraftArgs& args, KvStore& kv, Arena& arena) const {
  const int64_t num_sequences = args.features.size(0);
  const int64_t num_drafts = args.drafts.size(1);
  TALON_CHECK(num_sequences <= kMaxSequences, "{} sequences", num_sequences);
  TALON_CHECK(num_drafts >= 1 && num_drafts <= kMaxDrafts, "{} drafts", num_drafts);
  const Step step{.stream = stream, .kv = kv, .arena = arena, .page_table = args.page_table};
  choose(step, args, 0);
  for (int32_t i = 1; i < num_drafts; ++i) {
    chain_step(step, args, i);
    choose(step, args, i);
  }
}

// fc over the taps of each row, each normed by itself if the head has norms for them.
TensorView Eagle3Drafter::combine_taps(const Step& step, ConstTensorView taps) const {
  const TensorView hidden = step.arena.take(dtype(), Shape{taps.size(0), config_.hidden_size});
  const Arena::Scope scope(step.arena);
  ConstTensorView in = taps;
  if (config_.fc_norm) {
    const TensorView normed = step.arena.take(dtype(), taps.shape());
    ops::group_norm(
        step.stream,
        {.out = normed, .taps = taps, .gains = weights_.fc_gains, .eps = config_.rms_norm_eps});
    in = normed;
  }
  ops::linear(step.stream, {.out = hidden, .x = in, .weight = weights_.fc.weight()});
  return hidden;
}

// The layer up to its queries; keys and values go to their slots.
Eagle3Drafter::Queries Eagle3Drafter::project(const Step& step, const Rows& rows) const {
  const int64_t num_rows = rows.tokens.size(0);
  const int64_t width = config_.hidden_size;
  const TensorView q =
      step.arena.take(dtype(), Shape{num_rows, config_.num_heads, config_.head_dim});
  const TensorView residual = step.arena.take(dtype(), Shape{num_rows, width});
  const Arena::Scope scope(step.arena);
  const TensorView input = step.arena.take(dtype(), Shape{num_rows, 2 * width});
  const TensorView qkv = step.arena.take(dtype(), Shape{num_rows, qkv_columns()});
  const TensorView cos_sin = step.arena.take(DType::kF32, Shape{num_rows, 2, config_.head_dim / 2});

  ops::embed_norm_concat(step.stream, {.out = input,
                                       .ids = rows.tokens,
                                       .table = weights_.embedding,
                                       .hidden = rows.hidden,
                                       .embed_gain = weights_.input_gain,
                                       .hidden_gain = weights_.hidden_gain,
                                       .eps = config_.rms_norm_eps});
  ops::linear(step.stream, {.out = qkv, .x = input, .weight = weights_.qkv.weight()});
  ops::rope_table(step.stream,
                  {.cos_sin = cos_sin,
                   .positions = rows.positions,
                   .inv_freq = inv_freq_.view(DType::kF32, Shape{config_.head_dim / 2})});
  const KvStore::Attended planes = step.kv.attended(PlaneOwner::kDrafter, kLayer);
  ops::qkv_norm_rope_append(step.stream, {.q = q,
                                          .index_q = {},
                                          .key_plane = planes.keys,
                                          .value_plane = planes.values,
                                          .key_scales = planes.key_scales,
                                          .value_scales = planes.value_scales,
                                          .index_key_plane = {},
                                          .qkv = qkv,
                                          .q_gain = {},
                                          .k_gain = {},
                                          .index_q_gain = {},
                                          .index_k_gain = {},
                                          .cos_sin = cos_sin,
                                          .write_slots = rows.write_slots});
  const ConstTensorView normed_hidden = input.columns(width, width);
  ops::gather_rows(step.stream, {.out = residual,
                                 .x = config_.norm_before_residual ? normed_hidden : rows.hidden,
                                 .rows = {}});
  return {.q = q, .residual = residual, .positions = rows.positions, .row_sequence = {}};
}

// A sequence without a last row gets some row's place; its feature is not used.
Eagle3Drafter::Queries Eagle3Drafter::take_last(const Step& step,
                                                const Queries& all,
                                                ConstTensorView last_rows) const {
  const int64_t count = last_rows.size(0);
  const TensorView q = step.arena.take(dtype(), Shape{count, config_.num_heads, config_.head_dim});
  const TensorView residual = step.arena.take(dtype(), Shape{count, config_.hidden_size});
  const TensorView positions = step.arena.take(DType::kI32, Shape{count});
  const TensorView row_sequence = step.arena.take(DType::kI32, Shape{count});
  const auto gather = [&](TensorView out, ConstTensorView x) {
    ops::gather_rows(step.stream, {.out = out, .x = x, .rows = last_rows});
  };
  gather(q.reshaped(Shape{count, q_columns()}), all.q.reshaped(Shape{all.q.size(0), q_columns()}));
  gather(residual, all.residual);
  gather(as_column(positions), as_column(all.positions));
  gather(as_column(row_sequence), as_column(all.row_sequence));
  return {.q = q, .residual = residual, .positions = positions, .row_sequence = row_sequence};
}

// The layer from its queries to the feature that is carried on.
void Eagle3Drafter::finish(const Step& step, const Queries& queries, TensorView features) const {
  const Arena::Scope scope(step.arena);
  const int64_t num_rows = queries.q.size(0);
  const int64_t width = config_.intermediate_size;
  const TensorView mixed = step.arena.take(dtype(), Shape{num_rows, q_columns()});
  const TensorView delta = step.arena.take(dtype(), Shape{num_rows, config_.hidden_size});
  const TensorView gate_up = step.arena.take(DType::kF32, Shape{num_rows, 2 * width});
  const TensorView activated = step.arena.take(dtype(), Shape{num_rows, width});
  const float eps = config_.rms_norm_eps;

  const KvStore::Attended planes = step.kv.attended(PlaneOwner::kDrafter, kLayer);
  ops::attention(step.stream, {.out = mixed,
                               .q = queries.q,
                               .key_plane = planes.keys,
                               .value_plane = planes.values,
                               .key_scales = planes.key_scales,
                               .value_scales = planes.value_scales,
                               .page_table = step.page_table,
                               .row_sequence = queries.row_sequence,
                               .positions = queries.positions,
                               .blocks = {},
                               .scale = 1.0F / std::sqrt(static_cast<float>(config_.head_dim))});
  ops::linear(step.stream, {.out = delta, .x = mixed, .weight = weights_.output.weight()});
  ops::add_rms_norm(step.stream, {.out = delta,
                                  .residual = queries.residual,
                                  .delta = delta,
                                  .gain = weights_.post_gain,
                                  .eps = eps,
                                  .form = kGain});
  ops::linear(step.stream, {.out = gate_up, .x = delta, .weight = weights_.gate_up.weight()});
  ops::gated_activation(
      step.stream,
      {.out = activated, .gate_up = gate_up, .activation = {.kind = ops::ActivationKind::kSilu}});
  ops::linear(step.stream, {.out = delta, .x = activated, .weight = weights_.down.weight()});
  if (config_.norm_output) {
    ops::add_rms_norm(step.stream, {.out = features,
                                    .residual = queries.residual,
                                    .delta = delta,
                                    .gain = weights_.final_gain,
                                    .eps = eps,
                                    .form = kGain});
  } else {
    ops::add(step.stream, {.out = features, .x = queries.residual, .y = delta});
  }
}

// One row per sequence, made from draft index - 1 and the carried feature.
void Eagle3Drafter::chain_step(const Step& step, const DraftArgs& args, int32_t index) const {
  const Arena::Scope scope(step.arena);
  const int64_t num_sequences = args.features.size(0);
  const TensorView positions = step.arena.take(DType::kI32, Shape{num_sequences});
  const TensorView slots = step.arena.take(DType::kI64, Shape{num_sequences});
  const TensorView tokens = step.arena.take(DType::kI32, Shape{num_sequences});
  ops::draft_step(step.stream, {.positions = positions,
                                .slots = slots,
                                .kv_len = args.kv_len,
                                .active = args.active,
                                .page_table = args.page_table,
                                .step = index,
                                .context_limit = args.context_limit});
  ops::gather_rows(step.stream,
                   {.out = as_column(tokens), .x = args.drafts.columns(index - 1, 1), .rows = {}});
  Queries queries = project(
      step,
      {.tokens = tokens, .hidden = args.features, .positions = positions, .write_slots = slots});
  queries.row_sequence = row_sequence_.view(DType::kI32, Shape{num_sequences});
  finish(step, queries, args.features);
}

// The head's choice for each feature: draft `number`. A sequence that samples gets the greedy one
// first and then its draw.
void Eagle3Drafter::choose(const Step& step, const DraftArgs& args, int32_t number) const {
  const Arena::Scope scope(step.arena);
  const ConstTensorView features = args.features;
  const int64_t num_rows = features.size(0);
  const Shape vocabulary{config_.draft_vocab_size};
  const TensorView logits = step.arena.take(DType::kF32, Shape{num_rows, vocabulary[0]});
  const TensorView keys = step.arena.take(DType::kU64, Shape{num_rows});
  ConstTensorView in = features;
  if (!config_.norm_output) {
    const TensorView normed = step.arena.take(dtype(), features.shape());
    ops::rms_norm(step.stream, {.out = normed,
                                .x = features,
                                .gain = weights_.final_gain,
                                .eps = config_.rms_norm_eps,
                                .form = kGain});
    in = normed;
  }
  ops::linear(step.stream, {.out = logits, .x = in, .weight = weights_.head});
  const bool masks = allowed_.num_bytes() > 0;
  const bool maps = map_.num_bytes() > 0;
  ops::argmax(step.stream,
              {.keys = keys,
               .logits = logits,
               .allowed = masks ? allowed_.view(DType::kU8, vocabulary) : TensorView{}});
  ops::key_tokens(step.stream, {.tokens = args.drafts.columns(number, 1),
                                .keys = keys,
                                .map = maps ? map_.view(DType::kI32, vocabulary) : TensorView{}});
  if (!args.sampling.slots.empty()) {
    draw(step, args, number, logits);
  }
}

void Eagle3Drafter::draw(const Step& step,
                         const DraftArgs& args,
                         int32_t number,
                         ConstTensorView logits) const {
  const DraftSampling& sampling = args.sampling;
  const Shape vocabulary{config_.draft_vocab_size};
  TensorView laws;
  if (!sampling.laws.empty()) {
    const int64_t size = sampling.laws.size(2);
    TALON_CHECK(size == config_.vocab_size && number < sampling.laws.size(1),
                "laws {} for draft {} over {} ids", to_string(sampling.laws.shape()), number,
                config_.vocab_size);
    laws = sampling.laws.reshaped(Shape{sampling.laws.size(0), sampling.laws.size(1) * size})
               .columns(number * size, size);
  }
  const bool masks = allowed_.num_bytes() > 0;
  const bool maps = map_.num_bytes() > 0;
  ops::draw_draft(step.stream,
                  {.tokens = args.drafts.columns(number, 1),
                   .laws = laws,
                   .logits = logits,
                   .allowed = masks ? allowed_.view(DType::kU8, vocabulary) : TensorView{},
                   .map = maps ? map_.view(DType::kI32, vocabulary) : TensorView{},
                   .slots = sampling.slots,
                   .active = args.active,
                   .kv_len = args.kv_len,
                   .seeds = sampling.seeds,
                   .temperature = sampling.temperature,
                   .number = number});
}

int64_t Eagle3Drafter::scratch_bytes(int32_t num_rows, int32_t num_sequences) const {
  const int64_t width = config_.hidden_size;
  // What `project` leaves behind and what it gives back, for some number of rows.
  const auto queries = [&](int64_t rows) {
    return array_bytes(dtype(), rows * q_columns()) + array_bytes(dtype(), rows * width);
  };
  const auto projection = [&](int64_t rows) {
    return array_bytes(dtype(), rows * 2 * width) + array_bytes(dtype(), rows * qkv_columns()) +
           array_bytes(DType::kF32, rows * config_.head_dim);
  };
  const int64_t count = num_sequences;
  const int64_t integers = array_bytes(DType::kI32, count);
  const int64_t finish = array_bytes(dtype(), count * q_columns()) +
                         array_bytes(dtype(), count * width) +
                         array_bytes(DType::kF32, 2 * count * config_.intermediate_size) +
                         array_bytes(dtype(), count * config_.intermediate_size);
  const int64_t tap_norm =
      config_.fc_norm
          ? array_bytes(dtype(), int64_t{num_rows} * config_.num_taps * config_.target_hidden_size)
          : 0;

  const int64_t extend =
      array_bytes(dtype(), int64_t{num_rows} * width) +
      std::max(tap_norm, queries(num_rows) + std::max(projection(num_rows),
                                                      queries(count) + 2 * integers + finish));
  const int64_t chain = 2 * integers + array_bytes(DType::kI64, count) + queries(count) +
                        std::max(projection(count), finish);
  const int64_t choice = array_bytes(DType::kF32, count * config_.draft_vocab_size) +
                         array_bytes(DType::kU64, count) +
                         (config_.norm_output ? 0 : array_bytes(dtype(), count * width));
  return std::max({extend, chain, choice});
}

}  // namespace talon
