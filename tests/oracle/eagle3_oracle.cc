#include "oracle/eagle3_oracle.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace talon::oracle {
namespace {

const std::string kLayer = "layers.0.";

double silu(double x) { return x * sigmoid(x); }

std::vector<double> sum_of(const std::vector<double>& a, const std::vector<double>& b) {
  std::vector<double> sum = a;
  add_scaled(sum.data(), 1.0, b.data(), std::ssize(sum));
  return sum;
}

}  // namespace

void canonical_names(Weights& head, const Weights& target) {
  const std::string old_prefix = "midlayer.";
  Weights renamed;
  for (auto& [name, values] : head) {
    const bool is_old = name.starts_with(old_prefix);
    renamed[is_old ? kLayer + name.substr(old_prefix.size()) : name] = std::move(values);
  }
  head = std::move(renamed);
  const auto alias = [&](const std::string& name, const std::string& target_name) {
    if (!head.contains(name) && target.contains(target_name)) {
      head[name] = target.at(target_name);
    }
  };
  alias("embed_tokens.weight", "language_model.model.embed_tokens.weight");
  alias("lm_head.weight", "language_model.lm_head.weight");
}

void Eagle3Cache::truncate(int64_t length) {
  keys.resize(static_cast<size_t>(length));
  values.resize(static_cast<size_t>(length));
}

Eagle3Head::Eagle3Head(const Eagle3Config& config, const Eagle3Weights& weights)
    : config_(config), weights_(weights) {}

const std::vector<double>& Eagle3Head::get(const std::string& name, int64_t size) const {
  return tensor(weights_.tensors, name, size);
}

std::vector<double> Eagle3Head::norm(const std::vector<double>& x, const std::string& name) const {
  std::vector<double> y(x.size());
  rms_norm(y.data(), x, get(name, std::ssize(x)).data(), config_.rms_norm_eps, 0.0);
  return y;
}

std::vector<double> Eagle3Head::product(const std::vector<double>& x,
                                        const std::string& name,
                                        int64_t out) const {
  const int64_t in = std::ssize(x);
  return linear(x.data(), get(name, in * out).data(), in, out);
}

std::vector<double> Eagle3Head::combine(const std::vector<double>& taps) const {
  const int64_t width = config_.target_hidden_size;
  std::vector<double> input = taps;
  if (config_.fc_norm) {
    for (size_t i = 0; i < config_.tap_layers.size(); ++i) {
      const auto first = taps.begin() + static_cast<int64_t>(i) * width;
      const std::vector<double> tap(first, first + width);
      const std::vector<double> normed = norm(tap, "fc_norm." + std::to_string(i) + ".weight");
      std::copy(normed.begin(), normed.end(), input.begin() + static_cast<int64_t>(i) * width);
    }
  }
  return product(input, "fc.weight", config_.hidden_size);
}

void Eagle3Head::rotate(std::vector<double>& heads, int64_t position) const {
  for (int64_t at = 0; at < std::ssize(heads); at += config_.head_dim) {
    rope(heads.data() + at, position, config_.head_dim, config_.rope_theta);
  }
}

std::vector<double> Eagle3Head::attend(const Eagle3Cache& cache,
                                       const std::vector<double>& q) const {
  const int64_t dim = config_.head_dim;
  const int64_t per_group = config_.num_heads / config_.num_kv_heads;
  const double scale = 1.0 / std::sqrt(static_cast<double>(dim));
  std::vector<double> out(q.size(), 0.0);
  for (int64_t head = 0; head < config_.num_heads; ++head) {
    const int64_t kv_offset = head / per_group * dim;
    std::vector<double> p;
    for (const std::vector<double>& key : cache.keys) {
      p.push_back(scale * dot(q.data() + head * dim, key.data() + kv_offset, dim));
    }
    softmax(p);
    for (size_t j = 0; j < p.size(); ++j) {
      add_scaled(out.data() + head * dim, p[j], cache.values[j].data() + kv_offset, dim);
    }
  }
  return out;
}

std::vector<double> Eagle3Head::step(Eagle3Cache& cache,
                                     int32_t token,
                                     const std::vector<double>& hidden) const {
  const Eagle3Config& c = config_;
  const auto& table = get("embed_tokens.weight", c.vocab_size * c.hidden_size);
  const auto first = table.begin() + token * c.hidden_size;
  const std::vector<double> embedded(first, first + c.hidden_size);

  const std::vector<double> normed_hidden = norm(hidden, kLayer + "hidden_norm.weight");
  std::vector<double> z = norm(embedded, kLayer + "input_layernorm.weight");
  z.insert(z.end(), normed_hidden.begin(), normed_hidden.end());

  const int64_t position = cache.size();
  const std::string attn = kLayer + "self_attn.";
  std::vector<double> q = product(z, attn + "q_proj.weight", c.num_heads * c.head_dim);
  std::vector<double> k = product(z, attn + "k_proj.weight", c.num_kv_heads * c.head_dim);
  rotate(q, position);
  rotate(k, position);
  cache.keys.push_back(k);
  cache.values.push_back(product(z, attn + "v_proj.weight", c.num_kv_heads * c.head_dim));
  const std::vector<double> attended =
      product(attend(cache, q), attn + "o_proj.weight", c.hidden_size);

  const std::vector<double> residual =
      sum_of(c.norm_before_residual ? normed_hidden : hidden, attended);
  const std::vector<double> y = norm(residual, kLayer + "post_attention_layernorm.weight");
  std::vector<double> inner = product(y, kLayer + "mlp.gate_proj.weight", c.intermediate_size);
  const std::vector<double> up = product(y, kLayer + "mlp.up_proj.weight", c.intermediate_size);
  for (size_t i = 0; i < inner.size(); ++i) {
    inner[i] = silu(inner[i]) * up[i];
  }
  const std::vector<double> out =
      sum_of(residual, product(inner, kLayer + "mlp.down_proj.weight", c.hidden_size));
  return c.norm_output ? norm(out, "norm.weight") : out;
}

std::vector<std::vector<double>> Eagle3Head::extend(Eagle3Cache& cache,
                                                    const std::vector<std::vector<double>>& taps,
                                                    std::span<const int32_t> next_tokens) const {
  std::vector<std::vector<double>> hidden;
  for (size_t i = 0; i < next_tokens.size(); ++i) {
    hidden.push_back(step(cache, next_tokens[i], combine(taps[i])));
  }
  return hidden;
}

std::vector<double> Eagle3Head::logits(const std::vector<double>& hidden) const {
  const std::vector<double> x = config_.norm_output ? hidden : norm(hidden, "norm.weight");
  return product(x, "lm_head.weight", config_.draft_vocab_size);
}

int32_t Eagle3Head::draft(const std::vector<double>& hidden,
                          const std::vector<bool>& allowed) const {
  std::vector<double> values = logits(hidden);
  const auto target_id = [&](size_t id) {
    return static_cast<int64_t>(id) + (weights_.d2t.empty() ? 0 : weights_.d2t[id]);
  };
  for (size_t id = 0; id < values.size(); ++id) {
    if (!allowed.empty() && !allowed[static_cast<size_t>(target_id(id))]) {
      values[id] = -std::numeric_limits<double>::infinity();
    }
  }
  return static_cast<int32_t>(target_id(static_cast<size_t>(argmax(values))));
}

std::vector<int32_t> Eagle3Head::chain(Eagle3Cache& cache,
                                       std::vector<double> hidden,
                                       int64_t num_drafts,
                                       const std::vector<bool>& allowed) const {
  std::vector<int32_t> drafts;
  while (std::ssize(drafts) < num_drafts) {
    if (!drafts.empty()) {
      hidden = step(cache, drafts.back(), hidden);
    }
    drafts.push_back(draft(hidden, allowed));
  }
  return drafts;
}

std::vector<std::vector<double>> gather_taps(const M3Output& target,
                                             const std::vector<int64_t>& tap_layers) {
  std::vector<std::vector<double>> taps(
      static_cast<size_t>(target.layer_inputs.empty() ? 0 : target.layer_inputs[0].rows));
  for (const int64_t layer : tap_layers) {
    const Matrix& x = target.layer_inputs.at(static_cast<size_t>(layer));
    for (size_t t = 0; t < taps.size(); ++t) {
      const double* row = x.row(static_cast<int64_t>(t));
      taps[t].insert(taps[t].end(), row, row + x.cols);
    }
  }
  return taps;
}

Eagle3Cache recompute_cache(const Eagle3Head& head,
                            const std::vector<std::vector<double>>& taps,
                            std::span<const int32_t> tokens,
                            int64_t kv_len) {
  Eagle3Cache cache;
  head.extend(cache, taps, tokens.subspan(1, static_cast<size_t>(kv_len)));
  return cache;
}

}  // namespace talon::oracle
