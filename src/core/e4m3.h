// Rounding to e4m3, which core/dtype.h only widens.
#pragma once

#include <bit>
#include <cstdint>

#include "core/dtype.h"

namespace talon {

// To nearest, ties to the even code; beyond 448, infinity too, saturates; NaN stays NaN.
constexpr e4m3 to_e4m3(float x) {
  const uint32_t bits = std::bit_cast<uint32_t>(x);
  const uint32_t sign = (bits >> 24) & 0x80U;
  const uint32_t magnitude = bits & 0x7FFFFFFFU;
  uint32_t code = 0;
  if (magnitude > 0x7F800000U) {
    code = 0x7F;
  } else if (magnitude >= std::bit_cast<uint32_t>(448.0F)) {
    code = 0x7E;
  } else if (magnitude < std::bit_cast<uint32_t>(0x1.0p-6F)) {
    // Subnormal codes count units of 2^-9, which is the last place of floats from 2^14 on.
    constexpr float kRound = 0x1.0p+14F;
    code = std::bit_cast<uint32_t>(std::bit_cast<float>(magnitude) + kRound) -
           std::bit_cast<uint32_t>(kRound);
  } else {
    const uint32_t rounded = magnitude + 0x7FFFFU + ((magnitude >> 20) & 1U);
    code = (rounded >> 20) - (120U << 3);
  }
  return {static_cast<uint8_t>(sign | code)};
}

}  // namespace talon
