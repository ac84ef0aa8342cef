// What one KV page holds: a list of planes, each the cached rows of one layer of the target or of
// the drafter. A value. Every plane of a page is addressed by the same page id, so a prefix hit,
// a rollback, a preemption or a handoff carries the drafter's and the indexer's rows with it.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "base/ids.h"
#include "core/dtype.h"

namespace talon {

enum class PlaneOwner : uint8_t { kTarget, kDrafter };
// A scale plane holds one f32 for each head of its key or value plane, where that is of e4m3.
enum class PlaneKind : uint8_t { kKey, kValue, kIndexKey, kKeyScale, kValueScale };

// What is cached as e4m3 and not in the type of the activations: keys and values with scales, index
// keys without.
struct KvFormat {
  bool fp8_kv = false;
  bool fp8_index = false;
};

struct Plane {
  PlaneOwner owner = PlaneOwner::kTarget;
  LayerIndex layer{};
  PlaneKind kind = PlaneKind::kKey;
  int32_t num_heads = 0;  // on this rank
  int32_t head_dim = 0;
  DType dtype = DType::kBf16;

  int64_t bytes_per_token() const { return int64_t{num_heads} * head_dim * dtype_bytes(dtype); }
  friend bool operator==(const Plane&, const Plane&) = default;
};

struct KvLayout {
  std::vector<Plane> planes;

  int64_t bytes_per_token() const {
    int64_t sum = 0;
    for (const Plane& plane : planes) {
      sum += plane.bytes_per_token();
    }
    return sum;
  }
  int64_t bytes_per_page() const { return bytes_per_token() * kPageTokens; }

  // Keys and values of a layer: `key` says all but the kinds. e4m3 brings the planes of scales.
  void add_keys_and_values(Plane key) {
    for (const PlaneKind kind : {PlaneKind::kKey, PlaneKind::kValue}) {
      key.kind = kind;
      planes.push_back(key);
    }
    if (key.dtype != DType::kF8E4M3) {
      return;
    }
    key.head_dim = 1;
    key.dtype = DType::kF32;
    for (const PlaneKind kind : {PlaneKind::kKeyScale, PlaneKind::kValueScale}) {
      key.kind = kind;
      planes.push_back(key);
    }
  }

  // The planes of both, in this order: one page then serves target and drafter.
  void append(const KvLayout& other) {
    planes.insert(planes.end(), other.planes.begin(), other.planes.end());
  }
  friend bool operator==(const KvLayout&, const KvLayout&) = default;
};

constexpr std::string_view plane_kind_name(PlaneKind kind) {
  switch (kind) {
    case PlaneKind::kKey:
      return "key";
    case PlaneKind::kValue:
      return "value";
    case PlaneKind::kIndexKey:
      return "index_key";
    case PlaneKind::kKeyScale:
      return "key_scale";
    case PlaneKind::kValueScale:
      return "value_scale";
  }
  return "?";
}

}  // namespace talon
