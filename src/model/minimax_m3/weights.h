// The weights of a MiniMax-M3 text model on one rank, in the layouts of its device. Owns the
// packed copies; norm gains, the router and the embedding are copied too, so the checkpoint may be
// unmapped afterwards. Move-only; read-only once loaded.
#pragma once

#include <vector>

#include "core/buffer.h"
#include "core/tensor_view.h"
#include "model/checkpoint.h"
#include "model/minimax_m3/config.h"
#include "model/online_quant.h"
#include "ops/moe_experts.h"
#include "ops/pack.h"

namespace talon {

struct M3AttentionWeights {
  // Rows [q ; k ; v], and [ ; index_q ; index_k] on a sparse layer, so that one product feeds
  // `qkv_norm_rope_append`. All parts of a layer must have one format.
  PackedWeight qkv;
  PackedWeight output;           // [C, H * D]
  ConstTensorView q_gain;        // [D] bf16
  ConstTensorView k_gain;        // [D]
  ConstTensorView index_q_gain;  // [D_i]; empty on a dense layer
  ConstTensorView index_k_gain;  // [D_i]
};

struct M3DenseMlpWeights {
  PackedWeight gate_up;  // [2 W, C], rows [gate ; up]
  PackedWeight down;     // [C, W]
};

struct M3MoeWeights {
  ConstTensorView gate;                // [E, C] f32
  ConstTensorView bias;                // [E] f32
  std::vector<PackedWeight> gate_ups;  // [E] of [2 W, C]; on a GPU one of [E * 2 W, C]
  std::vector<PackedWeight> downs;     // [E] of [C, W]; on a GPU one of [E * C, W]
  PackedWeight shared_gate_up;
  PackedWeight shared_down;
  std::vector<ops::Expert> experts;  // [E] views into the packed weights above
  ops::Expert shared;
};

struct M3LayerWeights {
  ConstTensorView input_gain;  // [C] bf16
  ConstTensorView post_gain;   // [C]
  M3AttentionWeights attention;
  M3DenseMlpWeights mlp;  // where !is_moe[layer]
  M3MoeWeights moe;       // where is_moe[layer]
};

struct M3Weights {
  std::vector<Buffer> storage;  // what the ConstTensorViews here show
  ConstTensorView embedding;    // [V, C] bf16
  std::vector<M3LayerWeights> layers;
  ConstTensorView final_gain;  // [C]
  PackedWeight head;           // [V, C]
};

// Throws Error naming file and tensor: missing, wrong shape or dtype, unknown format. Onto the
// uploader's device, or without one onto the CPU. bf16 weights are quantised as `quant` says.
M3Weights load_m3_weights(const Checkpoint& checkpoint,
                          const M3Config& config,
                          Uploader* uploader = nullptr,
                          const OnlineQuantConfig& quant = {});

}  // namespace talon
