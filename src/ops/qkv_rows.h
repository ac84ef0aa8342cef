// The walk over the heads of a row that both CPU forms of qkv_norm_rope_append share: which head
// of the projection goes where, under which gain.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>

#include "base/check.h"
#include "base/ids.h"
#include "core/dtype.h"
#include "core/e4m3.h"
#include "core/tensor_view.h"
#include "ops/kv_fp8.h"
#include "ops/qkv_norm_rope_append.h"
#include "ops/row_kernels.h"

namespace talon::ops::cpu {

// The place of a token in a plane.
template <class T>
T* plane_slot(const TensorView& plane, int64_t slot) {
  return plane.as<T>() + (slot / kPageTokens) * plane.stride(0) +
         (slot % kPageTokens) * plane.stride(1);
}

template <class G>
const G* gain_or_null(const ConstTensorView& gain) {
  return gain.empty() ? nullptr : gain.as<G>();
}

// A head as e4m3 (ops/kv_fp8.h); `scale` null: without one.
template <class T>
void quantise_head(e4m3* out, float* scale, const T* x, int64_t size) {
  float divisor = 1.0F;
  if (scale != nullptr) {
    uint32_t largest = 0;
    for (int64_t c = 0; c < size; ++c) {
      largest = std::max(largest, magnitude_bits(to_float(x[c])));
    }
    divisor = fp8_head_scale(largest);
    *scale = divisor;
  }
  for (int64_t c = 0; c < size; ++c) {
    out[c] = to_e4m3(to_float(x[c]) / divisor);
  }
}

// A walk over the heads of row t, in order. `head(out, x, gain, HeadRow)` does one.
template <class T, class G, class Head>
class HeadWalk {
 public:
  HeadWalk(const QkvNormRopeAppendArgs& args, int64_t t, const Head& head)
      : head_(head), x_(args.qkv.row<T>(t)) {
    const int64_t half = args.cos_sin.size(2);
    const float* cos = args.cos_sin.row<float>(t);
    row_ = {.size = args.q.size(2), .half = half, .cos = cos, .sin = cos + half, .eps = args.eps};
  }

  void set_size(int64_t size) { row_.size = size; }
  void skip(int64_t count) { x_ += count * row_.size; }

  void into(T* out, int64_t count, const ConstTensorView& gain) {
    for (int64_t h = 0; h < count; ++h, x_ += row_.size) {
      head_(out + h * row_.size, x_, gain_or_null<G>(gain), row_);
    }
  }

  // Into the place of a token in a plane, whatever that holds.
  void into(const TensorView& plane,
            const TensorView& scales,
            int64_t slot,
            const ConstTensorView& gain) {
    const int64_t count = plane.size(2);
    if (plane.dtype() != DType::kF8E4M3) {
      return into(plane_slot<T>(plane, slot), count, gain);
    }
    std::array<T, kMaxFp8Head> whole;
    for (int64_t h = 0; h < count; ++h, x_ += row_.size) {
      head_(whole.data(), x_, gain_or_null<G>(gain), row_);
      quantise(plane, scales, slot, {h, whole.data()});
    }
  }

  // As they are.
  void copy(const TensorView& plane, const TensorView& scales, int64_t slot) {
    const int64_t count = plane.size(2);
    if (plane.dtype() != DType::kF8E4M3) {
      std::copy(x_, x_ + count * row_.size, plane_slot<T>(plane, slot));
      return skip(count);
    }
    for (int64_t h = 0; h < count; ++h, x_ += row_.size) {
      quantise(plane, scales, slot, {h, x_});
    }
  }

 private:
  struct Source {
    int64_t head;
    const T* x;
  };

  void quantise(const TensorView& plane,
                const TensorView& scales,
                int64_t slot,
                const Source& source) const {
    quantise_head(plane_slot<e4m3>(plane, slot) + source.head * row_.size,
                  scales.empty() ? nullptr : plane_slot<float>(scales, slot) + source.head,
                  source.x, row_.size);
  }

  const Head& head_;
  const T* x_;
  HeadRow row_;
};

// Nothing is written to page 0: several rows may have the same slot there, and nobody reads it.
template <class T, class G, class Head>
void append_row(const QkvNormRopeAppendArgs& args, int64_t t, const Head& head) {
  const int64_t slot = args.write_slots.as<int64_t>()[t];
  TALON_CHECK(slot >= 0 && slot < args.key_plane.size(0) * kPageTokens,
              "row {} writes to slot {} of {} pages", t, slot, args.key_plane.size(0));
  const bool is_kept = slot >= kPageTokens;

  HeadWalk<T, G, Head> walk(args, t, head);
  walk.into(args.q.row<T>(t), args.q.size(1), args.q_gain);
  if (is_kept) {
    walk.into(args.key_plane, args.key_scales, slot, args.k_gain);
    walk.copy(args.value_plane, args.value_scales, slot);
  } else {
    walk.skip(2 * args.key_plane.size(2));
  }
  if (args.index_key_plane.empty()) {
    return;
  }
  walk.set_size(args.index_q.size(2));
  walk.into(args.index_q.row<T>(t), args.index_q.size(1), args.index_q_gain);
  if (is_kept) {
    walk.into(args.index_key_plane, {}, slot, args.index_k_gain);
  }
}

// Calls body.operator()<T, G>() with the types of the activations and of the gains, if any.
template <class Body>
void dispatch_qkv(const QkvNormRopeAppendArgs& args, const Body& body) {
  const DType gain = args.q_gain.empty() ? DType::kF32 : args.q_gain.dtype();
  dispatch_float(args.q.dtype(), [&]<class T>() {
    dispatch_float(gain, [&]<class G>() { body.template operator()<T, G>(); });
  });
}

}  // namespace talon::ops::cpu
