// The numbers of an EAGLE-3 Llama-style head, read from its config.json (spec/eagle3.md 14.2). A
// value. Keys are treated as in model/minimax_m3/config.h.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace talon {

struct Eagle3Config {
  int32_t hidden_size = 0;         // C of the head
  int32_t target_hidden_size = 0;  // width of a tap
  int32_t intermediate_size = 0;
  int32_t num_heads = 0;
  int32_t num_kv_heads = 0;
  int32_t head_dim = 0;
  double rope_theta = 10000.0;
  int32_t max_positions = 0;
  float rms_norm_eps = 0.0F;
  int32_t vocab_size = 0;        // of the embedding, the target's
  int32_t draft_vocab_size = 0;  // rows of the head
  bool fc_norm = false;          // an RMS norm per tap before fc
  bool norm_output = false;      // carry the post-norm feature
  bool norm_before_residual = false;
  std::vector<int32_t> taps;  // ascending, repeats allowed; empty: not stated (the loader
                              //   warns and takes 2, n/2, n-3 of the target)
  int32_t num_taps = 3;       // A
  std::vector<std::string> unknown_keys;
};

Result<Eagle3Config> parse_eagle3_config(std::string_view json_text);

// Taps (2, n/2, n-3) of a target of n layers: the default of the EAGLE-3 reference.
std::vector<int32_t> default_taps(int32_t num_target_layers);

}  // namespace talon
