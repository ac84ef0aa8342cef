// The MiniMax-M3 text model in plain double precision, written from the model card: the judge of
// src/model. It shares no code with src/ops or src/model and includes the standard library only.
//
// One call runs a whole sequence from position 0: no cache, no pages, no batch. Weights carry the
// names of the real checkpoint ("language_model.model.layers.0.self_attn.q_proj.weight", ...).
// A missing or wrongly sized tensor throws std::out_of_range. Thread safe; owns what it returns.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "oracle/matrix.h"

namespace talon::oracle {

struct M3Config {
  int64_t vocab_size = 0;
  int64_t hidden_size = 0;
  int64_t num_layers = 0;
  int64_t num_heads = 0;
  int64_t num_kv_heads = 0;  // also the number of index heads: index head g selects for KV head g
  int64_t head_dim = 0;
  int64_t rotary_dim = 0;
  double rope_theta = 5e6;
  double rms_norm_eps = 1e-6;
  int64_t dense_size = 0;
  int64_t expert_size = 0;
  int64_t shared_size = 0;
  int64_t num_experts = 0;
  int64_t experts_per_token = 0;
  double routed_scaling_factor = 2.0;
  double swiglu_alpha = 1.702;
  double swiglu_limit = 7.0;
  std::vector<int> moe_layers;     // one flag per layer: experts, or a dense MLP
  std::vector<int> sparse_layers;  // one flag per layer: block-sparse, or full attention
  int64_t index_dim = 0;
  int64_t block_size = 128;
  int64_t topk_blocks = 16;
  int64_t local_blocks = 1;
  int64_t max_positions = 8192;
};

// What the layer's cache would hold, all positions: keys and values [n, kv_heads * head_dim], index
// keys [n, index_dim] (empty in full layers), after norm and rope.
struct M3LayerCache {
  Matrix keys;
  Matrix values;
  Matrix index_keys;
};

struct M3Output {
  Matrix logits;                     // [rows asked for, vocab]
  std::vector<Matrix> layer_inputs;  // [layer] of [n, hidden]: the residual stream entering it
  std::vector<M3LayerCache> caches;  // [layer]
  // Per position the smallest distance, over all layers, between the last block or expert chosen
  // and the first one not chosen. A float implementation may choose otherwise where it is tiny.
  std::vector<double> block_gaps;
  std::vector<double> expert_gaps;
};

// `rows` are the positions whose logits are wanted, ascending; empty means all. The last layer runs
// for these rows only (the gaps of other rows then leave out that layer).
M3Output m3_forward(const M3Config& config,
                    const Weights& weights,
                    std::span<const int32_t> tokens,
                    const std::vector<int64_t>& rows = {});

// (clamp(up, -limit, limit) + 1) * g * sigmoid(alpha * g) with g = min(gate, limit).
double swiglu_oai(double gate, double up, double alpha, double limit);

struct Routing {
  std::vector<int64_t> experts;  // in order of falling score plus bias, ties to the lower index
  std::vector<double> weights;   // without bias, normalised to sum 1, factor not included
  double gap = 0.0;              // infinity if every expert is chosen
};
Routing route(std::span<const double> router_logits, std::span<const double> bias, int64_t top_k);

struct BlockChoice {
  std::vector<int64_t> blocks;  // ascending, so that the row's own block is last
  double gap = 0.0;             // infinity if every block is chosen
};
// `scores` holds one value per block 0..own. The last `local` blocks are forced and count towards
// `top_k`; the others are taken by falling score, ties to the lower index. NaN ranks lowest.
BlockChoice select_blocks(std::span<const double> scores, int64_t top_k, int64_t local);

}  // namespace talon::oracle
