// Attention over pages, at any number of rows, for dense layers and for lists of pages.
//
// `part` has a block for one row, 16 query heads of one KV head and a chunk of pages: the heads of
// a group are the 16 rows of an mma, so a page is read once for all of them. Each of four warps
// takes 32 tokens of every page and keeps its own maximum, sum and output; keys come from memory in
// the 16-byte pieces of ops/weight_tile.cuh, values through shared memory, which turns them. The
// warps' results are joined at the end of the chunk, and `merge` joins the chunks of a row.
//
// Planes of e4m3 become bf16 on their way: keys in registers, values as they enter shared memory. A
// key's scale meets its scores, a value's scale the weights.
//
// A row's chunks are cut by its own length alone, at most 32. How many of them
// run side by side is a matter of the grid. So a row's bits depend neither on its company nor on
// the grid, and a list of all pages gives those of the dense form.
//
// Bytes: 2 * D * 2 a token and KV head (e4m3: 2 * D + 8), read once per row; the rows of one
// sequence find them in the L2 cache. At 8k tokens an M3 rank reads 4 MB for a dense row, 1 MB for
// 16 pages.
#include "ops/attention.h"

#include <algorithm>
#include <type_traits>

#include "base/check.h"
#include "base/ids.h"
#include "ops/cuda_kernel.cuh"
#include "ops/e4m3.cuh"
#include "ops/kv_fp8.h"
#include "ops/mma.cuh"

namespace talon::ops::cuda {
namespace {

constexpr int kWarps = 4;
constexpr int kThreads = kWarps * kWarpSize;
constexpr int kWarpTokens = kPageTokens / kWarps;
constexpr int kMaxChunks = 32;
static_assert(kMaxChunks <= kWarpSize);  // merge has a lane for each
constexpr float kLog2E = 1.4426950408889634F;

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
__device__ int count_entries(const int32_t* list, int size) {
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
  row.chunk_pages = max(1, (row.num_entries + kMaxChunks - 1) / kMaxChunks);
  row.num_chunks = max(1, (row.num_entries + row.chunk_pages - 1) / row.chunk_pages);
  return row;
}

// A warp's running softmax over its tokens, for head g and head g + 8 of the tile.
template <int kDim>
struct WarpState {
  float max[2] = {-INFINITY, -INFINITY};  // of scores times log2 e
  float sum[2] = {0.0F, 0.0F};            // this lane's part of it
  float out[kDim / 8][4] = {};
};

template <int kDim>
using Queries = uint32_t[kDim / 16][4];

// Heads past the last one are zero.
template <int kDim>
__device__ void load_queries(Queries<kDim>& out, const bf16* q, int num_heads) {
  const int g = static_cast<int>(threadIdx.x % kWarpSize / 4);
  const int t = static_cast<int>(threadIdx.x % 4);
#pragma unroll
  for (int c = 0; c < kDim / 32; ++c) {
    uint4 rows[2] = {};
#pragma unroll
    for (int i = 0; i < 2; ++i) {
      if (g + 8 * i < num_heads) {
        rows[i] = *reinterpret_cast<const uint4*>(q + (g + 8 * i) * kDim + 32 * c + 8 * t);
      }
    }
    out[2 * c][0] = rows[0].x;
    out[2 * c][1] = rows[1].x;
    out[2 * c][2] = rows[0].y;
    out[2 * c][3] = rows[1].y;
    out[2 * c + 1][0] = rows[0].z;
    out[2 * c + 1][1] = rows[1].z;
    out[2 * c + 1][2] = rows[0].w;
    out[2 * c + 1][3] = rows[1].w;
  }
}

// Scores of the warp's 32 tokens, 4 tiles of 8, times `scale`; minus infinity behind the visible.
template <int kDim, class P>
__device__ void score_tokens(float (&scores)[kWarpTokens / 8][4],
                             const Queries<kDim>& q,
                             const Tokens<P>& keys,
                             float scale) {
  const int g = static_cast<int>(threadIdx.x % kWarpSize / 4);
  const int t = static_cast<int>(threadIdx.x % 4);
#pragma unroll
  for (int j = 0; j < kWarpTokens / 8; ++j) {
    uint4 pieces[kDim / 32];
#pragma unroll
    for (int c = 0; c < kDim / 32; ++c) {
      pieces[c] = uint4{0, 0, 0, 0};
      if (8 * j + g < keys.visible) {
        pieces[c] = load_eight(keys.first + (8 * j + g) * keys.stride + 32 * c + 8 * t);
      }
    }
    float sums[4] = {};
#pragma unroll
    for (int c = 0; c < kDim / 32; ++c) {
      mma_16x8x16(sums, q[2 * c], pieces[c].x, pieces[c].y);
      mma_16x8x16(sums, q[2 * c + 1], pieces[c].z, pieces[c].w);
    }
#pragma unroll
    for (int i = 0; i < 4; ++i) {
      const int token = 8 * j + 2 * t + i % 2;
      const float score = sums[i] * keys.scale(token) * scale;
      scores[j][i] = token < keys.visible ? score : -INFINITY;
    }
  }
}

// Turns scores into weights and shrinks what came before.
template <int kDim>
__device__ void weigh(WarpState<kDim>& state, float (&scores)[kWarpTokens / 8][4]) {
#pragma unroll
  for (int i = 0; i < 2; ++i) {
    float max = state.max[i];
#pragma unroll
    for (int j = 0; j < kWarpTokens / 8; ++j) {
      max = fmaxf(max, fmaxf(scores[j][2 * i], scores[j][2 * i + 1]));
    }
    max = fmaxf(max, __shfl_xor_sync(kAllLanes, max, 1));
    max = fmaxf(max, __shfl_xor_sync(kAllLanes, max, 2));
    const float shrink = state.max[i] == max ? 1.0F : exp2f(state.max[i] - max);
    state.max[i] = max;
    state.sum[i] *= shrink;
#pragma unroll
    for (int j = 0; j < kWarpTokens / 8; ++j) {
#pragma unroll
      for (int k = 2 * i; k < 2 * i + 2; ++k) {
        scores[j][k] = exp2f(scores[j][k] - max);
        state.sum[i] += scores[j][k];
      }
    }
#pragma unroll
    for (int n = 0; n < kDim / 8; ++n) {
      state.out[n][2 * i] *= shrink;
      state.out[n][2 * i + 1] *= shrink;
    }
  }
}

// Rows of values in shared memory are 16 bytes longer than they need be, against bank conflicts.
template <int kDim>
inline constexpr int kValueRow = kDim + 8;

template <int kDim>
__device__ void copy_values(uint16_t* to, const Tokens<bf16>& values) {
  constexpr int kPieces = kDim / 8;
  for (int i = static_cast<int>(threadIdx.x % kWarpSize); i < kWarpTokens * kPieces;
       i += kWarpSize) {
    const int token = i / kPieces;
    const int piece = i % kPieces;
    const bool exists = token < values.visible;
    copy_piece(to + token * kValueRow<kDim> + 8 * piece,
               values.first + (exists ? token : 0) * values.stride + 8 * piece, exists);
  }
}

template <int kDim>
__device__ void copy_values(uint16_t* to, const Tokens<e4m3>& values) {
  constexpr int kPieces = kDim / 8;
#pragma unroll 8
  for (int i = static_cast<int>(threadIdx.x % kWarpSize); i < kWarpTokens * kPieces;
       i += kWarpSize) {
    const int token = i / kPieces;
    const int piece = i % kPieces;
    uint4 eight = {0, 0, 0, 0};
    if (token < values.visible) {
      eight = load_eight(values.first + token * values.stride + 8 * piece);
    }
    *reinterpret_cast<uint4*>(to + token * kValueRow<kDim> + 8 * piece) = eight;
  }
}

// Weights of e4m3 values take their scales.
template <class P>
__device__ void scale_weights(float (&weights)[kWarpTokens / 8][4], const Tokens<P>& values) {
  if constexpr (std::is_same_v<P, e4m3>) {
    const int t = static_cast<int>(threadIdx.x % 4);
#pragma unroll
    for (int j = 0; j < kWarpTokens / 8; ++j) {
#pragma unroll
      for (int i = 0; i < 2; ++i) {
        const float scale = values.scale(8 * j + 2 * t + i);
        weights[j][i] *= scale;
        weights[j][2 + i] *= scale;
      }
    }
  }
}

// Weights as an operand of mma, in two parts whose sum they are within 2^-17, since the CPU keeps
// them in float32. The second part costs a product of 16 rows, not a byte.
struct WeightParts {
  uint32_t high[4];
  uint32_t low[4];
};

__device__ WeightParts weight_parts(const float (&first)[4], const float (&second)[4]) {
  const float2 pairs[4] = {
      {first[0], first[1]}, {first[2], first[3]}, {second[0], second[1]}, {second[2], second[3]}};
  WeightParts parts;
#pragma unroll
  for (int i = 0; i < 4; ++i) {
    const float2 rest = {pairs[i].x - to_float(rounded<bf16>(pairs[i].x)),
                         pairs[i].y - to_float(rounded<bf16>(pairs[i].y))};
    parts.high[i] = pack_pair(pairs[i].x, pairs[i].y);
    parts.low[i] = pack_pair(rest.x, rest.y);
  }
  return parts;
}

template <int kDim>
__device__ void add_values(WarpState<kDim>& state,
                           const float (&weights)[kWarpTokens / 8][4],
                           const uint16_t* values) {
  const int lane = static_cast<int>(threadIdx.x % kWarpSize);
#pragma unroll
  for (int k = 0; k < kWarpTokens / 16; ++k) {
    const WeightParts a = weight_parts(weights[2 * k], weights[2 * k + 1]);
#pragma unroll
    for (int n = 0; n < kDim / 16; ++n) {
      uint32_t b[4];
      load_transposed(b, values + (16 * k + lane % 16) * kValueRow<kDim> + 16 * n + lane / 16 * 8);
      mma_16x8x16(state.out[2 * n], a.low, b[0], b[1]);
      mma_16x8x16(state.out[2 * n + 1], a.low, b[2], b[3]);
      mma_16x8x16(state.out[2 * n], a.high, b[0], b[1]);
      mma_16x8x16(state.out[2 * n + 1], a.high, b[2], b[3]);
    }
  }
}

template <int kDim>
struct PartShared {
  union {
    alignas(16) uint16_t values[kWarps][kWarpTokens * kValueRow<kDim>];  // bits of bf16
    float out[16][kDim];
  };
  float max[kWarps][16];
  float sum[kWarps][16];
};

// One warp's output into the shared one.
template <int kDim>
__device__ void add_out(PartShared<kDim>& shared,
                        const WarpState<kDim>& state,
                        const float (&factor)[2],
                        bool is_first) {
  const int g = static_cast<int>(threadIdx.x % kWarpSize / 4);
  const int t = static_cast<int>(threadIdx.x % 4);
#pragma unroll
  for (int n = 0; n < kDim / 8; ++n) {
#pragma unroll
    for (int i = 0; i < 4; ++i) {
      float& out = shared.out[g + i / 2 * 8][8 * n + 2 * t + i % 2];
      const float own = state.out[n][i] * factor[i / 2];
      out = is_first ? own : out + own;
    }
  }
}

// Joins the warps' states: out, max and sum of the chunk in shared memory.
template <int kDim>
__device__ void join_warps(PartShared<kDim>& shared, WarpState<kDim>& state) {
  const int warp = static_cast<int>(threadIdx.x / kWarpSize);
  const int g = static_cast<int>(threadIdx.x % kWarpSize / 4);
  const int t = static_cast<int>(threadIdx.x % 4);
#pragma unroll
  for (int i = 0; i < 2; ++i) {
    float sum = state.sum[i];
    sum += __shfl_xor_sync(kAllLanes, sum, 1);
    sum += __shfl_xor_sync(kAllLanes, sum, 2);
    if (t == 0) {
      shared.max[warp][g + 8 * i] = state.max[i];
      shared.sum[warp][g + 8 * i] = sum;
    }
  }
  __syncthreads();  // from here on nobody reads values
  float factor[2];
#pragma unroll
  for (int i = 0; i < 2; ++i) {
    float max = -INFINITY;
    for (int w = 0; w < kWarps; ++w) {
      max = fmaxf(max, shared.max[w][g + 8 * i]);
    }
    // A warp that saw no token has nothing to add.
    factor[i] =
        state.max[i] == -INFINITY && state.sum[i] == 0.0F ? 0.0F : exp2f(state.max[i] - max);
  }
  for (int w = 0; w < kWarps; ++w) {
    if (warp == w) {
      add_out<kDim>(shared, state, factor, w == 0);
    }
    __syncthreads();
  }
}

struct Joined {
  float max;
  float sum;
};

template <int kDim>
__device__ Joined joined_sum(const PartShared<kDim>& shared, int head) {
  Joined joined = {-INFINITY, 0.0F};
  for (int w = 0; w < kWarps; ++w) {
    joined.max = fmaxf(joined.max, shared.max[w][head]);
  }
  for (int w = 0; w < kWarps; ++w) {
    const float sum = shared.sum[w][head];
    joined.sum += sum == 0.0F ? 0.0F : sum * exp2f(shared.max[w][head] - joined.max);
  }
  return joined;
}

template <int kDim, class P>
__device__ WarpState<kDim> run_chunk(const AttentionParams<bf16>& p,
                                     const RowPages& row,
                                     const Queries<kDim>& q,
                                     int2 group_chunk,
                                     uint16_t* shared_values) {
  const int first_token = static_cast<int>(threadIdx.x / kWarpSize) * kWarpTokens;
  const int begin = group_chunk.y * row.chunk_pages;
  const int end = min(row.num_entries, begin + row.chunk_pages);
  WarpState<kDim> state;
  for (int entry = begin; entry < end; ++entry) {
    const int number = row.page_number(entry);
    const int visible = row.position + 1 - number * kPageTokens - first_token;
    if (visible <= 0) {
      continue;
    }
    const TokenPlace at = {row.pages[number], first_token, group_chunk.x};
    const Tokens<P> keys = tokens_of<P>(p.keys, p.key_scales, at, visible);
    const Tokens<P> values = tokens_of<P>(p.values, p.value_scales, at, visible);
    __syncwarp();  // the values of the page before are used up
    copy_values<kDim>(shared_values, values);
    float scores[kWarpTokens / 8][4];
    score_tokens<kDim>(scores, q, keys, p.scale * kLog2E);
    weigh<kDim>(state, scores);
    scale_weights(scores, values);
    wait_for_copies();
    __syncwarp();
    add_values<kDim>(state, scores, shared_values);
  }
  return state;
}

template <class T>
__device__ float* part_of(const AttentionParams<T>& p, int t, int head, int chunk) {
  const int64_t row = int64_t{t - p.first_row} * p.num_heads + head;
  return p.parts + (row * kMaxChunks + chunk) * (p.dim + 2);
}

// The chunk's result: into the output if it is the only one, else into the workspace.
template <int kDim>
__device__ void store_chunk(const AttentionParams<bf16>& p,
                            const PartShared<kDim>& shared,
                            int2 row_head,
                            int2 chunk_count,
                            int num_heads) {
  for (int i = static_cast<int>(threadIdx.x); i < num_heads * kDim; i += kThreads) {
    const int head = i / kDim;
    const int d = i % kDim;
    const Joined joined = joined_sum<kDim>(shared, head);
    if (chunk_count.y == 1) {
      p.out[row_head.x * p.out_stride + (row_head.y + head) * kDim + d] =
          rounded<bf16>(shared.out[head][d] / joined.sum);
      continue;
    }
    float* part = part_of(p, row_head.x, row_head.y + head, chunk_count.x);
    part[d] = shared.out[head][d];
    if (d == 0) {
      part[kDim] = joined.max;
      part[kDim + 1] = joined.sum;
    }
  }
}

template <int kDim, class P>
__global__ void __launch_bounds__(kThreads) part_kernel(const AttentionParams<bf16> p) {
  await_previous();
  __shared__ PartShared<kDim> shared;
  const int t = p.first_row + static_cast<int>(blockIdx.z);
  const int group_heads = p.num_heads / p.num_groups;
  const int tiles = (group_heads + 15) / 16;
  const int group = static_cast<int>(blockIdx.y) / tiles;
  const int tile = static_cast<int>(blockIdx.y) % tiles;
  const int first_head = group * group_heads + 16 * tile;
  const int num_heads = min(16, group_heads - 16 * tile);
  const RowPages row = row_pages(p, t, group);
  if (row.position < 0) {
    for (int i = static_cast<int>(threadIdx.x); blockIdx.x == 0 && i < num_heads * kDim;
         i += kThreads) {
      p.out[t * p.out_stride + first_head * kDim + i] = bf16{0};
    }
    return;
  }
  Queries<kDim> q;
  load_queries<kDim>(q, p.q + (int64_t{t} * p.num_heads + first_head) * kDim, num_heads);
  for (int c = static_cast<int>(blockIdx.x); c < row.num_chunks; c += static_cast<int>(gridDim.x)) {
    WarpState<kDim> state =
        run_chunk<kDim, P>(p, row, q, {group, c}, shared.values[threadIdx.x / kWarpSize]);
    __syncthreads();
    join_warps<kDim>(shared, state);
    store_chunk<kDim>(p, shared, {t, first_head}, {c, row.num_chunks}, num_heads);
    __syncthreads();
  }
}

// One block a row and head.
__global__ void __launch_bounds__(kThreads) merge_kernel(const AttentionParams<bf16> p) {
  await_previous();
  const int t = p.first_row + static_cast<int>(blockIdx.x);
  const int head = static_cast<int>(blockIdx.y);
  const RowPages row = row_pages(p, t, head / (p.num_heads / p.num_groups));
  if (row.position < 0 || row.num_chunks == 1) {
    return;
  }
  const int stride = p.dim + 2;
  const float* parts = part_of(p, t, head, 0);
  // Every warp weighs the chunks for itself, a lane each.
  const int lane = static_cast<int>(threadIdx.x % kWarpSize);
  const bool exists = lane < row.num_chunks;
  const float* own = parts + (exists ? lane : 0) * stride + p.dim;
  const float own_max = exists ? own[0] : -INFINITY;
  const float max = warp_max(own_max);
  const float weight = exists ? exp2f(own_max - max) : 0.0F;
  const float sum = warp_sum(exists ? own[1] * weight : 0.0F);
  for (int first = 0; first < p.dim; first += kThreads) {
    const int d = first + static_cast<int>(threadIdx.x);
    float out = 0.0F;
#pragma unroll 8
    for (int c = 0; c < row.num_chunks; ++c) {
      const float chunk_weight = __shfl_sync(kAllLanes, weight, c);
      out += (d < p.dim ? parts[c * stride + d] : 0.0F) * chunk_weight;
    }
    if (d < p.dim) {
      p.out[t * p.out_stride + head * p.dim + d] = rounded<bf16>(out / sum);
    }
  }
}

constexpr int kMaxPlainDim = 256;

// Any dtypes and head size, one block a row and head, a thread a token of the page: for float32 and
// for head sizes that no model on a GPU has. Plain loops, no speed.
template <class T, class P>
__global__ void __launch_bounds__(kThreads) plain_kernel(const AttentionParams<T> p) {
  await_previous();
  __shared__ float weights[kPageTokens];  // times the values' scales
  __shared__ float query[kMaxPlainDim];
  __shared__ float scratch[kWarps];
  const int t = p.first_row + static_cast<int>(blockIdx.x);
  const int head = static_cast<int>(blockIdx.y);
  const int group = head / (p.num_heads / p.num_groups);
  const int thread = static_cast<int>(threadIdx.x);
  const RowPages row = row_pages(p, t, group);
  T* out = p.out + t * p.out_stride + head * p.dim;
  float sums[kMaxPlainDim / kThreads] = {};
  float max = -INFINITY;
  float total = 0.0F;
  for (int d = thread; d < p.dim; d += kThreads) {
    query[d] = to_float(p.q[(int64_t{t} * p.num_heads + head) * p.dim + d]);
  }
  for (int entry = 0; entry < row.num_entries; ++entry) {
    const int number = row.page_number(entry);
    const int visible = min(kPageTokens, row.position + 1 - number * kPageTokens);
    const TokenPlace at = {row.pages[number], 0, group};
    const Tokens<P> keys = tokens_of<P>(p.keys, p.key_scales, at, visible);
    const Tokens<P> values = tokens_of<P>(p.values, p.value_scales, at, visible);
    __syncthreads();
    float score = -INFINITY;
    if (thread < visible) {
      float dot = 0.0F;
      for (int d = 0; d < p.dim; ++d) {
        dot += query[d] * to_float(keys.first[thread * keys.stride + d]);
      }
      score = dot * keys.scale(thread) * p.scale;
    }
    const float warp_best = warp_max(score);
    if (thread % kWarpSize == 0) {
      scratch[thread / kWarpSize] = warp_best;
    }
    __syncthreads();
    float page_max = max;
    for (const float other : scratch) {
      page_max = fmaxf(page_max, other);
    }
    const float shrink = max == page_max ? 1.0F : expf(max - page_max);
    max = page_max;
    const float weight = thread < visible ? expf(score - max) : 0.0F;
    weights[thread] = weight * values.scale(thread);
    total = total * shrink + block_sum<kThreads>(weight, scratch);
    for (int i = 0; i < kMaxPlainDim / kThreads; ++i) {
      const int d = thread + i * kThreads;
      float sum = sums[i] * shrink;
      for (int j = 0; d < p.dim && j < visible; ++j) {
        sum += weights[j] * to_float(values.first[j * values.stride + d]);
      }
      sums[i] = sum;
    }
  }
  for (int i = 0; i < kMaxPlainDim / kThreads; ++i) {
    const int d = thread + i * kThreads;
    if (d < p.dim) {
      out[d] = rounded<T>(row.position < 0 ? 0.0F : sums[i] / total);
    }
  }
}

PagedPlane plane_of(const ConstTensorView& view) {
  return {.data = view.data(),
          .page_stride = view.stride(0),
          .token_stride = view.stride(1),
          .head_stride = view.stride(2)};
}

template <class T>
AttentionParams<T> params_of(const CudaContext& context, const AttentionArgs& args) {
  AttentionParams<T> p = {};
  p.out = args.out.as<T>();
  p.q = args.q.as<T>();
  p.keys = plane_of(args.key_plane);
  p.values = plane_of(args.value_plane);
  if (!args.key_scales.empty()) {
    p.key_scales = plane_of(args.key_scales);
    p.value_scales = plane_of(args.value_scales);
  }
  p.page_table = args.page_table.as<int32_t>();
  p.row_sequence = args.row_sequence.as<int32_t>();
  p.positions = args.positions.as<int32_t>();
  p.blocks = pointer_or_null<int32_t>(args.blocks);
  p.parts = reinterpret_cast<float*>(context.workspace());
  p.out_stride = args.out.stride(0);
  p.page_table_stride = args.page_table.stride(0);
  p.num_heads = static_cast<int>(args.q.size(1));
  p.num_groups = static_cast<int>(args.key_plane.size(2));
  p.list_size = args.blocks.empty() ? 0 : static_cast<int>(args.blocks.size(2));
  p.dim = static_cast<int>(args.q.size(2));
  p.scale = args.scale;
  return p;
}

bool is_wide(const ConstTensorView& view) {
  return reinterpret_cast<uintptr_t>(view.data()) % 16 == 0 && view.stride(0) % 8 == 0 &&
         view.stride(1) % 8 == 0;
}

// Rows whose parts fit the workspace run in one pair of launches.
template <int kDim, class P>
void run(const CudaContext& context, const AttentionArgs& args) {
  AttentionParams<bf16> params = params_of<bf16>(context, args);
  const int64_t num_rows = args.q.size(0);
  const int64_t row_bytes = int64_t{4} * params.num_heads * kMaxChunks * (kDim + 2);
  const int64_t rows_at_once = std::min<int64_t>(CudaContext::kWorkspaceBytes / row_bytes, 32768);
  TALON_CHECK(rows_at_once > 0, "attention: the parts of one row are over the workspace");
  const int tiles = (params.num_heads / params.num_groups + 15) / 16;
  for (int64_t first = 0; first < num_rows; first += rows_at_once) {
    const int64_t rows = std::min(rows_at_once, num_rows - first);
    const int64_t blocks = rows * params.num_groups * tiles;
    const int64_t wanted = ceil_div(int64_t{4} * context.info().num_multiprocessors, blocks);
    const int64_t side_by_side = std::min<int64_t>(kMaxChunks, wanted);
    params.first_row = static_cast<int>(first);
    launch({.grid =
                dim3(static_cast<unsigned>(side_by_side),
                     static_cast<unsigned>(params.num_groups * tiles), static_cast<unsigned>(rows)),
            .block = dim3(kThreads),
            .stream = context.stream_handle(),
            .dependent = true},
           part_kernel<kDim, P>, params);
    launch({.grid = dim3(static_cast<unsigned>(rows), static_cast<unsigned>(params.num_heads)),
            .block = dim3(kThreads),
            .stream = context.stream_handle(),
            .dependent = true},
           merge_kernel, params);
  }
}

template <class T, class P>
void run_plain(const CudaContext& context, const AttentionArgs& args) {
  const AttentionParams<T> params = params_of<T>(context, args);
  TALON_CHECK(params.dim <= kMaxPlainDim, "attention: a head of {} is over {}", params.dim,
              kMaxPlainDim);
  launch(
      {.grid = dim3(static_cast<unsigned>(args.q.size(0)), static_cast<unsigned>(params.num_heads)),
       .block = dim3(kThreads),
       .stream = context.stream_handle(),
       .dependent = true},
      plain_kernel<T, P>, params);
}

// bf16 queries over planes of P.
template <class P>
void run_wide(const CudaContext& context, const AttentionArgs& args) {
  const bool wide = is_wide(args.q) && is_wide(args.key_plane) && is_wide(args.value_plane);
  switch (wide ? args.q.size(2) : 0) {
    case 32:
      return run<32, P>(context, args);
    case 64:
      return run<64, P>(context, args);
    case 128:
      return run<128, P>(context, args);
    default:
      return run_plain<bf16, P>(context, args);
  }
}

}  // namespace

void attention(CudaContext& context, const AttentionArgs& args) {
  dispatch_plane(args.q.dtype(), args.key_plane.dtype(), [&]<class T, class P>() {
    if constexpr (std::is_same_v<T, bf16>) {
      run_wide<P>(context, args);
    } else {
      run_plain<T, P>(context, args);
    }
  });
}

}  // namespace talon::ops::cuda
