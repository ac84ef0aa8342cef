#include "model/minimax_m3/tensor_table.h"

#include <fmt/format.h>

#include <utility>

namespace talon {
namespace {

// Appends rows that share a prefix and a part.
struct Rows {
  TensorTable& table;
  std::string prefix;
  ModelPart part;

  void add(std::string_view name, std::vector<int64_t> shape, TensorRole role) const {
    table.push_back({.name = fmt::format("{}{}", prefix, name),
                     .shape = std::move(shape),
                     .role = role,
                     .part = part});
  }
  void linear(std::string_view name, int64_t num_out, int64_t num_in) const {
    add(name, {num_out, num_in}, TensorRole::kLinear);
  }
  void gain(std::string_view name, int64_t size) const { add(name, {size}, TensorRole::kBf16); }
};

void add_attention(TensorTable& table, const std::string& layer, const M3Config& c) {
  const Rows rows{table, layer + "self_attn.", ModelPart::kAttention};
  const int64_t q_width = int64_t{c.num_heads} * c.head_dim;
  const int64_t kv_width = int64_t{c.num_kv_heads} * c.head_dim;
  rows.linear("q_proj.weight", q_width, c.hidden_size);
  rows.linear("k_proj.weight", kv_width, c.hidden_size);
  rows.linear("v_proj.weight", kv_width, c.hidden_size);
  rows.linear("o_proj.weight", c.hidden_size, q_width);
  rows.gain("q_norm.weight", c.head_dim);
  rows.gain("k_norm.weight", c.head_dim);
}

void add_indexer(TensorTable& table, const std::string& layer, const M3Config& c) {
  const Rows rows{table, layer + "self_attn.", ModelPart::kIndexer};
  rows.linear("index_q_proj.weight", int64_t{c.num_index_heads} * c.index_dim, c.hidden_size);
  rows.linear("index_k_proj.weight", c.index_dim, c.hidden_size);
  rows.gain("index_q_norm.weight", c.index_dim);
  rows.gain("index_k_norm.weight", c.index_dim);
}

void add_mlp(const Rows& rows, int64_t width, int64_t hidden) {
  rows.linear("gate_proj.weight", width, hidden);
  rows.linear("up_proj.weight", width, hidden);
  rows.linear("down_proj.weight", hidden, width);
}

void add_moe(TensorTable& table, const std::string& layer, const M3Config& c) {
  const std::string moe = layer + "block_sparse_moe.";
  const Rows router{table, moe, ModelPart::kRouter};
  router.add("gate.weight", {c.num_experts, c.hidden_size}, TensorRole::kF32);
  router.add("e_score_correction_bias", {c.num_experts}, TensorRole::kF32);
  for (int32_t expert = 0; expert < c.num_experts; ++expert) {
    const Rows rows{table, fmt::format("{}experts.{}.", moe, expert), ModelPart::kExperts};
    rows.linear("w1.weight", c.expert_width, c.hidden_size);
    rows.linear("w3.weight", c.expert_width, c.hidden_size);
    rows.linear("w2.weight", c.hidden_size, c.expert_width);
  }
  if (c.shared_width != 0) {
    add_mlp({table, moe + "shared_experts.", ModelPart::kSharedExpert}, c.shared_width,
            c.hidden_size);
  }
}

}  // namespace

std::string m3_layer_prefix(int32_t layer) { return fmt::format("model.layers.{}.", layer); }

TensorTable m3_tensor_table(const M3Config& config) {
  TensorTable table;
  const std::vector<int64_t> vocabulary = {config.vocab_size, config.hidden_size};
  const Rows embedding{table, "model.", ModelPart::kEmbedding};
  embedding.add("embed_tokens.weight", vocabulary, TensorRole::kBf16);
  for (int32_t index = 0; index < config.num_layers; ++index) {
    const std::string layer = m3_layer_prefix(index);
    const Rows norms{table, layer, ModelPart::kNorms};
    norms.gain("input_layernorm.weight", config.hidden_size);
    norms.gain("post_attention_layernorm.weight", config.hidden_size);
    add_attention(table, layer, config);
    if (config.is_sparse[static_cast<size_t>(index)]) {
      add_indexer(table, layer, config);
    }
    if (config.is_moe[static_cast<size_t>(index)]) {
      add_moe(table, layer, config);
    } else {
      add_mlp({table, layer + "mlp.", ModelPart::kDenseMlp}, config.dense_width,
              config.hidden_size);
    }
  }
  const Rows last{table, "model.", ModelPart::kNorms};
  last.gain("norm.weight", config.hidden_size);
  const Rows head{table, "", ModelPart::kHead};
  head.add("lm_head.weight", vocabulary, TensorRole::kLinear);
  return table;
}

}  // namespace talon
