// The vector type of attention and index_topk for AVX2.
#pragma once

#include <immintrin.h>

#include "ops/cpu_math.h"
#include "ops/cpu_math_avx2.h"
#include "ops/sum_tree.h"

namespace talon::ops::cpu {
namespace {

struct Lanes : Avx2 {
  TALON_ALWAYS_INLINE static F fma(F a, F b, F c) { return _mm256_fmadd_ps(a, b, c); }
  TALON_ALWAYS_INLINE static float first_of(F x) { return _mm256_cvtss_f32(x); }
  TALON_ALWAYS_INLINE static float sum_of(F x) { return SumTree::of(x); }
  TALON_ALWAYS_INLINE static __m256 sums_of_eight(const F (&x)[8]) { return SumTree::of_eight(x); }
};

}  // namespace
}  // namespace talon::ops::cpu
