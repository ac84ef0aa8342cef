// cpu_math.h on 8 lanes of AVX2. For *_avx2.cc files only. Lane by lane the bits are those of the
// scalar forms. A kernel template over the type `Avx2` (or `Avx512`, cpu_math_avx512.h) is written
// once for both.
#pragma once

#include <immintrin.h>

#include <cstdint>

#include "core/dtype.h"
#include "ops/cpu_math.h"

namespace talon::ops {

struct Avx2 {
  using F = __m256;
  static constexpr int64_t kWidth = 8;
  static constexpr int64_t kSumRegisters = kSumLanes / kWidth;

  TALON_ALWAYS_INLINE static F set1(float x) { return _mm256_set1_ps(x); }
  TALON_ALWAYS_INLINE static F add(F a, F b) { return _mm256_add_ps(a, b); }
  TALON_ALWAYS_INLINE static F sub(F a, F b) { return _mm256_sub_ps(a, b); }
  TALON_ALWAYS_INLINE static F mul(F a, F b) { return _mm256_mul_ps(a, b); }
  TALON_ALWAYS_INLINE static F div(F a, F b) { return _mm256_div_ps(a, b); }
  // a < b ? a : b and a > b ? a : b: with a NaN on either side, b.
  TALON_ALWAYS_INLINE static F min(F a, F b) { return _mm256_min_ps(a, b); }
  TALON_ALWAYS_INLINE static F max(F a, F b) { return _mm256_max_ps(a, b); }

  // 8 values, or the first n < 8 and zeros. e4m3 is widened as to_float does.
  TALON_ALWAYS_INLINE static F load(const float* p) { return _mm256_loadu_ps(p); }
  TALON_ALWAYS_INLINE static F load(const bf16* p) {
    return widen(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p)));
  }
  TALON_ALWAYS_INLINE static F load(const e4m3* p) {
    const __m256i raw = _mm256_cvtepu8_epi32(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(p)));
    const __m256i magnitude = _mm256_and_si256(raw, _mm256_set1_epi32(0x7F));
    const __m256i normal =
        _mm256_add_epi32(_mm256_slli_epi32(magnitude, 20), _mm256_set1_epi32(120 << 23));
    const F subnormal = mul(_mm256_cvtepi32_ps(magnitude), set1(0x1.0p-9F));
    const __m256i is_subnormal = _mm256_cmpgt_epi32(_mm256_set1_epi32(8), magnitude);
    const __m256i is_nan = _mm256_cmpeq_epi32(magnitude, _mm256_set1_epi32(0x7F));
    const F value =
        _mm256_blendv_ps(_mm256_castsi256_ps(_mm256_or_si256(normal, is_nan)),  // all ones: a NaN
                         subnormal, _mm256_castsi256_ps(is_subnormal));
    const __m256i sign = _mm256_slli_epi32(_mm256_and_si256(raw, _mm256_set1_epi32(0x80)), 24);
    return _mm256_or_ps(value, _mm256_castsi256_ps(sign));
  }
  TALON_ALWAYS_INLINE static F load_first(const float* p, int64_t n) {
    return _mm256_maskload_ps(p, first(n));
  }
  TALON_ALWAYS_INLINE static F load_first(const bf16* p, int64_t n) {
    alignas(16) bf16 part[8] = {};
    for (int64_t i = 0; i < n; ++i) {
      part[i] = p[i];
    }
    return widen(_mm_load_si128(reinterpret_cast<const __m128i*>(part)));
  }

  // Rounds as to_bf16 does where the target is bf16.
  TALON_ALWAYS_INLINE static void store(float* p, F x) { _mm256_storeu_ps(p, x); }
  TALON_ALWAYS_INLINE static void store(bf16* p, F x) {
    _mm_storeu_si128(reinterpret_cast<__m128i*>(p), narrow(x));
  }
  TALON_ALWAYS_INLINE static void store_first(float* p, F x, int64_t n) {
    _mm256_maskstore_ps(p, first(n), x);
  }
  TALON_ALWAYS_INLINE static void store_first(bf16* p, F x, int64_t n) {
    alignas(16) bf16 part[8];
    _mm_store_si128(reinterpret_cast<__m128i*>(part), narrow(x));
    for (int64_t i = 0; i < n; ++i) {
      p[i] = part[i];
    }
  }

  TALON_ALWAYS_INLINE static F negate(F x) { return _mm256_xor_ps(x, _mm256_set1_ps(-0.0F)); }

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
    const __m256i exponent =
        _mm256_sub_epi32(_mm256_castps_si256(shifted), _mm256_castps_si256(set1(K::kRound)));
    const __m256i half = _mm256_srai_epi32(exponent, 1);
    return mul(mul(p, power_of_two(half)), power_of_two(_mm256_sub_epi32(exponent, half)));
  }

  TALON_ALWAYS_INLINE static F sigmoid(F x) {
    return div(set1(1.0F), add(set1(1.0F), exp(negate(x))));
  }

  // The partial sums of the fixed cut: register r holds lanes 8 r .. 8 r + 7.
  struct Sum {
    F parts[kSumRegisters] = {set1(0.0F), set1(0.0F), set1(0.0F), set1(0.0F)};

    TALON_ALWAYS_INLINE float total() const {
      const F a = add(add(parts[0], parts[2]), add(parts[1], parts[3]));
      const __m128 b = _mm_add_ps(_mm256_castps256_ps128(a), _mm256_extractf128_ps(a, 1));
      const __m128 c = _mm_add_ps(b, _mm_movehl_ps(b, b));
      return _mm_cvtss_f32(_mm_add_ss(c, _mm_movehdup_ps(c)));
    }
  };

  // The largest lane; lanes hold no NaN.
  TALON_ALWAYS_INLINE static float max_of(F x) {
    const __m128 b = _mm_max_ps(_mm256_castps256_ps128(x), _mm256_extractf128_ps(x, 1));
    const __m128 c = _mm_max_ps(b, _mm_movehl_ps(b, b));
    return _mm_cvtss_f32(_mm_max_ss(c, _mm_movehdup_ps(c)));
  }

  // x where the byte is not 0, otherwise `other`.
  TALON_ALWAYS_INLINE static F where_byte(const uint8_t* bytes, F x, F other) {
    const __m128i raw = _mm_loadl_epi64(reinterpret_cast<const __m128i*>(bytes));
    const __m256i zero = _mm256_cmpeq_epi32(_mm256_cvtepu8_epi32(raw), _mm256_setzero_si256());
    return _mm256_blendv_ps(x, other, _mm256_castsi256_ps(zero));
  }

 private:
  TALON_ALWAYS_INLINE static __m256i first(int64_t n) {
    return _mm256_cmpgt_epi32(_mm256_set1_epi32(static_cast<int>(n)),
                              _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
  }
  TALON_ALWAYS_INLINE static F widen(__m128i bits) {
    return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(bits), 16));
  }
  TALON_ALWAYS_INLINE static __m128i narrow(F x) {
    const __m256i bits = _mm256_castps_si256(x);
    const __m256i top = _mm256_srli_epi32(bits, 16);
    const __m256i odd = _mm256_and_si256(top, _mm256_set1_epi32(1));
    const __m256i rounded = _mm256_srli_epi32(
        _mm256_add_epi32(_mm256_add_epi32(bits, _mm256_set1_epi32(0x7FFF)), odd), 16);
    const __m256i quiet = _mm256_or_si256(top, _mm256_set1_epi32(0x40));
    const __m256i is_nan = _mm256_castps_si256(_mm256_cmp_ps(x, x, _CMP_UNORD_Q));
    const __m256i result = _mm256_blendv_epi8(rounded, quiet, is_nan);
    return _mm_packus_epi32(_mm256_castsi256_si128(result), _mm256_extracti128_si256(result, 1));
  }
  TALON_ALWAYS_INLINE static F power_of_two(__m256i exponent) {
    return _mm256_castsi256_ps(
        _mm256_slli_epi32(_mm256_add_epi32(exponent, _mm256_set1_epi32(127)), 23));
  }
};

}  // namespace talon::ops
