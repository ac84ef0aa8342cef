// Float32 building blocks of the CPU kernels whose bits are the same on every instruction path.
//
// Each function here has a vector form in cpu_math_avx2.h and cpu_math_avx512.h that gives, lane by
// lane, the bits of the scalar form: the same operations in the same order, multiply and add
// rounded apart (no fused multiply-add). A sum over channels is cut into kSumLanes partial sums by
// channel index modulo kSumLanes, which are then added in one fixed tree, so that it depends on the
// data alone. What a NaN carries in its payload is not part of this promise.
//
// All functions are forced inline: this header is compiled with different instruction sets in
// different files, and an out-of-line copy shared by them could hold the wrong one.
#pragma once

#include <array>
#include <bit>
#include <cmath>
#include <cstdint>

#define TALON_ALWAYS_INLINE [[gnu::always_inline]] inline
#define TALON_ALWAYS_INLINE_LAMBDA __attribute__((always_inline))  // after the parameter list

namespace talon::ops {

// Constants of cpu_exp, shared with the vector forms.
struct ExpConstants {
  static constexpr float kLowest = -104.0F;  // exp is below half the smallest subnormal
  static constexpr float kHighest = 89.0F;   // exp is above the largest float
  static constexpr float kLog2E = 0x1.715476p+0F;
  static constexpr float kRound = 0x1.8p+23F;    // adding it rounds to an integer
  static constexpr float kLn2High = 0x1.63p-1F;  // ln 2 in two parts; n * kLn2High is exact
  static constexpr float kLn2Low = -0x1.bd0106p-13F;
  // exp(r) = 1 + r + r^2 P(r) on |r| <= ln(2) / 2, minimax (Moshier's Cephes, expf).
  static constexpr std::array<float, 6> kPolynomial = {1.9875691500E-4F, 1.3981999507E-3F,
                                                       8.3334519073E-3F, 4.1665795894E-2F,
                                                       1.6666665459E-1F, 5.0000001201E-1F};
};

// e^x, at most kExpMaxUlps from the exact value (tests/ops/cpu_math_test.cc tries every float);
// subnormal results are kept, overflow is infinity, NaN stays NaN. exp(0) is 1 exactly.
inline constexpr double kExpMaxUlps = 1.0;

TALON_ALWAYS_INLINE float cpu_exp(float x) {
  using K = ExpConstants;
  x = K::kLowest > x ? K::kLowest : x;  // a NaN compares false and passes
  x = K::kHighest < x ? K::kHighest : x;
  const float shifted = x * K::kLog2E + K::kRound;
  const float n = shifted - K::kRound;
  const float r = (x - n * K::kLn2High) - n * K::kLn2Low;
  float p = K::kPolynomial[0];
  p = p * r + K::kPolynomial[1];
  p = p * r + K::kPolynomial[2];
  p = p * r + K::kPolynomial[3];
  p = p * r + K::kPolynomial[4];
  p = p * r + K::kPolynomial[5];
  p = (p * (r * r) + r) + 1.0F;
  // The low bits of `shifted` hold n. 2^n is applied in two halves, because n reaches from -150 to
  // 128 and a float's exponent does not. Unsigned arithmetic: a NaN's bits may be anything.
  const uint32_t exponent = std::bit_cast<uint32_t>(shifted) - std::bit_cast<uint32_t>(K::kRound);
  const uint32_t half = static_cast<uint32_t>(static_cast<int32_t>(exponent) >> 1);
  const float scale_a = std::bit_cast<float>((half + 127U) << 23);
  const float scale_b = std::bit_cast<float>((exponent - half + 127U) << 23);
  return (p * scale_a) * scale_b;
}

// 1 / (1 + e^-x).
TALON_ALWAYS_INLINE float cpu_sigmoid(float x) { return 1.0F / (1.0F + cpu_exp(-x)); }

// Cosine and sine of a float32 angle, rounded once from a double of relative error below 1e-14, so
// correctly rounded but for about one angle in a million. Scalar only: a step needs few of them.
// Reduction and polynomials follow fdlibm (e_rem_pio2.c, k_sin.c, k_cos.c). With |angle| <= 2^20
// the multiple n of pi/2 has 20 bits and n * kPiHalf1 is exact; larger angles go to the library.
TALON_ALWAYS_INLINE void cpu_cos_sin(float angle, float& cosine, float& sine) {
  constexpr double kTwoOverPi = 6.36619772367581382433e-01;
  constexpr double kRound = 0x1.8p+52;
  constexpr double kPiHalf1 = 1.57079632673412561417e+00;  // 33 bits
  constexpr double kPiHalf2 = 6.07710050630396597660e-11;  // the next 33
  constexpr double kPiHalf3 = 2.02226624879595063154e-21;  // the rest
  const auto a = static_cast<double>(angle);
  if (!(std::abs(a) <= 0x1p20)) {
    cosine = static_cast<float>(std::cos(a));
    sine = static_cast<float>(std::sin(a));
    return;
  }
  const double shifted = a * kTwoOverPi + kRound;
  const double n = shifted - kRound;
  const double r = ((a - n * kPiHalf1) - n * kPiHalf2) - n * kPiHalf3;
  const double z = r * r;
  double s = 1.58969099521155010221e-10;
  s = s * z - 2.50507602534068634195e-08;
  s = s * z + 2.75573137070700676789e-06;
  s = s * z - 1.98412698298579493134e-04;
  s = s * z + 8.33333333332248946124e-03;
  s = s * z - 1.66666666666666324348e-01;
  s = r + (z * r) * s;
  double c = -1.13596475577881948265e-11;
  c = c * z + 2.08757232129817482790e-09;
  c = c * z - 2.75573143513906633035e-07;
  c = c * z + 2.48015872894767294178e-05;
  c = c * z - 1.38888888888741095749e-03;
  c = c * z + 4.16666666666666019037e-02;
  c = (1.0 - 0.5 * z) + (z * z) * c;
  const uint64_t quadrant = std::bit_cast<uint64_t>(shifted) & 3U;
  const double x = (quadrant & 1U) != 0 ? s : c;  // +-cosine
  const double y = (quadrant & 1U) != 0 ? c : s;  // +-sine
  cosine = static_cast<float>(quadrant == 1 || quadrant == 2 ? -x : x);
  sine = static_cast<float>(quadrant >= 2 ? -y : y);
}

// Partial sums of the fixed cut: 4 AVX2 registers, 2 AVX-512 registers.
inline constexpr int64_t kSumLanes = 32;

// The tree over the partial sums: halves are added until one is left.
TALON_ALWAYS_INLINE float lane_tree(std::array<float, kSumLanes>& lanes) {
  for (size_t half = kSumLanes / 2; half > 0; half /= 2) {
    for (size_t l = 0; l < half; ++l) {
      lanes[l] += lanes[l + half];
    }
  }
  return lanes[0];
}

// sum_i value(i), i < count, in the fixed cut. `value` gives a float.
template <class Value>
TALON_ALWAYS_INLINE float lane_sum(int64_t count, const Value& value) {
  std::array<float, kSumLanes> lanes{};
  int64_t i = 0;
  for (; i + kSumLanes <= count; i += kSumLanes) {
    for (int64_t l = 0; l < kSumLanes; ++l) {
      lanes[static_cast<size_t>(l)] += value(i + l);
    }
  }
  for (int64_t l = 0; i + l < count; ++l) {
    lanes[static_cast<size_t>(l)] += value(i + l);
  }
  return lane_tree(lanes);
}

}  // namespace talon::ops
