#include "oracle/dequant_oracle.h"

#include <array>
#include <bit>
#include <cmath>
#include <limits>

namespace talon::oracle {

double bf16_value(uint16_t bits) { return std::bit_cast<float>(static_cast<uint32_t>(bits) << 16); }

double e4m3_value(uint8_t code) {
  const int exponent = (code >> 3) & 15;
  const int mantissa = code & 7;
  const double sign = (code & 0x80) != 0 ? -1.0 : 1.0;
  if (exponent == 15 && mantissa == 7) {
    return std::numeric_limits<double>::quiet_NaN();
  }
  if (exponent == 0) {
    return sign * std::ldexp(mantissa, -9);
  }
  return sign * std::ldexp(8 + mantissa, exponent - 10);
}

double e8m0_value(uint8_t code) {
  return code == 255 ? std::numeric_limits<double>::quiet_NaN() : std::ldexp(1.0, code - 127);
}

double e2m1_value(uint8_t code) {
  constexpr std::array<double, 8> kMagnitudes = {0.0, 0.5, 1.0, 1.5, 2.0, 3.0, 4.0, 6.0};
  const double magnitude = kMagnitudes[code & 7];
  return (code & 8) != 0 ? -magnitude : magnitude;
}

std::vector<double> dequant_mxfp8(std::span<const uint8_t> codes,
                                  std::span<const uint8_t> scales,
                                  int64_t cols) {
  std::vector<double> out;
  const auto width = static_cast<size_t>(cols);
  for (size_t i = 0; i < codes.size(); ++i) {
    const size_t group = i / width * (width / 32) + i % width / 32;
    out.push_back(e4m3_value(codes[i]) * e8m0_value(scales[group]));
  }
  return out;
}

std::vector<double> dequant_mxfp4(std::span<const uint8_t> codes,
                                  std::span<const uint8_t> scales,
                                  int64_t cols) {
  std::vector<double> out;
  const auto width = static_cast<size_t>(cols);
  for (size_t i = 0; i < 2 * codes.size(); ++i) {
    const uint8_t pair = codes[i / 2];
    const auto nibble = static_cast<uint8_t>(i % 2 == 0 ? pair & 15 : pair >> 4);
    const size_t group = i / width * (width / 32) + i % width / 32;
    out.push_back(e2m1_value(nibble) * e8m0_value(scales[group]));
  }
  return out;
}

std::vector<double> dequant_fp8_channel(std::span<const uint8_t> codes,
                                        std::span<const float> scales,
                                        int64_t cols) {
  std::vector<double> out;
  for (size_t i = 0; i < codes.size(); ++i) {
    out.push_back(e4m3_value(codes[i]) * double{scales[i / static_cast<size_t>(cols)]});
  }
  return out;
}

std::vector<double> dequant_fp8_block(std::span<const uint8_t> codes,
                                      std::span<const float> scales,
                                      int64_t cols) {
  std::vector<double> out;
  const auto width = static_cast<size_t>(cols);
  const size_t blocks = (width + 127) / 128;
  for (size_t i = 0; i < codes.size(); ++i) {
    const size_t block = i / width / 128 * blocks + i % width / 128;
    out.push_back(e4m3_value(codes[i]) * double{scales[block]});
  }
  return out;
}

}  // namespace talon::oracle
