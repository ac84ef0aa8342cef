// The KV planes of an EAGLE-3 head on one rank: key and value of its one layer.
#pragma once

#include "kv/kv_layout.h"
#include "model/eagle3/config.h"

namespace talon {

inline KvLayout eagle3_kv_layout(const Eagle3Config& config, DType dtype) {
  KvLayout layout;
  for (const PlaneKind kind : {PlaneKind::kKey, PlaneKind::kValue}) {
    layout.planes.push_back({.owner = PlaneOwner::kDrafter,
                             .layer = LayerIndex{0},
                             .kind = kind,
                             .num_heads = config.num_kv_heads,
                             .head_dim = config.head_dim,
                             .dtype = dtype});
  }
  return layout;
}

}  // namespace talon
