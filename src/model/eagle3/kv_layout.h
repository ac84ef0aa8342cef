// The KV planes of an EAGLE-3 head on one rank: key and value of its one layer, with scales if they
// are e4m3.
#pragma once

#include "kv/kv_layout.h"
#include "model/eagle3/config.h"

namespace talon {

inline KvLayout eagle3_kv_layout(const Eagle3Config& config,
                                 DType activation,
                                 KvFormat format = {}) {
  KvLayout layout;
  layout.add_keys_and_values({.owner = PlaneOwner::kDrafter,
                              .layer = LayerIndex{0},
                              .kind = PlaneKind::kKey,
                              .num_heads = config.num_kv_heads,
                              .head_dim = config.head_dim,
                              .dtype = format.fp8_kv ? DType::kF8E4M3 : activation});
  return layout;
}

}  // namespace talon
