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
enum class PlaneKind : uint8_t { kKey, kValue, kIndexKey };

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
  }
  return "?";
}

}  // namespace talon
