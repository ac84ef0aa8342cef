// One warp a head of a row: norm, rotation and the write of keys and values into their pages. The
// head is held in registers between the passes (256 channels are 8 a lane), so every element is
// read and written once. A row of an M3 rank is about 3 KB: launch-bound at a few rows.
#include "ops/qkv_norm_rope_append.h"

#include "base/check.h"
#include "base/ids.h"
#include "ops/cuda_kernel.cuh"

namespace talon::ops::cuda {
namespace {

constexpr int kWarps = 4;
constexpr int kMaxPerLane = 8;  // channels of a head that a lane holds

struct Plane {
  void* data;  // [pages, 128, heads, size], null: none
  int64_t page_stride;
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
  T* out;         // null: nowhere
  const G* gain;  // null: no norm
  int size;
  bool rotates;
};

template <class T>
__device__ T* plane_slot(const Plane& plane, int64_t slot, int row_size) {
  return static_cast<T*>(plane.data) + (slot / kPageTokens) * plane.page_stride +
         (slot % kPageTokens) * row_size;
}

template <class T, class G>
__device__ Head<T, G> head_of(const QkvParams<T, G>& p, int64_t t, int h) {
  const int64_t slot = p.slots[t];
  // Page 0 is never read; a slot past the planes is an error of the program.
  const bool is_kept = slot >= kPageTokens && slot < p.num_slots;
  Head<T, G> head = {p.qkv + t * p.qkv_stride, nullptr, nullptr, p.size, true};
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
      head.out =
          plane_slot<T>(is_value ? p.value : p.key, slot, p.num_kv_heads * p.size) + g * p.size;
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
    head.out = is_kept ? plane_slot<T>(p.index_key, slot, p.index_size) : nullptr;
    head.gain = p.index_k_gain;
  }
  return head;
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
  if (head.out == nullptr) {
    return;
  }
  const float sum = warp_sum(squares);
  const float inverse = 1.0F / sqrtf(sum / static_cast<float>(head.size) + p.eps);
  const auto normed = [&](float v, int c) {
    return head.gain == nullptr ? v : (v * inverse) * (1.0F + to_float(head.gain[c]));
  };
  const float* cosines = p.cos_sin + 2 * t * p.half;
  for (int i = 0; i < kMaxPerLane; ++i) {
    const int c = i * kWarpSize + lane;
    if (c >= head.size) {
      continue;
    }
    const float own = normed(x[i], c);
    if (!head.rotates || c >= 2 * p.half) {
      head.out[c] = rounded<T>(own);
      continue;
    }
    // The partner comes from memory again, where it is in the cache.
    const int j = c % p.half;
    const bool is_low = c < p.half;
    const int other = is_low ? c + p.half : c - p.half;
    const float partner = normed(to_float(head.x[other]), other);
    const float cosine = cosines[j];
    const float sine = cosines[p.half + j];
    head.out[c] =
        rounded<T>(is_low ? own * cosine - partner * sine : own * cosine + partner * sine);
  }
}

Plane plane_of(const TensorView& view) {
  return {.data = view.data(), .page_stride = view.empty() ? 0 : view.stride(0)};
}

template <class T, class G>
QkvParams<T, G> params_of(const QkvNormRopeAppendArgs& args) {
  QkvParams<T, G> p = {};
  p.q = args.q.as<T>();
  p.key = plane_of(args.key_plane);
  p.value = plane_of(args.value_plane);
  p.index_key = plane_of(args.index_key_plane);
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
