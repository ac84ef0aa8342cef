// Keys and values as e4m3, the same on CPU and GPU. The head of a token has a scale of its own:
//
//   scale = max(max_c |x[c]| / 448, 2^-126),   code[c] = e4m3(x[c] / scale),   x[c] ~ code[c] scale
//
// x is what a plane of the activation type would hold, so the head is rounded twice under bf16. The
// lower bound keeps heads of zeros and of subnormals free of 0 / 0. A NaN in a head makes the scale
// and every code of it NaN. Index keys have no scale: code[c] = e4m3(x[c]), saturating at 448.
#pragma once

#include <bit>
#include <cstdint>

#include "base/check.h"
#include "core/dtype.h"

namespace talon::ops {

// Channels of the longest head.
inline constexpr int64_t kMaxFp8Head = 256;

// Of magnitudes as bits the largest is the largest magnitude, and a NaN is above them all.
constexpr uint32_t magnitude_bits(float x) { return std::bit_cast<uint32_t>(x) & 0x7FFFFFFFU; }

constexpr float fp8_head_scale(uint32_t largest_magnitude_bits) {
  const float scale = std::bit_cast<float>(largest_magnitude_bits) / 448.0F;
  return scale < 0x1.0p-126F ? 0x1.0p-126F : scale;
}

// Whether a plane of keys or values may stand beside activations of a type.
constexpr bool is_plane_dtype(DType plane, DType activation) {
  return plane == activation || plane == DType::kF8E4M3;
}

// Calls body.template operator()<T, P>() with the types of the activations and of a plane.
template <class Body>
decltype(auto) dispatch_plane(DType activation, DType plane, const Body& body) {
  TALON_CHECK(is_plane_dtype(plane, activation), "a plane of {} beside activations of {}",
              dtype_name(plane), dtype_name(activation));
  return dispatch_float(activation, [&]<class T>() {
    if (plane == DType::kF8E4M3) {
      return body.template operator()<T, e4m3>();
    }
    return body.template operator()<T, T>();
  });
}

}  // namespace talon::ops
