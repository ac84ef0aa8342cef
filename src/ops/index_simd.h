// index_page.h over a vector type, written once for AVX2 and AVX-512. `L` extends Avx2 or Avx512 by
// fma and lane sums. A score is the sum of L::kWidth chains over channels modulo kWidth, added in
// the tree of sum_tree.h. T is the type of q, P that of the keys. Included by one file per
// instruction set; all of internal linkage.
#pragma once

#include <immintrin.h>

#include <cstddef>
#include <cstdint>

#include "core/dtype.h"
#include "ops/cpu_math.h"
#include "ops/index_page.h"

namespace talon::ops::cpu {
namespace {

// Eight scores at a time: kHeads heads against 8 / kHeads tokens, kept as the best of eight lanes,
// head by head. Behind the last visible token it is scored again.
template <class L, class T, class P, int kHeads>
void best_of_heads(const IndexPage& page, int64_t head) {
  using F = typename L::F;
  constexpr int kTokens = 8 / kHeads;
  const T* q = static_cast<const T*>(page.q) + head * page.dim;
  __m256 best = _mm256_set1_ps(-__builtin_inff());
  for (int64_t j = 0; j < page.num_tokens; j += kTokens) {
    const P* keys[kTokens];
    for (int i = 0; i < kTokens; ++i) {
      const int64_t token = j + i < page.num_tokens ? j + i : page.num_tokens - 1;
      keys[i] = static_cast<const P*>(page.keys) + token * page.key_stride;
    }
    F sums[8];
#pragma GCC unroll 8
    for (int i = 0; i < 8; ++i) {
      sums[i] = L::set1(0.0F);
    }
    for (int64_t d = 0; d < page.dim; d += L::kWidth) {
      F key[kTokens];
#pragma GCC unroll 8
      for (int i = 0; i < kTokens; ++i) {
        key[i] = L::load(keys[i] + d);
      }
#pragma GCC unroll 8
      for (int i = 0; i < 8; ++i) {
        sums[i] = L::fma(L::load(q + i / kTokens * page.dim + d), key[i % kTokens], sums[i]);
      }
    }
    best = _mm256_max_ps(L::sums_of_eight(sums), best);  // a NaN score gives `best`
  }
  alignas(32) float lanes[8];
  _mm256_store_ps(lanes, best);
  for (int h = 0; h < kHeads; ++h) {
    const float* of_head = lanes + std::ptrdiff_t{h} * kTokens;
    float highest = of_head[0];
    for (int i = 1; i < kTokens; ++i) {
      highest = of_head[i] > highest ? of_head[i] : highest;
    }
    page.best[head + h] = highest;
  }
}

template <class L, class T, class P>
void best_of_page(const IndexPage& page) {
  int64_t head = 0;
  for (; head + 4 <= page.num_heads; head += 4) {
    best_of_heads<L, T, P, 4>(page, head);
  }
  for (; head + 2 <= page.num_heads; head += 2) {
    best_of_heads<L, T, P, 2>(page, head);
  }
  if (head < page.num_heads) {
    best_of_heads<L, T, P, 1>(page, head);
  }
}

}  // namespace
}  // namespace talon::ops::cpu
