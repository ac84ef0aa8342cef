#include "kv/kv_store.h"

#include "base/check.h"
#include "base/checked_int.h"
#include "core/copy.h"

namespace talon {
namespace {

constexpr int64_t kPlaneAlignment = 64;

int64_t plane_bytes(const Plane& plane, int32_t num_pages) {
  return round_up(plane.bytes_per_token() * kPageTokens * num_pages, kPlaneAlignment);
}

int64_t total_bytes(const KvLayout& layout, int32_t num_pages) {
  int64_t sum = 0;
  for (const Plane& plane : layout.planes) {
    sum += plane_bytes(plane, num_pages);
  }
  return sum;
}

}  // namespace

KvStore::KvStore(const KvLayout& layout, int32_t num_pages, Device device)
    : layout_(layout),
      num_pages_(num_pages),
      buffer_(Buffer::zeroed(total_bytes(layout, num_pages), device)) {
  TALON_CHECK(num_pages >= 2, "{} pages hold nothing beside the null page", num_pages);
  int64_t offset = 0;
  for (const Plane& plane : layout_.planes) {
    offsets_.push_back(offset);
    offset += plane_bytes(plane, num_pages);
  }
}

TensorView KvStore::plane(PlaneOwner owner, LayerIndex layer, PlaneKind kind) const {
  for (size_t i = 0; i < layout_.planes.size(); ++i) {
    const Plane& plane = layout_.planes[i];
    if (plane.owner == owner && plane.layer == layer && plane.kind == kind) {
      return TensorView(buffer_.data() + offsets_[i], plane.dtype,
                        Shape{num_pages_, kPageTokens, plane.num_heads, plane.head_dim},
                        buffer_.device());
    }
  }
  TALON_CHECK(false, "no {} plane for layer {}", plane_kind_name(kind), layer.value);
  return {};
}

KvStore::Attended KvStore::attended(PlaneOwner owner, LayerIndex layer) const {
  Attended planes{.keys = plane(owner, layer, PlaneKind::kKey),
                  .values = plane(owner, layer, PlaneKind::kValue),
                  .key_scales = {},
                  .value_scales = {}};
  if (planes.keys.dtype() == DType::kF8E4M3) {
    planes.key_scales = plane(owner, layer, PlaneKind::kKeyScale);
    planes.value_scales = plane(owner, layer, PlaneKind::kValueScale);
  }
  return planes;
}

void KvStore::copy_page(Stream stream, PageId from, PageId to) {
  TALON_CHECK(from.value > 0 && from.value < num_pages_, "page {}", from.value);
  TALON_CHECK(to.value > 0 && to.value < num_pages_ && to != from, "page {}", to.value);
  for (size_t i = 0; i < layout_.planes.size(); ++i) {
    const int64_t bytes = layout_.planes[i].bytes_per_token() * kPageTokens;
    std::byte* base = buffer_.data() + offsets_[i];
    copy_bytes(stream, base + to.value * bytes, base + from.value * bytes, bytes);
  }
}

}  // namespace talon
