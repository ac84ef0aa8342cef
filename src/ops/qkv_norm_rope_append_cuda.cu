// One warp a head of a row: norm, rotation and the write of keys and values into their pages. The
// head is held in registers between the passes (256 channels are 8 a lane), so every element is
// read and written once. A row of an M3 rank is about 3 KB: launch-bound at a few rows. Planes of
// e4m3 take the head once more, with the warp's largest magnitude.
#include "ops/qkv_norm_rope_append.h"

#include "base/check.h"
#include "base/ids.h"
#include "core/e4m3.h"
#include "ops/cuda_kernel.cuh"
#include "ops/kv_fp8.h"

namespace talon::ops::cuda {
namespace {

constexpr int kWarps = 4;
constexpr int kMaxPerLane = 8;  // channels of a head that a lane holds

struct Plane {
  void* data;  // [pages, 128, heads, size], null: none
  int64_t page_stride;
  float* scales;  // [pages, 128, heads], null: none
  int64_t scale_page_stride;
  bool is_e4m3;
};

template <class T, class G>
struct QkvParams {
  T* q;         // [T, H, D]
  T* index_q;   // [T, I, D_i]
  Plane key;    // G heads of D
  Plane value;  // G heads of D
  Plane index_key;
  const T* qkv;           // [T, ...]
  const G* q_gain;        // [D], null: no norm
  const G* k_gain;        // [D]
  const G* index_q_gain;  // [D_i]
  const G* index_k_gain;  // [D_i]
  const float* cos_sin;   // [T, 2, half]
  const int64_t* slots;   // [T]
  int64_t qkv_stride;
  int64_t num_slots;  // of the planes
  int half;
  int num_heads;        // H
  int num_kv_heads;     // G
  int num_index_heads;  // I, 0: no index branch
  int size;             // D
  int index_size;       // D_i
  float eps;
};

// Which head of the projection a warp works on, and where it goes.
template <class T, class G>
struct Head {
  const T* x;
  T* out;         // null: nowhere, or as codes
  e4m3* codes;    // null: not there
  float* scale;   // of the codes, null: none
  const G* gain;  // null: no norm
  int size;
  bool rotates;
};

// Head h of `count` in a token's place of a plane.
template <class T, class G>
__device__ void set_place(Head<T, G>& head, const Plane& plane, int64_t slot, int h, int count) {
  const int64_t page = slot / kPageTokens;
  const int64_t entry = (slot % kPageTokens) * count + h;
  const int64_t offset = page * plane.page_stride + entry * head.size;
  if (!plane.is_e4m3) {
    head.out = static_cast<T*>(plane.data) + offset;
    return;
  }
  head.codes = static_cast<e4m3*>(plane.data) + offset;
  if (plane.scales != nullptr) {
    head.scale = plane.scales + page * plane.scale_page_stride + entry;
  }
}

template <class T, class G>
__device__ Head<T, G> head_of(const QkvParams<T, G>& p, int64_t t, int h) {
  const int64_t slot = p.slots[t];
  // Page 0 is never read; a slot past the planes is an error of the program.
  const bool is_kept = slot >= kPageTokens && slot < p.num_slots;
  Head<T, G> head = {};
  head.x = p.qkv + t * p.qkv_stride;
  head.size = p.size;
  head.rotates = true;
  if (h < p.num_heads + 2 * p.num_kv_heads) {
    head.x += h * p.size;
    if (h < p.num_heads) {
      head.out = p.q + (t * p.num_heads + h) * p.size;
      head.gain = p.q_gain;
      return head;
    }
    const bool is_value = h >= p.num_heads + p.num_kv_heads;
    const int g = h - p.num_heads - (is_value ? p.num_kv_heads : 0);
    head.rotates = !is_value;
    head.gain = is_value ? nullptr : p.k_gain;
    if (is_kept) {
      set_place(head, is_value ? p.value : p.key, slot, g, p.num_kv_heads);
    }
    return head;
  }
  const int i = h - p.num_heads - 2 * p.num_kv_heads;
  head.x += (p.num_heads + 2 * p.num_kv_heads) * p.size + i * p.index_size;
  head.size = p.index_size;
  if (i < p.num_index_heads) {
    head.out = p.index_q + (t * p.num_index_heads + i) * p.index_size;
    head.gain = p.index_q_gain;
  } else {
    head.gain = p.index_k_gain;
    if (is_kept) {
      set_place(head, p.index_key, slot, 0, 1);
    }
  }
  return head;
}

// A head as the plane takes it; y[i] is channel i * 32 + lane, rounded to the activations' type.
template <class T, class G>
__device__ void store_head(const Head<T, G>& head, const float (&y)[kMaxPerLane]) {
  const int lane = static_cast<int>(threadIdx.x % kWarpSize);
  float divisor = 1.0F;
  if (head.scale != nullptr) {
    uint32_t largest = 0;
    for (int i = 0; i < kMaxPerLane; ++i) {
      const uint32_t magnitude = magnitude_bits(y[i]);
      largest = magnitude > largest ? magnitude : largest;
    }
    divisor = fp8_head_scale(warp_max(largest));
    if (lane == 0) {
      *head.scale = divisor;
    }
  }
  for (int i = 0; i < kMaxPerLane; ++i) {
    const int c = i * kWarpSize + lane;
    if (c >= head.size) {
      continue;
    }
    if (head.out != nullptr) {
      head.out[c] = rounded<T>(y[i]);
    } else {
      head.codes[c] = to_e4m3(y[i] / divisor);
    }
  }
}

// Channels j and j + half rotate together, so a lane takes both: pair j of lane j % 32, then the
// channels that pass.
template <class T, class G>
__global__ void __launch_bounds__(kWarps* kWarpSize) qkv_kernel(const QkvParams<T, G> p) {
  await_previous();
  const int64_t t = blockIdx.x;
  const int h = static_cast<int>(blockIdx.y * kWarps + threadIdx.x / kWarpSize);
  const int lane = static_cast<int>(threadIdx.x % kWarpSize);
  const int index_heads = p.num_index_heads > 0 ? p.num_index_heads + 1 : 0;
  if (h >= p.num_heads + 2 * p.num_kv_heads + index_heads) {
    return;
  }
  const Head<T, G> head = head_of(p, t, h);
  float x[kMaxPerLane];
  float squares = 0.0F;
  for (int i = 0; i < kMaxPerLane; ++i) {
    const int c = i * kWarpSize + lane;
    x[i] = c < head.size ? to_float(head.x[c]) : 0.0F;
    squares += x[i] * x[i];
  }
  if (head.out == nullptr && head.codes == nullptr) {
    return;
  }
  const float sum = warp_sum(squares);
  const float inverse = 1.0F / sqrtf(sum / static_cast<float>(head.size) + p.eps);
  const auto normed = [&](float v, int c) {
    return head.gain == nullptr ? v : (v * inverse) * (1.0F + to_float(head.gain[c]));
  };
  const float* cosines = p.cos_sin + 2 * t * p.half;
  float y[kMaxPerLane] = {};
  for (int i = 0; i < kMaxPerLane; ++i) {
    const int c = i * kWarpSize + lane;
    if (c >= head.size) {
      continue;
    }
    const float own = normed(x[i], c);
    if (!head.rotates || c >= 2 * p.half) {
      y[i] = to_float(rounded<T>(own));
      continue;
    }
    // The partner comes from memory again, where it is in the cache.
    const int j = c % p.half;
    const bool is_low = c < p.half;
    const int other = is_low ? c + p.half : c - p.half;
    const float partner = normed(to_float(head.x[other]), other);
    const float cosine = cosines[j];
    const float sine = cosines[p.half + j];
    y[i] = to_float(
        rounded<T>(is_low ? own * cosine - partner * sine : own * cosine + partner * sine));
  }
  store_head(head, y);
}

Plane plane_of(const TensorView& view, const TensorView& scales) {
  Plane plane = {};
  if (view.empty()) {
    return plane;
  }
  plane.data = view.data();
  plane.page_stride = view.stride(0);
  plane.is_e4m3 = view.dtype() == DType::kF8E4M3;
  if (!scales.empty()) {
    plane.scales = scales.as<float>();
    plane.scale_page_stride = scales.stride(0);
  }
  return plane;
}

template <class T, class G>
QkvParams<T, G> params_of(const QkvNormRopeAppendArgs& args) {
  QkvParams<T, G> p = {};
  p.q = args.q.as<T>();
  p.key = plane_of(args.key_plane, args.key_scales);
  p.value = plane_of(args.value_plane, args.value_scales);
  p.index_key = plane_of(args.index_key_plane, {});
  p.qkv = args.qkv.as<T>();
  p.q_gain = pointer_or_null<G>(args.q_gain);
  p.k_gain = pointer_or_null<G>(args.k_gain);
  p.index_q_gain = pointer_or_null<G>(args.index_q_gain);
  p.index_k_gain = pointer_or_null<G>(args.index_k_gain);
  p.cos_sin = args.cos_sin.as<float>();
  p.slots = args.write_slots.as<int64_t>();
  p.qkv_stride = args.qkv.stride(0);
  p.num_slots = args.key_plane.size(0) * kPageTokens;
  p.half = static_cast<int>(args.cos_sin.size(2));
  p.num_heads = static_cast<int>(args.q.size(1));
  p.num_kv_heads = static_cast<int>(args.key_plane.size(2));
  p.size = static_cast<int>(args.q.size(2));
  if (!args.index_key_plane.empty()) {
    p.index_q = args.index_q.as<T>();
    p.num_index_heads = static_cast<int>(args.index_q.size(1));
    p.index_size = static_cast<int>(args.index_q.size(2));
  }
  p.eps = args.eps;
  return p;
}

}  // namespace

void qkv_norm_rope_append(CudaContext& context, const QkvNormRopeAppendArgs& args) {
  const DType gain = args.q_gain.empty() ? DType::kF32 : args.q_gain.dtype();
  dispatch_float(args.q.dtype(), [&]<class T>() {
    dispatch_float(gain, [&]<class G>() {
      const QkvParams<T, G> params = params_of<T, G>(args);
      TALON_CHECK(
          params.size <= kMaxPerLane * kWarpSize && params.index_size <= kMaxPerLane * kWarpSize,
          "qkv_norm_rope_append: heads of {} and {} channels are over {}", params.size,
          params.index_size, kMaxPerLane * kWarpSize);
      const int heads = params.num_heads + 2 * params.num_kv_heads +
                        (params.num_index_heads > 0 ? params.num_index_heads + 1 : 0);
      launch({.grid = dim3(static_cast<unsigned>(args.q.size(0)), grid_size(heads, kWarps)),
              .block = dim3(kWarps * kWarpSize),
              .stream = context.stream_handle(),
              .dependent = true},
             qkv_kernel<T, G>, params);
    });
  });
}

}  // namespace talon::ops::cuda
