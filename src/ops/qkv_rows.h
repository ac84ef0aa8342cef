// The walk over the heads of a row that both CPU forms of qkv_norm_rope_append share: which head
// of the projection goes where, under which gain.
#pragma once

#include <algorithm>
#include <cstdint>

#include "base/check.h"
#include "base/ids.h"
#include "core/dtype.h"
#include "core/tensor_view.h"
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

// `head(out, x, gain, HeadRow)` does one head. Nothing is written to page 0: several rows may have
// the same slot there, and nobody reads it.
template <class T, class G, class Head>
void append_row(const QkvNormRopeAppendArgs& args, int64_t t, const Head& head) {
  const int64_t half = args.cos_sin.size(2);
  const float* cos = args.cos_sin.row<float>(t);
  HeadRow row = {
      .size = args.q.size(2), .half = half, .cos = cos, .sin = cos + half, .eps = args.eps};
  const T* x = args.qkv.row<T>(t);
  const auto heads = [&](T* out, int64_t count, const ConstTensorView& gain) {
    for (int64_t h = 0; h < count; ++h, x += row.size) {
      if (out != nullptr) {
        head(out + h * row.size, x, gain_or_null<G>(gain), row);
      }
    }
  };
  const int64_t slot = args.write_slots.as<int64_t>()[t];
  TALON_CHECK(slot >= 0 && slot < args.key_plane.size(0) * kPageTokens,
              "row {} writes to slot {} of {} pages", t, slot, args.key_plane.size(0));
  const bool is_kept = slot >= kPageTokens;
  const int64_t num_kv_heads = args.key_plane.size(2);

  heads(args.q.row<T>(t), args.q.size(1), args.q_gain);
  heads(is_kept ? plane_slot<T>(args.key_plane, slot) : nullptr, num_kv_heads, args.k_gain);
  if (is_kept) {
    std::copy(x, x + num_kv_heads * row.size, plane_slot<T>(args.value_plane, slot));
  }
  x += num_kv_heads * row.size;
  if (!args.index_key_plane.empty()) {
    row.size = args.index_q.size(2);
    heads(args.index_q.row<T>(t), args.index_q.size(1), args.index_q_gain);
    heads(is_kept ? plane_slot<T>(args.index_key_plane, slot) : nullptr, 1, args.index_k_gain);
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
