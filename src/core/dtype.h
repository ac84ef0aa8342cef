// Element types and their exact conversions. A DType names the bytes of one element and nothing
// more: a quantised weight is a struct of views (ops/weight.h), never a dtype.
//
// bf16 rounds to nearest even and keeps NaN. e4m3 is the OCP "fn" form (no infinity, 0x7F is NaN).
// e8m0 is a power-of-two scale 2^(s - 127), 255 is NaN. Sources: OCP Microscaling Formats (MX)
// v1.0; OCP 8-bit floating point v1.0.
#pragma once

#include <bit>
#include <cstdint>
#include <limits>
#include <string_view>

#include "base/check.h"

namespace talon {

enum class DType : uint8_t { kF32, kBf16, kF8E4M3, kU8, kI32, kI64, kU64, kBool };

constexpr int64_t dtype_bytes(DType dtype) {
  switch (dtype) {
    case DType::kF32:
    case DType::kI32:
      return 4;
    case DType::kBf16:
      return 2;
    case DType::kF8E4M3:
    case DType::kU8:
    case DType::kBool:
      return 1;
    case DType::kI64:
    case DType::kU64:
      return 8;
  }
  return 0;
}

constexpr std::string_view dtype_name(DType dtype) {
  switch (dtype) {
    case DType::kF32:
      return "f32";
    case DType::kBf16:
      return "bf16";
    case DType::kF8E4M3:
      return "f8_e4m3";
    case DType::kU8:
      return "u8";
    case DType::kI32:
      return "i32";
    case DType::kI64:
      return "i64";
    case DType::kU64:
      return "u64";
    case DType::kBool:
      return "bool";
  }
  return "?";
}

struct bf16 {
  uint16_t bits = 0;

  friend bool operator==(bf16, bf16) = default;  // of the bits
};

struct e4m3 {
  uint8_t bits = 0;
};

constexpr float to_float(float x) { return x; }

constexpr float to_float(bf16 x) { return std::bit_cast<float>(uint32_t{x.bits} << 16); }

constexpr float to_float(e4m3 x) {
  const uint32_t sign = uint32_t{x.bits & 0x80U} << 24;
  const uint32_t exponent = (x.bits >> 3) & 0xFU;
  const uint32_t mantissa = x.bits & 7U;
  if (exponent == 15 && mantissa == 7) {
    return std::numeric_limits<float>::quiet_NaN();
  }
  if (exponent == 0) {
    const float magnitude = static_cast<float>(mantissa) * 0x1.0p-9F;
    return sign != 0 ? -magnitude : magnitude;
  }
  return std::bit_cast<float>(sign | ((exponent + 120U) << 23) | (mantissa << 20));
}

constexpr bf16 to_bf16(float x) {
  const uint32_t bits = std::bit_cast<uint32_t>(x);
  if ((bits & 0x7FFFFFFFU) > 0x7F800000U) {
    return {static_cast<uint16_t>((bits >> 16) | 0x40U)};
  }
  return {static_cast<uint16_t>((bits + 0x7FFFU + ((bits >> 16) & 1U)) >> 16)};
}

template <class T>
constexpr T from_float(float x);
template <>
constexpr float from_float<float>(float x) {
  return x;
}
template <>
constexpr bf16 from_float<bf16>(float x) {
  return to_bf16(x);
}

// 2^(scale - 127); 0 is the subnormal 2^-127, 255 is NaN.
constexpr float e8m0_to_float(uint8_t scale) {
  if (scale == 255) {
    return std::numeric_limits<float>::quiet_NaN();
  }
  return scale == 0 ? 0x1.0p-127F : std::bit_cast<float>(uint32_t{scale} << 23);
}

// The eight magnitudes of E2M1; bit 3 of a code is its sign.
constexpr float e2m1_to_float(uint8_t code) {
  constexpr float kMagnitudes[8] = {0.0F, 0.5F, 1.0F, 1.5F, 2.0F, 3.0F, 4.0F, 6.0F};
  const float magnitude = kMagnitudes[code & 7U];
  return (code & 8U) != 0 ? -magnitude : magnitude;
}

template <class T>
constexpr DType dtype_of();
template <>
constexpr DType dtype_of<float>() {
  return DType::kF32;
}
template <>
constexpr DType dtype_of<bf16>() {
  return DType::kBf16;
}
template <>
constexpr DType dtype_of<e4m3>() {
  return DType::kF8E4M3;
}
template <>
constexpr DType dtype_of<uint8_t>() {
  return DType::kU8;
}
template <>
constexpr DType dtype_of<int32_t>() {
  return DType::kI32;
}
template <>
constexpr DType dtype_of<int64_t>() {
  return DType::kI64;
}
template <>
constexpr DType dtype_of<uint64_t>() {
  return DType::kU64;
}

// Calls body.template operator()<T>() with T of an activation dtype: f32 or bf16, nothing else.
template <class Body>
decltype(auto) dispatch_float(DType dtype, Body&& body) {
  TALON_CHECK(dtype == DType::kF32 || dtype == DType::kBf16, "activations are f32 or bf16, not {}",
              dtype_name(dtype));
  if (dtype == DType::kF32) {
    return body.template operator()<float>();
  }
  return body.template operator()<bf16>();
}

}  // namespace talon
