// The vector type of attention and index_topk for AVX-512. A sum first adds the two halves.
#pragma once

#include <immintrin.h>

#include "ops/cpu_math.h"
#include "ops/cpu_math_avx512.h"
#include "ops/sum_tree.h"

namespace talon::ops::cpu {
namespace {

struct Lanes : Avx512 {
  TALON_ALWAYS_INLINE static F fma(F a, F b, F c) { return _mm512_fmadd_ps(a, b, c); }
  TALON_ALWAYS_INLINE static float first_of(F x) { return _mm512_cvtss_f32(x); }
  TALON_ALWAYS_INLINE static float sum_of(F x) { return SumTree::of(halves(x)); }
  TALON_ALWAYS_INLINE static __m256 sums_of_eight(const F (&x)[8]) {
    const __m256 eight[8] = {halves(x[0]), halves(x[1]), halves(x[2]), halves(x[3]),
                             halves(x[4]), halves(x[5]), halves(x[6]), halves(x[7])};
    return SumTree::of_eight(eight);
  }

 private:
  TALON_ALWAYS_INLINE static __m256 halves(F x) {
    return _mm256_add_ps(_mm512_castps512_ps256(x), _mm512_extractf32x8_ps(x, 1));
  }
};

}  // namespace
}  // namespace talon::ops::cpu
