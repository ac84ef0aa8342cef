// What the kernels of attention share: the call's parameters, where tokens of a page lie, and how a
// row's pages are cut into chunks.
//
// A row's chunks are cut by its own length alone, at most 32. How many of them run side by side,
// and with which other rows, is a matter of the grid. So a row's bits depend neither on its company
// nor on the grid, and a list of all pages gives those of the dense form.
#pragma once

#include <type_traits>

#include "base/ids.h"
#include "core/dtype.h"
#include "ops/cuda_kernel.cuh"
#include "ops/row_units.cuh"

namespace talon::ops::cuda {

inline constexpr int kMaxChunks = 32;
static_assert(kMaxChunks <= kWarpSize);  // a lane for each

struct PagedPlane {
  const void* data;
  int64_t page_stride;
  int64_t token_stride;
  int64_t head_stride;
};

template <class T>
struct AttentionParams {
  T* out;      // [T, H * D]
  const T* q;  // [T, H, D]
  PagedPlane keys;
  PagedPlane values;
  PagedPlane key_scales;  // f32, one a token; with planes of e4m3
  PagedPlane value_scales;
  const int32_t* page_table;    // [B, P]
  const int32_t* row_sequence;  // [T]
  const int32_t* positions;     // [T]
  const int32_t* blocks;        // [T, G, N] or null
  float* parts;                 // [rows of this launch, H, kMaxChunks, D + 2]
  RowUnits units;
  int64_t out_stride;
  int64_t page_table_stride;
  int first_row;  // of this launch
  int num_heads;  // H
  int num_groups;
  int list_size;  // N
  int dim;        // D
  float scale;
};

// A token of a page at a head.
struct TokenPlace {
  int64_t page;
  int token;
  int group;
};

template <class P>
__device__ const P* place_in(const PagedPlane& plane, const TokenPlace& at) {
  return static_cast<const P*>(plane.data) + at.page * plane.page_stride +
         at.token * plane.token_stride + at.group * plane.head_stride;
}

// The tokens of a page from one on, in a plane and in its scales.
template <class P>
struct Tokens {
  const P* first;
  int64_t stride;
  const float* scales;  // null: none
  int64_t scale_stride;
  int visible;  // how many may be looked at

  __device__ float scale(int token) const {
    if constexpr (std::is_same_v<P, e4m3>) {
      return token < visible ? scales[token * scale_stride] : 0.0F;
    } else {
      return 1.0F;
    }
  }
};

template <class P>
__device__ Tokens<P> tokens_of(const PagedPlane& plane,
                               const PagedPlane& scales,
                               const TokenPlace& at,
                               int visible) {
  Tokens<P> tokens = {};
  tokens.first = place_in<P>(plane, at);
  tokens.stride = plane.token_stride;
  if constexpr (std::is_same_v<P, e4m3>) {
    tokens.scales = place_in<float>(scales, at);
    tokens.scale_stride = scales.token_stride;
  }
  tokens.visible = visible;
  return tokens;
}

__device__ inline int pages_of_chunk(int num_entries) {
  return max(1, (num_entries + kMaxChunks - 1) / kMaxChunks);
}

// The pages that a row of one group looks at, and how they are cut.
struct RowPages {
  const int32_t* pages;  // ids of the sequence
  const int32_t* list;   // page numbers, null: all
  int position;
  int num_entries;
  int chunk_pages;
  int num_chunks;

  __device__ int page_number(int entry) const { return list == nullptr ? entry : list[entry]; }
};

// Entries in front of the first -1, by a whole warp: one load each, all at once.
__device__ inline int count_entries(const int32_t* list, int size) {
  int count = 0;
  for (int first = 0; first < size; first += kWarpSize) {
    const int i = first + static_cast<int>(threadIdx.x % kWarpSize);
    count += __popc(__ballot_sync(kAllLanes, i < size && list[i < size ? i : 0] >= 0));
  }
  return count;
}

template <class T>
__device__ RowPages row_pages(const AttentionParams<T>& p, int t, int group) {
  RowPages row = {};
  row.position = p.positions[t];
  if (row.position < 0) {
    return row;
  }
  row.pages = p.page_table + p.row_sequence[t] * p.page_table_stride;
  row.num_entries = row.position / kPageTokens + 1;
  if (p.blocks != nullptr) {
    row.list = p.blocks + (int64_t{t} * p.num_groups + group) * p.list_size;
    row.num_entries = count_entries(row.list, p.list_size);
  }
  row.chunk_pages = pages_of_chunk(row.num_entries);
  row.num_chunks = max(1, (row.num_entries + row.chunk_pages - 1) / row.chunk_pages);
  return row;
}

template <class T>
__device__ float* part_of(const AttentionParams<T>& p, int t, int head, int chunk) {
  const int64_t row = int64_t{t - p.first_row} * p.num_heads + head;
  return p.parts + (row * kMaxChunks + chunk) * (p.dim + 2);
}

}  // namespace talon::ops::cuda
