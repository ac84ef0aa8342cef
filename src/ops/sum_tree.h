// Sums over the lanes of vectors, for attention and index_topk. For files compiled with AVX2 or
// more only. Every form adds the lanes x0 .. x7 in one tree,
//   ((x0 + x2) + (x1 + x3)) + ((x4 + x6) + (x5 + x7)),
// so that a sum has the same bits alone and among eight.
#pragma once

#include <immintrin.h>

#include "ops/cpu_math.h"

namespace talon::ops {

struct SumTree {
  TALON_ALWAYS_INLINE static float of(__m256 x) {
    const __m256 pairs = _mm256_add_ps(x, _mm256_permute_ps(x, 0b01001110));
    const __m256 fours = _mm256_add_ps(pairs, _mm256_permute_ps(pairs, 0b10110001));
    return _mm_cvtss_f32(
        _mm_add_ss(_mm256_castps256_ps128(fours), _mm256_extractf128_ps(fours, 1)));
  }

  // Lane i is the sum of x[i].
  TALON_ALWAYS_INLINE static __m256 of_eight(const __m256 (&x)[8]) {
    const __m256 low = fours(twos(x[0], x[1]), twos(x[2], x[3]));
    const __m256 high = fours(twos(x[4], x[5]), twos(x[6], x[7]));
    return _mm256_add_ps(_mm256_permute2f128_ps(low, high, 0x20),
                         _mm256_permute2f128_ps(low, high, 0x31));
  }

 private:
  // In each half [a0 + a2, b0 + b2, a1 + a3, b1 + b3].
  TALON_ALWAYS_INLINE static __m256 twos(__m256 a, __m256 b) {
    return _mm256_add_ps(_mm256_unpacklo_ps(a, b), _mm256_unpackhi_ps(a, b));
  }
  TALON_ALWAYS_INLINE static __m256 fours(__m256 ab, __m256 cd) {
    return _mm256_add_ps(_mm256_shuffle_ps(ab, cd, 0x44), _mm256_shuffle_ps(ab, cd, 0xEE));
  }
};

}  // namespace talon::ops
