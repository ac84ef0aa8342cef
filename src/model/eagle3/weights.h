// The weights of an EAGLE-3 head on one rank, packed for the kernels of its device. The embedding
// and the head may be absent from the file or byte-equal to the target's; both are then aliases of
// the target's memory, which must outlive this. Move-only; read-only once loaded.
#pragma once

#include <filesystem>
#include <vector>

#include "core/buffer.h"
#include "core/tensor_view.h"
#include "model/checkpoint.h"
#include "model/eagle3/config.h"
#include "model/model.h"
#include "ops/pack.h"

namespace talon {

struct Eagle3Weights {
  std::vector<Buffer> storage;  // what the ConstTensorViews here show
  ConstTensorView embedding;    // [V, C] bf16; own or the target's
  bool embedding_is_aliased = false;
  ConstTensorView fc_gains;     // [A, C_t] bf16; empty without fc_norm
  PackedWeight fc;              // [C, A * C_t]
  ConstTensorView input_gain;   // [C] of the embedding half (input_layernorm)
  ConstTensorView hidden_gain;  // [C] of the feature half (hidden_norm)
  ConstTensorView post_gain;    // [C] post_attention_layernorm
  ConstTensorView final_gain;   // [C] norm
  PackedWeight qkv;             // rows [q ; k ; v], [.., 2 C]
  PackedWeight output;          // [C, H * D]
  PackedWeight gate_up;         // [2 I, C]
  PackedWeight down;            // [C, I]
  PackedWeight own_head;        // [V_d, C]; empty if aliased
  Weight head;                  // own_head or the target's head
  bool head_is_aliased = false;
  std::vector<int32_t> draft_to_target;  // [V_d] target id of a draft id; empty: identity
  std::vector<int32_t> taps;             // ascending layers of the target, config's or the default
};

// The config's taps, or with a warning the default ones. Throws Error if they do not fit a target
// of that many layers; `folder` is for the message.
std::vector<int32_t> settle_taps(const std::filesystem::path& folder,
                                 const Eagle3Config& config,
                                 int32_t num_target_layers);

// Accepts both tensor-name layouts (`midlayer.` and `layers.0.`). Throws Error naming file and
// tensor, or the field of the config that does not fit the target (hidden size, vocabulary, taps).
// Onto the uploader's device, which is the target's, or without one onto the CPU.
Eagle3Weights load_eagle3_weights(const Checkpoint& checkpoint,
                                  const Eagle3Config& config,
                                  const Model& target,
                                  Uploader* uploader = nullptr);

}  // namespace talon
