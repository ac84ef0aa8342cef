// Double-precision dequantisers of the four quantised weight layouts that Talon reads: the judge of
// the loader and of the kernels. Standard library only; every function is exact (a product of a
// small integer and a power of two) except that an F32 scale is multiplied in double.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace talon::oracle {

double bf16_value(uint16_t bits);
double e4m3_value(uint8_t code);  // e4m3fn: no infinity, 0x7f and 0xff are NaN
double e8m0_value(uint8_t code);  // 2^(code - 127); 255 is NaN
double e2m1_value(uint8_t code);  // of the low four bits: 0, 0.5, 1, 1.5, 2, 3, 4, 6 and a sign

// codes [rows, cols] e4m3, scales [rows, cols / 32] e8m0.
std::vector<double> dequant_mxfp8(std::span<const uint8_t> codes,
                                  std::span<const uint8_t> scales,
                                  int64_t cols);

// codes [rows, cols / 2]: low nibble = even channel; scales [rows, cols / 32] e8m0.
std::vector<double> dequant_mxfp4(std::span<const uint8_t> codes,
                                  std::span<const uint8_t> scales,
                                  int64_t cols);

// codes [rows, cols] e4m3, scales [rows, 1].
std::vector<double> dequant_fp8_channel(std::span<const uint8_t> codes,
                                        std::span<const float> scales,
                                        int64_t cols);

// codes [rows, cols] e4m3, scales [ceil(rows / 128), ceil(cols / 128)].
std::vector<double> dequant_fp8_block(std::span<const uint8_t> codes,
                                      std::span<const float> scales,
                                      int64_t cols);

}  // namespace talon::oracle
