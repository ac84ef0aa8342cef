#include "model/minimax_m3/m3_model.h"

#include <algorithm>
#include <cmath>
#include <utility>
#include <vector>

#include "base/check.h"
#include "base/checked_int.h"
#include "model/minimax_m3/kv_layout.h"
#include "ops/attention.h"
#include "ops/embedding.h"
#include "ops/gather_rows.h"
#include "ops/index_topk.h"
#include "ops/linear.h"
#include "ops/moe_experts.h"
#include "ops/qkv_norm_rope_append.h"
#include "ops/rms_norm.h"
#include "ops/rope.h"
#include "ops/route.h"

namespace talon {
namespace {

constexpr auto kGain = ops::GainForm::kZeroCentred;

int64_t array_bytes(DType dtype, int64_t num_elements) {
  return round_up(dtype_bytes(dtype) * num_elements, Arena::kArenaAlignment);
}

// The residual stream is float32 whatever the activations are (docs/adr/0031).
constexpr DType kResidual = DType::kF32;

// The residual stream entering a tapped layer, copied to the tap's columns in their type.
void copy_taps(Stream stream, int32_t layer, ConstTensorView residual, const ForwardOutput& out) {
  for (size_t i = 0; i < out.tap_layers.size(); ++i) {
    if (out.tap_layers[i] == layer) {
      const int64_t width = residual.size(1);
      const TensorView columns = out.taps.columns(static_cast<int64_t>(i) * width, width);
      ops::gather_rows(stream, {.out = columns, .x = residual, .rows = {}});
    }
  }
}

void check_taps(std::span<const int32_t> tap_layers, int32_t num_layers) {
  for (size_t i = 0; i < tap_layers.size(); ++i) {
    TALON_CHECK(tap_layers[i] >= 0 && tap_layers[i] < num_layers, "tap {} of {} layers",
                tap_layers[i], num_layers);
    TALON_CHECK(i == 0 || tap_layers[i] >= tap_layers[i - 1], "the taps descend");
  }
}

}  // namespace

M3Model::M3Model(M3Weights weights, M3Config config, ModelTypes types, Uploader* uploader)
    : weights_(std::move(weights)),
      config_(std::move(config)),
      types_(types),
      limits_{.vocab_size = config_.vocab_size,
              .hidden_size = config_.hidden_size,
              .num_layers = config_.num_layers,
              .max_positions = config_.max_positions} {
  TALON_CHECK(std::ssize(weights_.layers) == config_.num_layers,
              "weights of {} layers, the config has {}", weights_.layers.size(),
              config_.num_layers);
  const std::vector<float> inv_freq = ops::rope_inv_freq(config_.rope_theta, config_.rotary_dim);
  inv_freq_ = place(uploader, inv_freq.data(), std::ssize(inv_freq) * dtype_bytes(DType::kF32));
}

KvLayout M3Model::kv_layout() const { return m3_kv_layout(config_, dtype(), types_.kv); }

void M3Model::forward(
    Stream stream, const Batch& batch, KvStore& kv, Arena& arena, const ForwardOutput& out) const {
  check_taps(out.tap_layers, config_.num_layers);
  const Arena::Scope scope(arena);
  const Shape shape{batch.num_rows, config_.hidden_size};
  const TensorView residual = arena.take(kResidual, shape);
  const TensorView normed = arena.take(dtype(), shape);
  const TensorView delta = arena.take(dtype(), shape);
  const Rows rows{.in = normed, .out = delta};
  const float eps = config_.rms_norm_eps;
  Step step{.stream = stream, .batch = batch, .kv = kv, .arena = arena, .cos_sin = {}};
  step.cos_sin = rope_table(step);

  ops::embedding(stream, {.out = residual, .ids = batch.token_ids, .table = weights_.embedding});
  ops::rms_norm(stream, {.out = normed,
                         .x = residual,
                         .gain = weights_.layers[0].input_gain,
                         .eps = eps,
                         .form = kGain});
  for (int32_t l = 0; l < config_.num_layers; ++l) {
    const auto index = static_cast<size_t>(l);
    copy_taps(stream, l, residual, out);
    attention(step, l, rows);
    ops::add_rms_norm(stream, {.out = normed,
                               .residual = residual,
                               .delta = delta,
                               .gain = weights_.layers[index].post_gain,
                               .eps = eps,
                               .form = kGain});
    if (config_.is_moe[index]) {
      moe(step, l, rows);
    } else {
      mlp(step, l, rows);
    }
    if (l + 1 < config_.num_layers) {
      ops::add_rms_norm(stream, {.out = normed,
                                 .residual = residual,
                                 .delta = delta,
                                 .gain = weights_.layers[index + 1].input_gain,
                                 .eps = eps,
                                 .form = kGain});
    }
  }
  logits(step, {.in = residual, .out = delta}, out.logits);
}

ConstTensorView M3Model::rope_table(const Step& step) const {
  const int64_t half = config_.rotary_dim / 2;
  const TensorView cos_sin = step.arena.take(DType::kF32, Shape{step.batch.num_rows, 2, half});
  ops::rope_table(step.stream, {.cos_sin = cos_sin,
                                .positions = step.batch.positions,
                                .inv_freq = inv_freq_.view(DType::kF32, Shape{half})});
  return cos_sin;
}

int64_t M3Model::qkv_columns(bool is_sparse) const {
  const int64_t heads = config_.num_heads + 2 * int64_t{config_.num_kv_heads};
  const int64_t index_heads = is_sparse ? config_.num_index_heads + 1 : 0;
  return heads * config_.head_dim + index_heads * config_.index_dim;
}

void M3Model::attention(const Step& step, int32_t layer, const Rows& rows) const {
  const Arena::Scope scope(step.arena);
  const M3AttentionWeights& weights = weights_.layers[static_cast<size_t>(layer)].attention;
  const bool is_sparse = config_.is_sparse[static_cast<size_t>(layer)];
  const int64_t num_rows = step.batch.num_rows;
  const KvStore::Attended planes = step.kv.attended(PlaneOwner::kTarget, LayerIndex{layer});
  const TensorView index_keys =
      is_sparse ? step.kv.plane(PlaneOwner::kTarget, LayerIndex{layer}, PlaneKind::kIndexKey)
                : TensorView{};

  const TensorView qkv = step.arena.take(dtype(), Shape{num_rows, qkv_columns(is_sparse)});
  ops::linear(step.stream, {.out = qkv, .x = rows.in, .weight = weights.qkv.weight()});

  const Shape q_shape{num_rows, config_.num_heads, config_.head_dim};
  const Shape index_q_shape{num_rows, config_.num_index_heads, config_.index_dim};
  const TensorView q = step.arena.take(dtype(), q_shape);
  const TensorView index_q = is_sparse ? step.arena.take(dtype(), index_q_shape) : TensorView{};
  ops::qkv_norm_rope_append(step.stream, {.q = q,
                                          .index_q = index_q,
                                          .key_plane = planes.keys,
                                          .value_plane = planes.values,
                                          .key_scales = planes.key_scales,
                                          .value_scales = planes.value_scales,
                                          .index_key_plane = index_keys,
                                          .qkv = qkv,
                                          .q_gain = weights.q_gain,
                                          .k_gain = weights.k_gain,
                                          .index_q_gain = weights.index_q_gain,
                                          .index_k_gain = weights.index_k_gain,
                                          .cos_sin = step.cos_sin,
                                          .write_slots = step.batch.write_slots,
                                          .eps = config_.rms_norm_eps});

  const ConstTensorView blocks =
      is_sparse ? select_blocks(step, layer, index_q) : ConstTensorView{};
  const TensorView mixed = step.arena.take(dtype(), Shape{num_rows, q_shape[1] * q_shape[2]});
  ops::attention(step.stream, {.out = mixed,
                               .q = q,
                               .key_plane = planes.keys,
                               .value_plane = planes.values,
                               .key_scales = planes.key_scales,
                               .value_scales = planes.value_scales,
                               .page_table = step.batch.page_table,
                               .row_sequence = step.batch.row_sequence,
                               .positions = step.batch.positions,
                               .blocks = blocks,
                               .scale = 1.0F / std::sqrt(static_cast<float>(config_.head_dim))});
  ops::linear(step.stream, {.out = rows.out, .x = mixed, .weight = weights.output.weight()});
}

ConstTensorView M3Model::select_blocks(const Step& step,
                                       int32_t layer,
                                       ConstTensorView index_q) const {
  const TensorView blocks = step.arena.take(
      DType::kI32, Shape{step.batch.num_rows, config_.num_index_heads, config_.topk_blocks});
  ops::index_topk(step.stream, {.blocks = blocks,
                                .index_q = index_q,
                                .index_key_plane = step.kv.plane(
                                    PlaneOwner::kTarget, LayerIndex{layer}, PlaneKind::kIndexKey),
                                .page_table = step.batch.page_table,
                                .row_sequence = step.batch.row_sequence,
                                .positions = step.batch.positions,
                                .num_local = config_.num_local_blocks});
  return blocks;
}

void M3Model::mlp(const Step& step, int32_t layer, const Rows& rows) const {
  const Arena::Scope scope(step.arena);
  const M3DenseMlpWeights& weights = weights_.layers[static_cast<size_t>(layer)].mlp;
  const int64_t num_rows = step.batch.num_rows;
  const int64_t width = config_.dense_width;
  const TensorView gate_up = step.arena.take(DType::kF32, Shape{num_rows, 2 * width});
  const TensorView activated = step.arena.take(dtype(), Shape{num_rows, width});
  ops::linear(step.stream, {.out = gate_up, .x = rows.in, .weight = weights.gate_up.weight()});
  ops::gated_activation(step.stream,
                        {.out = activated, .gate_up = gate_up, .activation = config_.activation});
  ops::linear(step.stream, {.out = rows.out, .x = activated, .weight = weights.down.weight()});
}

void M3Model::moe(const Step& step, int32_t layer, const Rows& rows) const {
  const Arena::Scope scope(step.arena);
  const M3MoeWeights& weights = weights_.layers[static_cast<size_t>(layer)].moe;
  const Shape shape{step.batch.num_rows, config_.experts_per_token};
  const TensorView expert_ids = step.arena.take(DType::kI32, shape);
  const TensorView expert_weights = step.arena.take(DType::kF32, shape);
  ops::route(step.stream, {.expert_ids = expert_ids,
                           .weights = expert_weights,
                           .x = rows.in,
                           .gate = weights.gate,
                           .bias = weights.bias,
                           .positions = step.batch.positions,
                           .scale = config_.routed_scaling_factor});
  ops::moe_experts(step.stream, step.arena,
                   {.out = rows.out,
                    .x = rows.in,
                    .expert_ids = expert_ids,
                    .weights = expert_weights,
                    .experts = weights.experts,
                    .shared = config_.shared_width > 0 ? &weights.shared : nullptr,
                    .activation = config_.activation});
}

void M3Model::logits(const Step& step, const Rows& last, TensorView out) const {
  const int64_t num_rows = step.batch.logit_rows.size(0);
  if (num_rows == 0) {
    return;
  }
  const Arena::Scope scope(step.arena);
  const ConstTensorView chosen = step.batch.logit_rows;
  const Shape shape{num_rows, config_.hidden_size};
  const TensorView residual = step.arena.take(kResidual, shape);
  const TensorView hidden = step.arena.take(dtype(), shape);
  ops::gather_rows(step.stream, {.out = residual, .x = last.in, .rows = chosen});
  ops::gather_rows(step.stream, {.out = hidden, .x = last.out, .rows = chosen});
  ops::add_rms_norm(step.stream, {.out = hidden,
                                  .residual = residual,
                                  .delta = hidden,
                                  .gain = weights_.final_gain,
                                  .eps = config_.rms_norm_eps,
                                  .form = kGain});
  ops::linear(step.stream, {.out = out, .x = hidden, .weight = weights_.head.weight()});
}

int64_t M3Model::scratch_bytes(int32_t num_rows, int32_t num_logit_rows) const {
  const int64_t rows = num_rows;
  const int64_t q_columns = int64_t{config_.num_heads} * config_.head_dim;
  const int64_t shared = array_bytes(kResidual, rows * config_.hidden_size) +
                         2 * array_bytes(dtype(), rows * config_.hidden_size) +
                         array_bytes(DType::kF32, rows * config_.rotary_dim);
  const int64_t logit_values = int64_t{num_logit_rows} * config_.hidden_size;
  int64_t most = array_bytes(kResidual, logit_values) + array_bytes(dtype(), logit_values);
  for (size_t l = 0; l < config_.is_moe.size(); ++l) {
    const bool is_sparse = config_.is_sparse[l];
    int64_t attention = array_bytes(dtype(), rows * qkv_columns(is_sparse)) +
                        2 * array_bytes(dtype(), rows * q_columns);
    if (is_sparse) {
      const int64_t heads = rows * config_.num_index_heads;
      attention += array_bytes(dtype(), heads * config_.index_dim) +
                   array_bytes(DType::kI32, heads * config_.topk_blocks);
    }
    const int64_t dense = array_bytes(DType::kF32, 2 * rows * config_.dense_width) +
                          array_bytes(dtype(), rows * config_.dense_width);
    const int64_t sparse =
        2 * array_bytes(DType::kF32, rows * config_.experts_per_token) +
        ops::moe_experts_scratch_bytes(rows, config_.experts_per_token, config_.hidden_size,
                                       config_.expert_width, config_.shared_width);
    most = std::max({most, attention, config_.is_moe[l] ? sparse : dense});
  }
  return shared + most;
}

}  // namespace talon
