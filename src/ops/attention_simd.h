// The attention of one row over a vector type, written once for AVX2 and AVX-512 (see
// attention_row.h for the order). `L` extends Avx2 or Avx512 by fma and lane sums. Included by one
// file per instruction set; all of internal linkage.
//
// A score is the sum of L::kWidth chains over channels modulo kWidth, added in L's tree. Tokens and
// heads are only visited in blocks, to use each loaded key for several heads. T is the type of q
// and out, P that of the planes.
#pragma once

#include <immintrin.h>

#include <cstdint>
#include <type_traits>

#include "core/dtype.h"
#include "ops/attention_row.h"
#include "ops/cpu_math.h"

namespace talon::ops::cpu {
namespace {

constexpr int64_t kHeadsAtOnce = 16;  // M3 has 16 query heads a KV head

constexpr int64_t smaller(int64_t a, int64_t b) { return a < b ? a : b; }

struct AttentionScratch {
  alignas(64) float q[kHeadsAtOnce][kMaxHeadDim];
  alignas(64) float out[kHeadsAtOnce][kMaxHeadDim];
  alignas(64) float weights[kHeadsAtOnce][kPageTokens];
  alignas(64) float key_scales[kPageTokens];  // of the page, with planes of e4m3
  alignas(64) float value_scales[kPageTokens];
  float max[kHeadsAtOnce];
  float sum[kHeadsAtOnce];
};

// One page of a row: the first token's key and value, and how many tokens are visible.
template <class P>
struct PageView {
  const P* keys;
  const P* values;
  int64_t key_stride;
  int64_t value_stride;
  int64_t tokens;
};

// The scores of kHeads heads with two tokens. Behind the last visible token it is scored again, so
// that no key past it is touched; the second score is then scratch.
template <class L, class P, int kHeads>
TALON_ALWAYS_INLINE void score_block(
    AttentionScratch& s, const PageView<P>& page, int64_t head, int64_t token, int64_t dim) {
  using F = typename L::F;
  const P* first = page.keys + token * page.key_stride;
  const P* second = token + 1 < page.tokens ? first + page.key_stride : first;
  F sums[2 * kHeads];
#pragma GCC unroll 8
  for (int i = 0; i < 2 * kHeads; ++i) {
    sums[i] = L::set1(0.0F);
  }
  for (int64_t d = 0; d < dim; d += L::kWidth) {
    const F a = L::load(first + d);
    const F b = L::load(second + d);
#pragma GCC unroll 4
    for (int h = 0; h < kHeads; ++h) {
      const F q = L::load(s.q[head + h] + d);
      sums[2 * h] = L::fma(q, a, sums[2 * h]);
      sums[2 * h + 1] = L::fma(q, b, sums[2 * h + 1]);
    }
  }
  if constexpr (kHeads == 4) {
    alignas(32) float scores[8];
    _mm256_store_ps(scores, L::sums_of_eight(sums));
#pragma GCC unroll 4
    for (int64_t h = 0; h < kHeads; ++h) {
      s.weights[head + h][token] = scores[2 * h];
      s.weights[head + h][token + 1] = scores[2 * h + 1];
    }
  } else {
#pragma GCC unroll 4
    for (int h = 0; h < kHeads; ++h) {
      s.weights[head + h][token] = L::sum_of(sums[2 * h]);
      s.weights[head + h][token + 1] = L::sum_of(sums[2 * h + 1]);
    }
  }
}

template <class L, class P, int kHeads>
[[gnu::noinline]] void score_heads(AttentionScratch& s,
                                   const PageView<P>& page,
                                   int64_t head,
                                   int64_t dim) {
  for (int64_t j = 0; j < page.tokens; j += 2) {
    score_block<L, P, kHeads>(s, page, head, j, dim);
  }
}

// out += weights x values for kHeads heads and kVectors vectors of channels from `d` on.
template <class L, class P, int kHeads, int kVectors>
TALON_ALWAYS_INLINE void value_block(AttentionScratch& s,
                                     const PageView<P>& page,
                                     int64_t head,
                                     int64_t d) {
  using F = typename L::F;
  F sums[kHeads][kVectors];
#pragma GCC unroll 4
  for (int h = 0; h < kHeads; ++h) {
#pragma GCC unroll 4
    for (int v = 0; v < kVectors; ++v) {
      sums[h][v] = L::load(s.out[head + h] + d + v * L::kWidth);
    }
  }
  const P* values = page.values + d;
  for (int64_t j = 0; j < page.tokens; ++j, values += page.value_stride) {
    F value[kVectors];
#pragma GCC unroll 4
    for (int v = 0; v < kVectors; ++v) {
      value[v] = L::load(values + v * L::kWidth);
    }
#pragma GCC unroll 4
    for (int h = 0; h < kHeads; ++h) {
      const F weight = L::set1(s.weights[head + h][j]);
#pragma GCC unroll 4
      for (int v = 0; v < kVectors; ++v) {
        sums[h][v] = L::fma(weight, value[v], sums[h][v]);
      }
    }
  }
#pragma GCC unroll 4
  for (int h = 0; h < kHeads; ++h) {
#pragma GCC unroll 4
    for (int v = 0; v < kVectors; ++v) {
      L::store(s.out[head + h] + d + v * L::kWidth, sums[h][v]);
    }
  }
}

template <class L, class P, int kHeads>
[[gnu::noinline]] void add_values(AttentionScratch& s,
                                  const PageView<P>& page,
                                  int64_t head,
                                  int64_t dim) {
  int64_t d = 0;
  for (; d + 2 * L::kWidth <= dim; d += 2 * L::kWidth) {
    value_block<L, P, kHeads, 2>(s, page, head, d);
  }
  for (; d < dim; d += L::kWidth) {
    value_block<L, P, kHeads, 1>(s, page, head, d);
  }
}

// Calls body.template operator()<kHeads>(first_head) for blocks of 4 heads and a rest.
template <class Body>
TALON_ALWAYS_INLINE void for_each_head_block(int64_t heads, const Body& body) {
  int64_t head = 0;
  for (; head + 4 <= heads; head += 4) {
    body.template operator()<4>(head);
  }
  switch (heads - head) {
    case 3:
      return body.template operator()<3>(head);
    case 2:
      return body.template operator()<2>(head);
    case 1:
      return body.template operator()<1>(head);
    default:
      return;
  }
}

// The scales of a page's tokens side by side. Behind the visible ones they are as weigh_head wants
// its padding: the last score again, and no weight.
inline void load_scales(AttentionScratch& s,
                        const AttentionRow& row,
                        int64_t page,
                        int64_t tokens) {
  const auto* keys =
      static_cast<const float*>(row.key_scales.data) + page * row.key_scales.page_stride;
  const auto* values =
      static_cast<const float*>(row.value_scales.data) + page * row.value_scales.page_stride;
  for (int64_t j = 0; j < tokens; ++j) {
    s.key_scales[j] = keys[j * row.key_scales.token_stride];
    s.value_scales[j] = values[j * row.value_scales.token_stride];
  }
  for (int64_t j = tokens; j < kPageTokens; ++j) {
    s.key_scales[j] = s.key_scales[tokens - 1];
    s.value_scales[j] = 0.0F;
  }
}

// Turns the scores of a head into weights and rescales what earlier pages gave. Lanes past the
// visible tokens are made to weigh nothing, so whole vectors serve for any number of tokens.
template <class L, bool kScaled>
void weigh_head(AttentionScratch& s, int64_t head, int64_t tokens, int64_t dim, float scale) {
  using F = typename L::F;
  float* weights = s.weights[head];
  const int64_t padded = (tokens + L::kWidth - 1) / L::kWidth * L::kWidth;
  for (int64_t j = tokens; j < padded; ++j) {
    weights[j] = weights[tokens - 1];
  }
  const float old_max = s.max[head];
  F max = L::set1(old_max);
  for (int64_t j = 0; j < padded; j += L::kWidth) {
    F score = L::load(weights + j);
    if constexpr (kScaled) {
      score = L::mul(score, L::load(s.key_scales + j));
    }
    score = L::mul(score, L::set1(scale));
    L::store(weights + j, score);
    max = L::max(score, max);  // a NaN score is passed over here and stays in the sum
  }
  s.max[head] = L::max_of(max);
  const F new_max = L::set1(s.max[head]);
  const F shrink = L::exp(L::sub(L::set1(old_max), new_max));
  for (int64_t j = 0; j < padded; j += L::kWidth) {
    L::store(weights + j, L::exp(L::sub(L::load(weights + j), new_max)));
  }
  for (int64_t j = tokens; j < padded; ++j) {
    weights[j] = 0.0F;
  }
  F sum = L::set1(0.0F);
  for (int64_t j = 0; j < padded; j += L::kWidth) {
    sum = L::add(sum, L::load(weights + j));
  }
  s.sum[head] = s.sum[head] * L::first_of(shrink) + L::sum_of(sum);
  if constexpr (kScaled) {
    for (int64_t j = 0; j < padded; j += L::kWidth) {
      L::store(weights + j, L::mul(L::load(weights + j), L::load(s.value_scales + j)));
    }
  }
  for (int64_t d = 0; d < dim; d += L::kWidth) {
    L::store(s.out[head] + d, L::mul(L::load(s.out[head] + d), shrink));
  }
}

template <class L, class P>
void add_page(const AttentionRow& row,
              AttentionScratch& s,
              const PageView<P>& page,
              int64_t heads) {
  for_each_head_block(heads, [&]<int kHeads>(int64_t head) {
    score_heads<L, P, kHeads>(s, page, head, row.head_dim);
  });
  for (int64_t h = 0; h < heads; ++h) {
    weigh_head<L, std::is_same_v<P, e4m3>>(s, h, page.tokens, row.head_dim, row.scale);
  }
  for_each_head_block(heads, [&]<int kHeads>(int64_t head) {
    add_values<L, P, kHeads>(s, page, head, row.head_dim);
  });
}

template <class L, class T>
void start_heads(const AttentionRow& row, AttentionScratch& s, int64_t first, int64_t heads) {
  for (int64_t h = 0; h < heads; ++h) {
    const T* q = static_cast<const T*>(row.q) + (first + h) * row.head_dim;
    for (int64_t d = 0; d < row.head_dim; d += L::kWidth) {
      L::store(s.q[h] + d, L::load(q + d));
      L::store(s.out[h] + d, L::set1(0.0F));
    }
    s.max[h] = -__builtin_inff();
    s.sum[h] = 0.0F;
  }
}

template <class L, class T>
void finish_heads(const AttentionRow& row,
                  const AttentionScratch& s,
                  int64_t first,
                  int64_t heads) {
  for (int64_t h = 0; h < heads; ++h) {
    T* out = static_cast<T*>(row.out) + (first + h) * row.head_dim;
    const auto sum = L::set1(s.sum[h]);
    for (int64_t d = 0; d < row.head_dim; d += L::kWidth) {
      L::store(out + d, L::div(L::load(s.out[h] + d), sum));
    }
  }
}

template <class L, class T, class P>
void attend_row(const AttentionRow& row) {
  AttentionScratch s;
  const int64_t own = row.position / kPageTokens;
  const int64_t entries = row.blocks == nullptr ? own + 1 : row.num_blocks;
  for (int64_t first = 0; first < row.num_heads; first += kHeadsAtOnce) {
    const int64_t heads = smaller(kHeadsAtOnce, row.num_heads - first);
    start_heads<L, T>(row, s, first, heads);
    for (int64_t n = 0; n < entries; ++n) {
      const int64_t block = row.blocks == nullptr ? n : row.blocks[n];
      if (block < 0) {
        break;
      }
      const int64_t id = row.pages[block];
      const int64_t tokens = smaller(kPageTokens, row.position + 1 - block * kPageTokens);
      if constexpr (std::is_same_v<P, e4m3>) {
        load_scales(s, row, id, tokens);
      }
      add_page<L, P>(
          row, s,
          {.keys = static_cast<const P*>(row.keys.data) + id * row.keys.page_stride,
           .values = static_cast<const P*>(row.values.data) + id * row.values.page_stride,
           .key_stride = row.keys.token_stride,
           .value_stride = row.values.token_stride,
           .tokens = tokens},
          heads);
    }
    finish_heads<L, T>(row, s, first, heads);
  }
}

}  // namespace
}  // namespace talon::ops::cpu
