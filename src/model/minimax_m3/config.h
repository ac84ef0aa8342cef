// The numbers of a MiniMax-M3 checkpoint that the text model computes with, read from its nested
// config.json and checked against what this code implements (spec/minimax_m3.md 1). A value; its
// invariants hold once `parse_m3_config` returned it.
//
// A key that changes the computation and has a value nothing here implements is a failure naming
// the key; a bookkeeping key is ignored; any other key is reported in `unknown_keys` (the caller
// warns, or fails under --strict-config).
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "ops/gated_activation.h"

namespace talon {

struct M3Config {
  int32_t num_layers = 0;
  int32_t hidden_size = 0;   // C
  int32_t num_heads = 0;     // H
  int32_t num_kv_heads = 0;  // G
  int32_t head_dim = 0;      // D
  int32_t rotary_dim = 0;    // R <= D, even
  double rope_theta = 0.0;
  int32_t vocab_size = 0;  // V
  int32_t max_positions = 0;
  float rms_norm_eps = 0.0F;
  ops::Activation activation;  // SwiGLU-OAI with the file's alpha and limit

  std::vector<bool> is_moe;       // [L] moe_layer_freq
  std::vector<bool> is_sparse;    // [L] sparse_attention_freq
  int32_t dense_width = 0;        // dense_intermediate_size
  int32_t num_experts = 0;        // E
  int32_t experts_per_token = 0;  // M
  int32_t expert_width = 0;       // intermediate_size
  int32_t shared_width = 0;       // 0: no shared expert
  float routed_scaling_factor = 1.0F;

  int32_t num_index_heads = 0;  // I, equal to num_kv_heads where a layer is sparse
  int32_t index_dim = 0;        // D_i >= rotary_dim
  int32_t topk_blocks = 0;
  int32_t num_local_blocks = 0;  // sparse_block_size itself must be kPageTokens

  std::vector<int32_t> eos_token_ids;  // config.json or generation_config.json, may be empty here
  std::string quant_method;            // of quantization_config, "" without; tensors decide
  std::vector<std::string> unknown_keys;
};

// Parses the text of config.json (untrusted). The message of a failure names the key.
Result<M3Config> parse_m3_config(std::string_view json_text);

}  // namespace talon
