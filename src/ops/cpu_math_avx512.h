// cpu_math.h on 16 lanes of AVX-512. For *_avx512.cc and *_amx.cc files only; the counterpart of
// cpu_math_avx2.h, with the same members and the same bits. bf16 is rounded with integers, because
// VCVTNEPS2BF16 flushes subnormals.
#pragma once

#include <immintrin.h>

#include <cstdint>

#include "core/dtype.h"
#include "ops/cpu_math.h"

namespace talon::ops {

struct Avx512 {
  using F = __m512;
  static constexpr int64_t kWidth = 16;
  static constexpr int64_t kSumRegisters = kSumLanes / kWidth;

  TALON_ALWAYS_INLINE static F set1(float x) { return _mm512_set1_ps(x); }
  TALON_ALWAYS_INLINE static F add(F a, F b) { return _mm512_add_ps(a, b); }
  TALON_ALWAYS_INLINE static F sub(F a, F b) { return _mm512_sub_ps(a, b); }
  TALON_ALWAYS_INLINE static F mul(F a, F b) { return _mm512_mul_ps(a, b); }
  TALON_ALWAYS_INLINE static F div(F a, F b) { return _mm512_div_ps(a, b); }
  // a < b ? a : b and a > b ? a : b: with a NaN on either side, b.
  TALON_ALWAYS_INLINE static F min(F a, F b) { return _mm512_min_ps(a, b); }
  TALON_ALWAYS_INLINE static F max(F a, F b) { return _mm512_max_ps(a, b); }

  // 16 values, or the first n < 16 and zeros. e4m3 is widened as to_float does.
  TALON_ALWAYS_INLINE static F load(const float* p) { return _mm512_loadu_ps(p); }
  TALON_ALWAYS_INLINE static F load(const bf16* p) {
    return widen(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(p)));
  }
  TALON_ALWAYS_INLINE static F load(const e4m3* p) {
    const __m512i raw = _mm512_cvtepu8_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p)));
    const __m512i magnitude = _mm512_and_si512(raw, _mm512_set1_epi32(0x7F));
    const __m512i normal =
        _mm512_add_epi32(_mm512_slli_epi32(magnitude, 20), _mm512_set1_epi32(120 << 23));
    const __m512i subnormal =
        _mm512_castps_si512(mul(_mm512_cvtepi32_ps(magnitude), set1(0x1.0p-9F)));
    const __mmask16 is_subnormal = _mm512_cmplt_epi32_mask(magnitude, _mm512_set1_epi32(8));
    const __mmask16 is_nan = _mm512_cmpeq_epi32_mask(magnitude, _mm512_set1_epi32(0x7F));
    __m512i bits = _mm512_mask_blend_epi32(is_subnormal, normal, subnormal);
    bits = _mm512_mask_blend_epi32(is_nan, bits, _mm512_set1_epi32(0x7FC00000));
    const __m512i sign = _mm512_slli_epi32(_mm512_and_si512(raw, _mm512_set1_epi32(0x80)), 24);
    return _mm512_castsi512_ps(_mm512_or_si512(bits, sign));
  }
  TALON_ALWAYS_INLINE static F load_first(const float* p, int64_t n) {
    return _mm512_maskz_loadu_ps(first(n), p);
  }
  TALON_ALWAYS_INLINE static F load_first(const bf16* p, int64_t n) {
    return widen(_mm256_maskz_loadu_epi16(first(n), p));
  }

  // Rounds as to_bf16 does where the target is bf16.
  TALON_ALWAYS_INLINE static void store(float* p, F x) { _mm512_storeu_ps(p, x); }
  TALON_ALWAYS_INLINE static void store(bf16* p, F x) {
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(p), narrow(x));
  }
  TALON_ALWAYS_INLINE static void store_first(float* p, F x, int64_t n) {
    _mm512_mask_storeu_ps(p, first(n), x);
  }
  TALON_ALWAYS_INLINE static void store_first(bf16* p, F x, int64_t n) {
    _mm256_mask_storeu_epi16(p, first(n), narrow(x));
  }

  TALON_ALWAYS_INLINE static F negate(F x) { return _mm512_xor_ps(x, _mm512_set1_ps(-0.0F)); }

  TALON_ALWAYS_INLINE static F exp(F x) {
    using K = ExpConstants;
    x = max(set1(K::kLowest), x);
    x = min(set1(K::kHighest), x);
    const F shifted = add(mul(x, set1(K::kLog2E)), set1(K::kRound));
    const F n = sub(shifted, set1(K::kRound));
    const F r = sub(sub(x, mul(n, set1(K::kLn2High))), mul(n, set1(K::kLn2Low)));
    F p = set1(K::kPolynomial[0]);
    for (size_t i = 1; i < K::kPolynomial.size(); ++i) {
      p = add(mul(p, r), set1(K::kPolynomial[i]));
    }
    p = add(add(mul(p, mul(r, r)), r), set1(1.0F));
    const __m512i exponent =
        _mm512_sub_epi32(_mm512_castps_si512(shifted), _mm512_castps_si512(set1(K::kRound)));
    const __m512i half = _mm512_srai_epi32(exponent, 1);
    return mul(mul(p, power_of_two(half)), power_of_two(_mm512_sub_epi32(exponent, half)));
  }

  TALON_ALWAYS_INLINE static F sigmoid(F x) {
    return div(set1(1.0F), add(set1(1.0F), exp(negate(x))));
  }

  // The partial sums of the fixed cut: register r holds lanes 16 r .. 16 r + 15.
  struct Sum {
    F parts[kSumRegisters] = {set1(0.0F), set1(0.0F)};

    TALON_ALWAYS_INLINE float total() const {
      const F a = add(parts[0], parts[1]);
      const __m256 b = _mm256_add_ps(_mm512_castps512_ps256(a), _mm512_extractf32x8_ps(a, 1));
      const __m128 c = _mm_add_ps(_mm256_castps256_ps128(b), _mm256_extractf128_ps(b, 1));
      const __m128 d = _mm_add_ps(c, _mm_movehl_ps(c, c));
      return _mm_cvtss_f32(_mm_add_ss(d, _mm_movehdup_ps(d)));
    }
  };

  // The largest lane; lanes hold no NaN.
  TALON_ALWAYS_INLINE static float max_of(F x) {
    const __m256 b = _mm256_max_ps(_mm512_castps512_ps256(x), _mm512_extractf32x8_ps(x, 1));
    const __m128 c = _mm_max_ps(_mm256_castps256_ps128(b), _mm256_extractf128_ps(b, 1));
    const __m128 d = _mm_max_ps(c, _mm_movehl_ps(c, c));
    return _mm_cvtss_f32(_mm_max_ss(d, _mm_movehdup_ps(d)));
  }

  // x where the byte is not 0, otherwise `other`.
  TALON_ALWAYS_INLINE static F where_byte(const uint8_t* bytes, F x, F other) {
    const __m128i raw = _mm_loadu_si128(reinterpret_cast<const __m128i*>(bytes));
    return _mm512_mask_blend_ps(_mm_test_epi8_mask(raw, raw), other, x);
  }

 private:
  TALON_ALWAYS_INLINE static __mmask16 first(int64_t n) {
    return static_cast<__mmask16>((1U << static_cast<unsigned>(n)) - 1U);
  }
  TALON_ALWAYS_INLINE static F widen(__m256i bits) {
    return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(bits), 16));
  }
  TALON_ALWAYS_INLINE static __m256i narrow(F x) {
    const __m512i bits = _mm512_castps_si512(x);
    const __m512i top = _mm512_srli_epi32(bits, 16);
    const __m512i odd = _mm512_and_si512(top, _mm512_set1_epi32(1));
    const __m512i rounded = _mm512_srli_epi32(
        _mm512_add_epi32(_mm512_add_epi32(bits, _mm512_set1_epi32(0x7FFF)), odd), 16);
    const __m512i quiet = _mm512_or_si512(top, _mm512_set1_epi32(0x40));
    const __mmask16 is_nan = _mm512_cmp_ps_mask(x, x, _CMP_UNORD_Q);
    return _mm512_cvtepi32_epi16(_mm512_mask_blend_epi32(is_nan, rounded, quiet));
  }
  TALON_ALWAYS_INLINE static F power_of_two(__m512i exponent) {
    return _mm512_castsi512_ps(
        _mm512_slli_epi32(_mm512_add_epi32(exponent, _mm512_set1_epi32(127)), 23));
  }
};

}  // namespace talon::ops
