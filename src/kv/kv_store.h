// One rank's KV memory: the bytes of all pages of all planes, taken once at start-up. It knows no
// page ids in use; PagePool does. Views die with the store.
#pragma once

#include <cstdint>
#include <vector>

#include "core/buffer.h"
#include "core/stream.h"
#include "core/tensor_view.h"
#include "kv/kv_layout.h"

namespace talon {

class KvStore {
 public:
  // num_pages counts the null page 0. Memory is zeroed.
  KvStore(const KvLayout& layout, int32_t num_pages, Device device = kCpuDevice);

  const KvLayout& layout() const { return layout_; }
  int32_t num_pages() const { return num_pages_; }
  int64_t num_bytes() const { return buffer_.num_bytes(); }

  // [pages, 128, heads, dim]; the plane must be in the layout.
  TensorView plane(PlaneOwner owner, LayerIndex layer, PlaneKind kind) const;

  // Keys and values of a layer with the scales of each, which are empty beside other types than
  // e4m3.
  struct Attended {
    TensorView keys;
    TensorView values;
    TensorView key_scales;    // [pages, 128, heads, 1]
    TensorView value_scales;  // [pages, 128, heads, 1]
  };
  Attended attended(PlaneOwner owner, LayerIndex layer) const;

  // Copies all planes of page `from` to page `to`, in the order of the stream; both allocated.
  void copy_page(Stream stream, PageId from, PageId to);

 private:
  KvLayout layout_;
  int32_t num_pages_;
  std::vector<int64_t> offsets_;  // of each plane, in bytes
  Buffer buffer_;
};

}  // namespace talon
