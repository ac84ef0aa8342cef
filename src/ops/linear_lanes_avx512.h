// The vector type of the tile product for AVX-512, for linear_avx512.cc and linear_amx.cc.
#pragma once

#include <immintrin.h>

#include <cstdint>

#include "core/dtype.h"
#include "ops/cpu_math.h"
#include "ops/cpu_math_avx512.h"
#include "ops/linear_simd.h"

namespace talon::ops::cpu {
namespace {

// 32 registers: 16 hold sums (4 rows of 4 tiles), 8 the broadcast x, the rest weights.
struct Lanes : Avx512 {
  static constexpr int kMaxBlock = 16;

  TALON_ALWAYS_INLINE static F fma(F a, F b, F c) { return _mm512_fmadd_ps(a, b, c); }

  template <int kOdd>
  TALON_ALWAYS_INLINE static F load_of_pairs(const bf16* p) {
    const __m512i raw = _mm512_load_si512(p);
    return _mm512_castsi512_ps(kOdd == 1 ? _mm512_and_si512(raw, _mm512_set1_epi32(~0xFFFF))
                                         : _mm512_slli_epi32(raw, 16));
  }

  TALON_ALWAYS_INLINE static void load_e2m1(const uint8_t* p, F& even, F& odd) {
    const __m512i raw = load_bytes(p);
    even = e2m1(raw);
    odd = e2m1(_mm512_srli_epi32(raw, 4));
  }

  TALON_ALWAYS_INLINE static F load_e8m0(const uint8_t* p) {
    const __m512i raw = load_bytes(p);
    __m512i bits = _mm512_slli_epi32(raw, 23);
    const __mmask16 is_zero = _mm512_cmpeq_epi32_mask(raw, _mm512_setzero_si512());
    const __mmask16 is_nan = _mm512_cmpeq_epi32_mask(raw, _mm512_set1_epi32(255));
    bits = _mm512_mask_blend_epi32(is_zero, bits, _mm512_set1_epi32(1 << 22));  // 2^-127
    bits = _mm512_mask_blend_epi32(is_nan, bits, _mm512_set1_epi32(0x7FC00000));
    return _mm512_castsi512_ps(bits);
  }

 private:
  TALON_ALWAYS_INLINE static __m512i load_bytes(const uint8_t* p) {
    return _mm512_cvtepu8_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p)));
  }

  // The permutation reads the low 4 bits of each lane: sign and magnitude.
  TALON_ALWAYS_INLINE static F e2m1(__m512i code) {
    const F table = _mm512_setr_ps(0.0F, 0.5F, 1.0F, 1.5F, 2.0F, 3.0F, 4.0F, 6.0F, -0.0F, -0.5F,
                                   -1.0F, -1.5F, -2.0F, -3.0F, -4.0F, -6.0F);
    return _mm512_permutexvar_ps(code, table);
  }
};

}  // namespace
}  // namespace talon::ops::cpu
