#include "oracle/m3_oracle.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

namespace talon::oracle {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();

std::string layer_prefix(int64_t layer) {
  return "language_model.model.layers." + std::to_string(layer) + ".";
}

// One layer at work: the normed input of every row, and the weights under short names.
struct Layer {
  const M3Config& config;
  const Weights& weights;
  std::string prefix;
  bool is_sparse = false;
  bool is_moe = false;

  const std::vector<double>& get(const std::string& name, int64_t size) const {
    return tensor(weights, prefix + name, size);
  }
};

Matrix gemma_norm(const Matrix& x, const std::vector<double>& gain, double eps) {
  Matrix y(x.rows, x.cols);
  for (int64_t t = 0; t < x.rows; ++t) {
    rms_norm(y.row(t), x.row_span(t), gain.data(), eps, 1.0);
  }
  return y;
}

Matrix pick_rows(const Matrix& x, const std::vector<int64_t>& rows) {
  Matrix y(std::ssize(rows), x.cols);
  for (int64_t i = 0; i < y.rows; ++i) {
    std::copy_n(x.row(rows[static_cast<size_t>(i)]), x.cols, y.row(i));
  }
  return y;
}

// Projects, norms each head over its channels with one shared gain, then rotates. Row i of `h` has
// position positions[i].
Matrix project_heads(const Layer& layer,
                     const Matrix& h,
                     const std::vector<int64_t>& positions,
                     const std::string& name,
                     std::pair<int64_t, int64_t> heads_and_dim) {
  const auto [heads, dim] = heads_and_dim;
  const M3Config& c = layer.config;
  Matrix y = linear(h, layer.get(name + "_proj.weight", heads * dim * c.hidden_size), heads * dim);
  const std::vector<double>& gain = layer.get(name + "_norm.weight", dim);
  for (int64_t t = 0; t < y.rows; ++t) {
    for (int64_t head = 0; head < heads; ++head) {
      double* x = y.row(t) + head * dim;
      rms_norm(x, {x, static_cast<size_t>(dim)}, gain.data(), c.rms_norm_eps, 1.0);
      rope(x, positions[static_cast<size_t>(t)], c.rotary_dim, c.rope_theta);
    }
  }
  return y;
}

// The query heads of one KV group at one row.
struct Query {
  int64_t position = 0;
  const double* q = nullptr;      // [heads of the group, head_dim]
  const double* index = nullptr;  // [index_dim]; null in full layers
  double* out = nullptr;          // like q, zero at first
  std::vector<bool> attends;      // by block 0..own
};

// Calls f(query, j) for the visible positions j of every block, and for each query that `wanted`
// names for it. Blocks are outermost, so that the rows of one pass share what they read.
template <class Wanted, class Function>
void for_each_key(const M3Config& c, std::vector<Query>& queries, Wanted wanted, Function f) {
  for (int64_t block = 0; block <= queries.back().position / c.block_size; ++block) {
    const int64_t first = block * c.block_size;
    for (size_t i = 0; i < queries.size(); ++i) {
      const int64_t end = std::min(first + c.block_size, queries[i].position + 1);
      const bool is_wanted = first < end && wanted(queries[i], block);
      for (int64_t j = first; is_wanted && j < end; ++j) {
        f(i, j);
      }
    }
  }
}

// Which blocks each query attends to: all up to its own, or the choice of the index branch.
void choose_blocks(const M3Config& c,
                   const Matrix& index_keys,
                   std::vector<Query>& queries,
                   std::vector<double>& gaps) {
  std::vector<std::vector<double>> scores;
  for (Query& query : queries) {
    const auto num_blocks = static_cast<size_t>(query.position / c.block_size + 1);
    query.attends.assign(num_blocks, query.index == nullptr);
    scores.emplace_back(num_blocks, -kInfinity);
  }
  const auto is_sparse = [](const Query& query, int64_t) { return query.index != nullptr; };
  for_each_key(c, queries, is_sparse, [&](size_t i, int64_t j) {
    double& best = scores[i][static_cast<size_t>(j / c.block_size)];
    best = std::max(best, dot(queries[i].index, index_keys.row(j), c.index_dim));
  });
  for (size_t i = 0; i < queries.size(); ++i) {
    if (queries[i].index != nullptr) {
      const BlockChoice choice = select_blocks(scores[i], c.topk_blocks, c.local_blocks);
      double& gap = gaps[static_cast<size_t>(queries[i].position)];
      gap = std::min(gap, choice.gap);
      for (const int64_t block : choice.blocks) {
        queries[i].attends[static_cast<size_t>(block)] = true;
      }
    }
  }
}

// out = softmax(q k / sqrt(head_dim)) v over the keys of the blocks that a query attends to.
void attend(const M3Config& c,
            const M3LayerCache& cache,
            int64_t group,
            std::vector<Query>& queries) {
  const int64_t per_group = c.num_heads / c.num_kv_heads;
  const int64_t dim = c.head_dim;
  const double scale = 1.0 / std::sqrt(static_cast<double>(dim));
  const auto chosen = [](const Query& query, int64_t block) {
    return bool{query.attends[static_cast<size_t>(block)]};
  };
  std::vector<std::vector<std::vector<double>>> p;  // [query][head][key], -inf where not attended
  for (const Query& query : queries) {
    p.emplace_back(static_cast<size_t>(per_group),
                   std::vector<double>(static_cast<size_t>(query.position + 1), -kInfinity));
  }
  for_each_key(c, queries, chosen, [&](size_t i, int64_t j) {
    const double* k = cache.keys.row(j) + group * dim;
    for (int64_t head = 0; head < per_group; ++head) {
      p[i][static_cast<size_t>(head)][static_cast<size_t>(j)] =
          scale * dot(queries[i].q + head * dim, k, dim);
    }
  });
  for (auto& heads : p) {
    std::ranges::for_each(heads, softmax);
  }
  for_each_key(c, queries, chosen, [&](size_t i, int64_t j) {
    const double* v = cache.values.row(j) + group * dim;
    for (int64_t head = 0; head < per_group; ++head) {
      const double weight = p[i][static_cast<size_t>(head)][static_cast<size_t>(j)];
      add_scaled(queries[i].out + head * dim, weight, v, dim);
    }
  });
}

// Attention of the rows `positions` over the whole sequence `h`; fills the cache of the layer.
Matrix attention(const Layer& layer,
                 const Matrix& h,
                 const std::vector<int64_t>& positions,
                 M3LayerCache& cache,
                 std::vector<double>& gaps) {
  const M3Config& c = layer.config;
  std::vector<int64_t> all(static_cast<size_t>(h.rows));
  std::iota(all.begin(), all.end(), 0);
  const Matrix queried = pick_rows(h, positions);
  const int64_t kv_width = c.num_kv_heads * c.head_dim;
  const int64_t q_width = c.num_heads * c.head_dim;

  const Matrix q =
      project_heads(layer, queried, positions, "self_attn.q", {c.num_heads, c.head_dim});
  cache.keys = project_heads(layer, h, all, "self_attn.k", {c.num_kv_heads, c.head_dim});
  cache.values =
      linear(h, layer.get("self_attn.v_proj.weight", kv_width * c.hidden_size), kv_width);
  Matrix index_q;
  if (layer.is_sparse) {
    index_q = project_heads(layer, queried, positions, "self_attn.index_q",
                            {c.num_kv_heads, c.index_dim});
    cache.index_keys = project_heads(layer, h, all, "self_attn.index_k", {1, c.index_dim});
  }

  Matrix context(queried.rows, q_width);
  constexpr int64_t kPass = 16;  // rows that share one pass over the keys
  for (int64_t first = 0; first < queried.rows; first += kPass) {
    for (int64_t group = 0; group < c.num_kv_heads; ++group) {
      const int64_t offset = group * q_width / c.num_kv_heads;
      std::vector<Query> queries;
      for (int64_t i = first; i < std::min(first + kPass, queried.rows); ++i) {
        const double* index = layer.is_sparse ? index_q.row(i) + group * c.index_dim : nullptr;
        queries.push_back({positions[static_cast<size_t>(i)],
                           q.row(i) + offset,
                           index,
                           context.row(i) + offset,
                           {}});
      }
      choose_blocks(c, cache.index_keys, queries, gaps);
      attend(c, cache, group, queries);
    }
  }
  return linear(context, layer.get("self_attn.o_proj.weight", c.hidden_size * q_width),
                c.hidden_size);
}

struct MlpNames {
  std::string gate;
  std::string up;
  std::string down;
};

// down(act(gate x, up x)) of one row.
std::vector<double> mlp(const Layer& layer, const double* x, const MlpNames& names, int64_t width) {
  const M3Config& c = layer.config;
  const int64_t size = width * c.hidden_size;
  std::vector<double> inner = linear(x, layer.get(names.gate, size).data(), c.hidden_size, width);
  const std::vector<double> up = linear(x, layer.get(names.up, size).data(), c.hidden_size, width);
  for (size_t i = 0; i < inner.size(); ++i) {
    inner[i] = swiglu_oai(inner[i], up[i], c.swiglu_alpha, c.swiglu_limit);
  }
  return linear(inner.data(), layer.get(names.down, size).data(), width, c.hidden_size);
}

MlpNames projections(const std::string& prefix) {
  return {prefix + "gate_proj.weight", prefix + "up_proj.weight", prefix + "down_proj.weight"};
}

// Adds the feed-forward part of one row to the residual stream x.
void feed_forward(const Layer& layer, const double* h, double* x, double& gap) {
  const M3Config& c = layer.config;
  if (!layer.is_moe) {
    const std::vector<double> y = mlp(layer, h, projections("mlp."), c.dense_size);
    add_scaled(x, 1.0, y.data(), c.hidden_size);
    return;
  }
  const std::string moe = "block_sparse_moe.";
  const std::vector<double> logits =
      linear(h, layer.get(moe + "gate.weight", c.num_experts * c.hidden_size).data(), c.hidden_size,
             c.num_experts);
  const std::vector<double>& bias = layer.get(moe + "e_score_correction_bias", c.num_experts);
  const Routing routing = route(logits, bias, c.experts_per_token);
  gap = std::min(gap, routing.gap);
  for (size_t j = 0; j < routing.experts.size(); ++j) {
    const std::string expert = moe + "experts." + std::to_string(routing.experts[j]) + ".";
    const MlpNames names{expert + "w1.weight", expert + "w3.weight", expert + "w2.weight"};
    const std::vector<double> y = mlp(layer, h, names, c.expert_size);
    add_scaled(x, c.routed_scaling_factor * routing.weights[j], y.data(), c.hidden_size);
  }
  const std::vector<double> shared =
      mlp(layer, h, projections(moe + "shared_experts."), c.shared_size);
  add_scaled(x, 1.0, shared.data(), c.hidden_size);
}

// Runs one layer for the given positions; returns their residual stream after it.
Matrix run_layer(const Layer& layer,
                 const Matrix& x,
                 const std::vector<int64_t>& positions,
                 M3Output& out) {
  const M3Config& c = layer.config;
  const std::vector<double>& norm_in = layer.get("input_layernorm.weight", c.hidden_size);
  const std::vector<double>& norm_post =
      layer.get("post_attention_layernorm.weight", c.hidden_size);

  out.caches.emplace_back();
  const Matrix attended = attention(layer, gemma_norm(x, norm_in, c.rms_norm_eps), positions,
                                    out.caches.back(), out.block_gaps);
  Matrix residual = pick_rows(x, positions);
  for (int64_t i = 0; i < residual.rows; ++i) {
    add_scaled(residual.row(i), 1.0, attended.row(i), c.hidden_size);
  }
  const Matrix h = gemma_norm(residual, norm_post, c.rms_norm_eps);
  for (int64_t i = 0; i < residual.rows; ++i) {
    const auto t = static_cast<size_t>(positions[static_cast<size_t>(i)]);
    feed_forward(layer, h.row(i), residual.row(i), out.expert_gaps[t]);
  }
  return residual;
}

}  // namespace

M3Output m3_forward(const M3Config& config,
                    const Weights& weights,
                    std::span<const int32_t> tokens,
                    const std::vector<int64_t>& rows) {
  const M3Config& c = config;
  const auto& table =
      tensor(weights, "language_model.model.embed_tokens.weight", c.vocab_size * c.hidden_size);
  Matrix x(std::ssize(tokens), c.hidden_size);
  for (int64_t t = 0; t < x.rows; ++t) {
    std::copy_n(table.data() + tokens[static_cast<size_t>(t)] * c.hidden_size, c.hidden_size,
                x.row(t));
  }
  std::vector<int64_t> all(tokens.size());
  std::iota(all.begin(), all.end(), 0);
  const std::vector<int64_t>& wanted = rows.empty() ? all : rows;

  M3Output out;
  out.block_gaps.assign(tokens.size(), kInfinity);
  out.expert_gaps.assign(tokens.size(), kInfinity);
  for (int64_t l = 0; l < c.num_layers; ++l) {
    const Layer layer{c, weights, layer_prefix(l), c.sparse_layers[static_cast<size_t>(l)] != 0,
                      c.moe_layers[static_cast<size_t>(l)] != 0};
    out.layer_inputs.push_back(x);
    x = run_layer(layer, x, l + 1 == c.num_layers ? wanted : all, out);
  }
  const auto& norm = tensor(weights, "language_model.model.norm.weight", c.hidden_size);
  const auto& head = tensor(weights, "language_model.lm_head.weight", c.vocab_size * c.hidden_size);
  out.logits = linear(gemma_norm(x, norm, c.rms_norm_eps), head, c.vocab_size);
  return out;
}

double swiglu_oai(double gate, double up, double alpha, double limit) {
  const double g = std::min(gate, limit);
  const double u = std::clamp(up, -limit, limit);
  return (u + 1.0) * g * sigmoid(alpha * g);
}

Routing route(std::span<const double> router_logits, std::span<const double> bias, int64_t top_k) {
  std::vector<double> scores(router_logits.size());
  std::vector<double> ranked(router_logits.size());
  for (size_t e = 0; e < scores.size(); ++e) {
    scores[e] = sigmoid(router_logits[e]);
    ranked[e] = scores[e] + bias[e];
  }
  std::vector<int64_t> order(scores.size());
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(), [&](int64_t a, int64_t b) {
    return ranked[static_cast<size_t>(a)] > ranked[static_cast<size_t>(b)];
  });

  Routing routing;
  routing.experts.assign(order.begin(), order.begin() + top_k);
  double sum = 0.0;
  for (const int64_t e : routing.experts) {
    routing.weights.push_back(scores[static_cast<size_t>(e)]);
    sum += routing.weights.back();
  }
  for (double& w : routing.weights) {
    w /= sum;
  }
  const auto k = static_cast<size_t>(top_k);
  routing.gap = k < order.size() ? ranked[static_cast<size_t>(order[k - 1])] -
                                       ranked[static_cast<size_t>(order[k])]
                                 : kInfinity;
  return routing;
}

BlockChoice select_blocks(std::span<const double> scores, int64_t top_k, int64_t local) {
  std::vector<double> ranked(scores.size());
  for (size_t b = 0; b < scores.size(); ++b) {
    const bool forced = std::ssize(scores) - static_cast<int64_t>(b) <= local;
    ranked[b] = forced ? kInfinity : (std::isnan(scores[b]) ? -kInfinity : scores[b]);
  }
  std::vector<int64_t> order(scores.size());
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(), [&](int64_t a, int64_t b) {
    return ranked[static_cast<size_t>(a)] > ranked[static_cast<size_t>(b)];
  });

  BlockChoice choice;
  const auto k = static_cast<size_t>(std::min(top_k, std::ssize(scores)));
  choice.gap = k < order.size() ? ranked[static_cast<size_t>(order[k - 1])] -
                                      ranked[static_cast<size_t>(order[k])]
                                : kInfinity;
  choice.blocks.assign(order.begin(), order.begin() + static_cast<int64_t>(k));
  std::sort(choice.blocks.begin(), choice.blocks.end());
  return choice;
}

}  // namespace talon::oracle
