// The KV planes of a MiniMax-M3 on one rank: key and value of every layer, and the index key of the
// sparse ones (one head, cached after norm and rope).
#pragma once

#include "kv/kv_layout.h"
#include "model/minimax_m3/config.h"

namespace talon {

inline KvLayout m3_kv_layout(const M3Config& config, DType dtype) {
  KvLayout layout;
  for (int32_t layer = 0; layer < config.num_layers; ++layer) {
    const auto add = [&](PlaneKind kind, int32_t num_heads, int32_t head_dim) {
      layout.planes.push_back({.owner = PlaneOwner::kTarget,
                               .layer = LayerIndex{layer},
                               .kind = kind,
                               .num_heads = num_heads,
                               .head_dim = head_dim,
                               .dtype = dtype});
    };
    add(PlaneKind::kKey, config.num_kv_heads, config.head_dim);
    add(PlaneKind::kValue, config.num_kv_heads, config.head_dim);
    if (config.is_sparse[static_cast<size_t>(layer)]) {
      add(PlaneKind::kIndexKey, 1, config.index_dim);
    }
  }
  return layout;
}

}  // namespace talon
