// The inner part of `attention` on the CPU: one row of a step and the query heads of one KV head.
// Plain pointers only, as in tile_product.h.
//
// For each page in ascending order, per head and in float32: the scores of its visible tokens times
// the scale, their maximum, and with the greater of it and the maximum so far
//   sum = sum * exp(old - new) + sum_j exp(s_j - new),   out = out * exp(old - new) + sum_j p_j v_j
// over tokens ascending. The page is the only cut, so a list of all pages is the dense form. With
// planes of e4m3, k_j being codes, s_j is (q . k_j) times the key's scale times the scale, and v_j
// meets p_j times the value's scale.
#pragma once

#include <cstdint>

#include "core/cpu_path.h"

namespace talon::ops::cpu {

inline constexpr int64_t kPageTokens = 128;
inline constexpr int64_t kMaxHeadDim = 256;

// A key or value plane at one KV head, strides in elements.
struct PlaneAtHead {
  const void* data = nullptr;
  int64_t page_stride = 0;
  int64_t token_stride = 0;
};

struct AttentionRow {
  const void* q = nullptr;  // [num_heads, head_dim] contiguous
  void* out = nullptr;      // the same
  PlaneAtHead keys;
  PlaneAtHead values;
  PlaneAtHead key_scales;  // f32, one a token; no data: the planes are not e4m3
  PlaneAtHead value_scales;
  const int32_t* pages = nullptr;   // page ids of the sequence
  const int32_t* blocks = nullptr;  // page numbers ascending, -1 at the end; null: all
  int64_t num_blocks = 0;
  int64_t num_heads = 0;
  int64_t head_dim = 0;
  int32_t position = 0;  // >= 0
  float scale = 0.0F;
};

using AttentionRowKernel = void (*)(const AttentionRow&);

// T, of q and out, is float or bf16; P, of the planes, is T or e4m3. The vector kernels need
// head_dim to be a multiple of kVectorHeadDim.
inline constexpr int64_t kVectorHeadDim = 16;
template <class T, class P>
void attention_row_scalar(const AttentionRow& row);
template <class T, class P>
void attention_row_avx2(const AttentionRow& row);
template <class T, class P>
void attention_row_avx512(const AttentionRow& row);

}  // namespace talon::ops::cpu
