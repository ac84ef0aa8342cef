#include <immintrin.h>

#include <cstdint>

#include "core/dtype.h"
#include "ops/cpu_math.h"
#include "ops/cpu_math_avx2.h"
#include "ops/linear_simd.h"
#include "ops/tile_product.h"

namespace talon::ops::cpu {
namespace {

// 16 registers: 8 chains cover the latency of 4 cycles at 2 a cycle, 4 hold weights, 2 hold x.
struct Lanes : Avx2 {
  static constexpr int kMaxBlock = 4;

  TALON_ALWAYS_INLINE static F fma(F a, F b, F c) { return _mm256_fmadd_ps(a, b, c); }

  // 8 pairs of bf16: a float's upper half is the bf16, so a shift or a mask widens.
  template <int kOdd>
  TALON_ALWAYS_INLINE static F load_of_pairs(const bf16* p) {
    const __m256i raw = _mm256_load_si256(reinterpret_cast<const __m256i*>(p));
    return _mm256_castsi256_ps(kOdd == 1 ? _mm256_and_si256(raw, _mm256_set1_epi32(~0xFFFF))
                                         : _mm256_slli_epi32(raw, 16));
  }

  TALON_ALWAYS_INLINE static void load_e2m1(const uint8_t* p, F& even, F& odd) {
    const __m256i raw = _mm256_cvtepu8_epi32(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(p)));
    even = e2m1(raw);
    odd = e2m1(_mm256_srli_epi32(raw, 4));
  }

  TALON_ALWAYS_INLINE static F load_e8m0(const uint8_t* p) {
    const __m256i raw = _mm256_cvtepu8_epi32(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(p)));
    const __m256i is_zero = _mm256_cmpeq_epi32(raw, _mm256_setzero_si256());
    const __m256i is_nan = _mm256_cmpeq_epi32(raw, _mm256_set1_epi32(255));
    const __m256i tiny = _mm256_and_si256(is_zero, _mm256_set1_epi32(1 << 22));  // 2^-127
    const __m256i bits = _mm256_or_si256(_mm256_slli_epi32(raw, 23), tiny);
    return _mm256_castsi256_ps(_mm256_or_si256(bits, is_nan));
  }

 private:
  // The permutation reads the low 3 bits of each lane, the magnitude; bit 3 is the sign.
  TALON_ALWAYS_INLINE static F e2m1(__m256i code) {
    const F magnitudes = _mm256_setr_ps(0.0F, 0.5F, 1.0F, 1.5F, 2.0F, 3.0F, 4.0F, 6.0F);
    const __m256i sign = _mm256_slli_epi32(_mm256_and_si256(code, _mm256_set1_epi32(8)), 28);
    return _mm256_or_ps(_mm256_permutevar8x32_ps(magnitudes, code), _mm256_castsi256_ps(sign));
  }
};

}  // namespace

void tile_product_avx2(const TileProduct& p) { fma_product<Lanes>(p); }

}  // namespace talon::ops::cpu
