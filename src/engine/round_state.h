// The device's memory of running sequences: one slot each. A round reads lengths, tokens and pages
// from here, not from the host, and writes them back, so that a replayed round needs no fresh host
// value. Only ops touch it (ops/round_slots.h). Owned by a runner; `kv_len == n - 1` holds between
// rounds as in engine/sequence.h.
#pragma once

#include <cstdint>

#include "core/buffer.h"
#include "core/tensor_view.h"
#include "ops/round_slots.h"

namespace talon {

class RoundState {
 public:
  // max_drafts may be 0. All slots start empty: lengths 0, tables null.
  RoundState(int32_t num_slots, int32_t max_drafts, int32_t max_pages, Device device)
      : num_slots_(num_slots),
        max_drafts_(max_drafts),
        max_pages_(max_pages),
        buffer_(Buffer::zeroed(int64_t{4} * num_slots * (3 + max_drafts + max_pages), device)) {}

  int32_t num_slots() const { return num_slots_; }
  int32_t max_drafts() const { return max_drafts_; }
  int32_t max_pages() const { return max_pages_; }
  Device device() const { return buffer_.device(); }

  ops::SlotState views() const {
    return {
        .kv_len = column(0),
        .pending = column(1),
        .num_drafts = column(2),
        .drafts = view(int64_t{3} * num_slots_, Shape{num_slots_, max_drafts_}),
        .page_table = view(int64_t{3 + max_drafts_} * num_slots_, Shape{num_slots_, max_pages_})};
  }

 private:
  TensorView column(int64_t index) const { return view(index * num_slots_, Shape{num_slots_}); }
  TensorView view(int64_t first, const Shape& shape) const {
    return TensorView(buffer_.data() + first * 4, DType::kI32, shape, buffer_.device());
  }

  int32_t num_slots_;
  int32_t max_drafts_;
  int32_t max_pages_;
  Buffer buffer_;
};

}  // namespace talon
