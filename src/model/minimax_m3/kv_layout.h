// The KV planes of a MiniMax-M3 on one rank: key and value of every layer, with scales if they are
// e4m3, and the index key of the sparse ones (one head, cached after norm and rope).
#pragma once

#include "kv/kv_layout.h"
#include "model/minimax_m3/config.h"

namespace talon {

inline KvLayout m3_kv_layout(const M3Config& config, DType activation, KvFormat format = {}) {
  KvLayout layout;
  for (int32_t layer = 0; layer < config.num_layers; ++layer) {
    Plane plane{.owner = PlaneOwner::kTarget,
                .layer = LayerIndex{layer},
                .kind = PlaneKind::kKey,
                .num_heads = config.num_kv_heads,
                .head_dim = config.head_dim,
                .dtype = format.fp8_kv ? DType::kF8E4M3 : activation};
    layout.add_keys_and_values(plane);
    if (config.is_sparse[static_cast<size_t>(layer)]) {
      plane.kind = PlaneKind::kIndexKey;
      plane.num_heads = 1;
      plane.head_dim = config.index_dim;
      plane.dtype = format.fp8_index ? DType::kF8E4M3 : activation;
      layout.planes.push_back(plane);
    }
  }
  return layout;
}

}  // namespace talon
