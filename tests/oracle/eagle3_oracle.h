// The EAGLE-3 Llama head in plain double precision: the judge of the drafter. It shares no code
// with src/ and includes the standard library only.
//
// Position p of the head's cache holds the row made from the tap of position p and token p + 1;
// that row predicts token p + 2. `extend` writes such true rows, `step` appends chain rows made
// from the head's own hidden state. The head refers to config and weights, which must outlive it.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "oracle/m3_oracle.h"
#include "oracle/matrix.h"

namespace talon::oracle {

struct Eagle3Config {
  int64_t vocab_size = 0;        // ids of token inputs, the target's
  int64_t draft_vocab_size = 0;  // rows of lm_head.weight
  int64_t hidden_size = 0;
  int64_t target_hidden_size = 0;  // width of one tap
  int64_t intermediate_size = 0;
  int64_t num_heads = 0;
  int64_t num_kv_heads = 0;
  int64_t head_dim = 0;
  double rope_theta = 10000.0;
  double rms_norm_eps = 1e-6;
  std::vector<int64_t> tap_layers;  // tap l = the residual stream entering target layer l
  bool fc_norm = true;              // an own norm for each tap before fc
  bool norm_output = true;          // the carried hidden is the one after the final norm
  bool norm_before_residual = false;
};

// Weights by canonical names: "layers.0." for the layer (canonical_names maps "midlayer."),
// "embed_tokens.weight", "lm_head.weight", "fc.weight", "fc_norm.0.weight", ..., "norm.weight".
struct Eagle3Weights {
  Weights tensors;
  std::vector<int64_t> d2t;  // target id = draft id + d2t[draft id]; empty: the same
};

// Renames "midlayer." to "layers.0." and takes a missing embedding or head from the target's
// tensors.
void canonical_names(Weights& head, const Weights& target);

// Keys after rope and values, one row per position, [kv_heads * head_dim].
struct Eagle3Cache {
  std::vector<std::vector<double>> keys;
  std::vector<std::vector<double>> values;

  int64_t size() const { return std::ssize(keys); }
  void truncate(int64_t length);
};

class Eagle3Head {
 public:
  Eagle3Head(const Eagle3Config& config, const Eagle3Weights& weights);

  // fc over the (normed) taps of one position: the concatenation of all taps in layer order.
  std::vector<double> combine(const std::vector<double>& taps) const;

  // One row at position cache.size(): appends its key and value, attends to everything before and
  // itself, and returns the hidden state to carry on.
  std::vector<double> step(Eagle3Cache& cache,
                           int32_t token,
                           const std::vector<double>& hidden) const;

  // True rows for positions cache.size() .. cache.size() + next_tokens.size() - 1: row i takes
  // taps[i] and next_tokens[i], the token that follows its position. Returns each row's hidden.
  std::vector<std::vector<double>> extend(Eagle3Cache& cache,
                                          const std::vector<std::vector<double>>& taps,
                                          std::span<const int32_t> next_tokens) const;

  // The draft vocabulary's logits of a carried hidden state.
  std::vector<double> logits(const std::vector<double>& hidden) const;

  // The greedy draft as an id of the target's vocabulary, ties to the lowest. `allowed` is indexed
  // by target id; empty allows all.
  int32_t draft(const std::vector<double>& hidden, const std::vector<bool>& allowed = {}) const;

  // K greedy drafts after a row whose hidden is given; the chain rows stay in `cache`.
  std::vector<int32_t> chain(Eagle3Cache& cache,
                             std::vector<double> hidden,
                             int64_t num_drafts,
                             const std::vector<bool>& allowed = {}) const;

 private:
  const std::vector<double>& get(const std::string& name, int64_t size) const;
  std::vector<double> norm(const std::vector<double>& x, const std::string& name) const;
  std::vector<double> product(const std::vector<double>& x,
                              const std::string& name,
                              int64_t out) const;
  std::vector<double> attend(const Eagle3Cache& cache, const std::vector<double>& q) const;
  void rotate(std::vector<double>& heads, int64_t position) const;

  const Eagle3Config& config_;
  const Eagle3Weights& weights_;
};

// The concatenated taps of each position, from a target's forward pass.
std::vector<std::vector<double>> gather_taps(const M3Output& target,
                                             const std::vector<int64_t>& tap_layers);

// What the drafter's cache must hold for positions [0, kv_len), computed from nothing.
Eagle3Cache recompute_cache(const Eagle3Head& head,
                            const std::vector<std::vector<double>>& taps,
                            std::span<const int32_t> tokens,
                            int64_t kv_len);

}  // namespace talon::oracle
