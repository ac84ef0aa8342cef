// The kernel that reads pages: a block for a unit of rows, 16 query heads of one KV head and a
// share of the chunks. A page comes into shared memory once for all rows of the unit that look at
// it: that is what makes the rows of a verify cheap, whose bytes are those of one row.
//
// A row has four warps; each takes 32 tokens of every page and keeps its own maximum, sum and
// output. The heads of a group are the 16 rows of an mma. Keys are read in the 16-byte pieces of
// ops/weight_tile.cuh, values are turned by ldmatrix. The warps' results are joined at the end of a
// chunk; `merge` (attention_cuda.cu) joins the chunks of a row.
//
// Rows that attend to lists have lists of their own, mostly of the same pages. Up to 32 pages long
// every entry is a chunk, so the block goes through the pages that any of its rows lists, and a row
// takes part where it does.
//
// Planes of e4m3 become bf16 as they enter shared memory. A key's scale meets its scores, a value's
// scale the weights.
#pragma once

#include "ops/attention_pages.cuh"
#include "ops/e4m3.cuh"
#include "ops/mma.cuh"

namespace talon::ops::cuda {

inline constexpr int kQuarters = 4;  // warps of a row
inline constexpr int kQuarterTokens = kPageTokens / kQuarters;
inline constexpr int kTileHeads = 16;
inline constexpr int kMaxListed = kWarpSize;  // entries of a list that rows can share
static_assert(kMaxListed <= kMaxChunks);      // an entry is a chunk then
inline constexpr float kLog2E = 1.4426950408889634F;

// Keys lie without padding: the pieces of odd tokens change places by four, so that the eight lanes
// of a load meet eight banks. Values are padded, for ldmatrix.
template <int kDim>
inline constexpr int kValueRow = kDim + 8;

// Rows of outputs are padded so that pairs from four heads meet all banks.
template <int kDim>
inline constexpr int kOutRow = kDim + 8;

template <int kDim>
__device__ int piece_place(int token, int piece) {
  return token * kDim + 8 * (kDim >= 64 ? piece ^ (token % 2 * 4) : piece);
}

template <int kDim>
struct PageTile {
  alignas(16) uint16_t keys[kPageTokens * kDim];  // bits of bf16
  alignas(16) uint16_t values[kPageTokens * kValueRow<kDim>];
};

// Rows of a unit that go through the same pages: of one sequence, alive, and cut alike.
struct Segment {
  const int32_t* pages;  // ids of the sequence
  const int32_t* list;   // of a row alone whose list is too long to share; else null
  int first;             // row of the step
  int num_rows;
  int last_position;  // -1: a dead row
  int num_entries;    // of the longest row
  int chunk_pages;
  int num_items;  // chunks, or pages that any row lists
  bool by_list;
};

// A row of a segment.
struct PartRow {
  int position;  // -1: the segment has no such row
  int num_chunks;
};

// Four rows have a page on its way while they work on another one; with fewer rows the blocks of a
// multiprocessor do that for each other.
template <int kDim, int kRows>
struct PartShared {
  static constexpr int kStages = kRows == 4 ? 2 : 1;
  static constexpr int kOut = kRows * 2 * kTileHeads * kOutRow<kDim>;
  static_assert(kOut * sizeof(float) <= kRows * sizeof(PageTile<kDim>));

  PageTile<kDim> stages[kStages];
  alignas(16) uint16_t queries[kRows][kTileHeads * kDim];  // pieces placed as those of keys
  alignas(16) float own_out[kStages == 1 ? 4 : kOut];
  float max[kRows][kQuarters][kTileHeads];
  float sum[kRows][kQuarters][kTileHeads];
  int32_t lists[kRows][kMaxListed];
  int32_t list_counts[kRows];  // of pages that no row before lists
  int32_t pages[kRows * kMaxListed];
  // Here, not in registers, of which the sums of 16 heads leave few.
  Segment segment;
  PartRow rows[kRows];

  // The sum of two quarters, [heads, kOutRow]; without a stage to spare in place of the page, which
  // is used up then.
  __device__ float* out(int row, int half) {
    return (kStages == 1 ? reinterpret_cast<float*>(stages) : own_out) +
           (2 * row + half) * kTileHeads * kOutRow<kDim>;
  }
};

// Where a thread stands in its block.
template <int kRows>
struct PartThread {
  static constexpr int kThreads = kRows * kQuarters * kWarpSize;
  static constexpr int kRowThreads = kQuarters * kWarpSize;
  static constexpr int kBlocks = kRows == 1 ? 3 : kRows == 2 ? 2 : 1;  // of a multiprocessor

  int thread = static_cast<int>(threadIdx.x);
  int lane = thread % kWarpSize;
  int quarter = thread / kWarpSize % kQuarters;
  int row = thread / kRowThreads;  // of the segment
  int g = lane / 4;                // place in an mma
  int t = lane % 4;
};

// A warp's running softmax over its tokens, for head g and head g + 8 of the tile.
template <int kDim>
struct WarpState {
  float max[2] = {-INFINITY, -INFINITY};  // of scores times log2 e
  float sum[2] = {0.0F, 0.0F};            // this lane's part of it
  float out[kDim / 8][4] = {};
};

using TokenScores = float[kQuarterTokens / 8][4];

template <class P>
__device__ void fetch_piece(uint16_t* to, const P* from, bool exists) {
  if constexpr (std::is_same_v<P, bf16>) {
    copy_piece(to, from, exists);
  } else {
    *reinterpret_cast<uint4*>(to) = exists ? load_eight(from) : uint4{0, 0, 0, 0};
  }
}

// The first `visible` tokens of a page, and zeros up to the end of their quarter. They are there
// after wait_for_copies and a barrier. A thread has one place in the tokens that it copies, so that
// addresses are sums.
template <int kDim, int kThreads, class P>
__device__ void fetch_page(PageTile<kDim>& to,
                           const AttentionParams<bf16>& p,
                           const TokenPlace& at,
                           int visible) {
  constexpr int kPieces = kDim / 8;
  constexpr int kStep = kThreads / kPieces;  // even: a thread's tokens are all even or all odd
  static_assert(kStep % 2 == 0 && kPageTokens % kStep == 0);
  const int piece = static_cast<int>(threadIdx.x) % kPieces;
  const int first = static_cast<int>(threadIdx.x) / kPieces;
  const int end =
      min(kPageTokens, (visible + kQuarterTokens - 1) / kQuarterTokens * kQuarterTokens);
  const TokenPlace from = {at.page, first, at.group};
  const P* keys = place_in<P>(p.keys, from) + 8 * piece;
  const P* values = place_in<P>(p.values, from) + 8 * piece;
  uint16_t* key_tile = to.keys + piece_place<kDim>(first, piece);
  uint16_t* value_tile = to.values + first * kValueRow<kDim> + 8 * piece;
  const auto key_step = static_cast<int>(p.keys.token_stride) * kStep;
  const auto value_step = static_cast<int>(p.values.token_stride) * kStep;
#pragma unroll 4
  for (int i = 0; i < kPageTokens / kStep; ++i) {
    const int token = first + i * kStep;
    if (token < end) {
      const bool exists = token < visible;
      fetch_piece(key_tile + i * kStep * kDim, keys + (exists ? i * key_step : 0), exists);
      fetch_piece(value_tile + i * kStep * kValueRow<kDim>, values + (exists ? i * value_step : 0),
                  exists);
    }
  }
}

// The queries of one row, by its threads. Heads past the last one are zero.
template <int kDim>
__device__ void load_queries(uint16_t* to, const bf16* q, int num_heads, int thread) {
  constexpr int kPieces = kDim / 8;
  for (int i = thread; i < kTileHeads * kPieces; i += kQuarters * kWarpSize) {
    const int head = i / kPieces;
    const int piece = i % kPieces;
    uint4 eight = {0, 0, 0, 0};
    if (head < num_heads) {
      eight = load_eight(q + head * kDim + 8 * piece);
    }
    *reinterpret_cast<uint4*>(to + piece_place<kDim>(head, piece)) = eight;
  }
}

template <int kDim>
__device__ uint4 piece_of(const uint16_t* rows, int row, int piece) {
  return *reinterpret_cast<const uint4*>(rows + piece_place<kDim>(row, piece));
}

// Scores of the warp's 32 tokens, 4 tiles of 8, times `scale`; minus infinity behind the visible.
template <int kDim, class P>
__device__ void score_tokens(TokenScores& scores,
                             const uint16_t* queries,
                             const uint16_t* keys,
                             const Tokens<P>& tokens,
                             float scale) {
  const int g = static_cast<int>(threadIdx.x % kWarpSize / 4);
  const int t = static_cast<int>(threadIdx.x % 4);
  TokenScores sums = {};
#pragma unroll
  for (int c = 0; c < kDim / 32; ++c) {
    const uint4 low = piece_of<kDim>(queries, g, 4 * c + t);
    const uint4 high = piece_of<kDim>(queries, g + 8, 4 * c + t);
    const uint32_t first[4] = {low.x, high.x, low.y, high.y};
    const uint32_t second[4] = {low.z, high.z, low.w, high.w};
#pragma unroll
    for (int j = 0; j < kQuarterTokens / 8; ++j) {
      const uint4 piece = piece_of<kDim>(keys, 8 * j + g, 4 * c + t);
      mma_16x8x16(sums[j], first, piece.x, piece.y);
      mma_16x8x16(sums[j], second, piece.z, piece.w);
    }
  }
#pragma unroll
  for (int j = 0; j < kQuarterTokens / 8; ++j) {
#pragma unroll
    for (int i = 0; i < 4; ++i) {
      const int token = 8 * j + 2 * t + i % 2;
      const float score = sums[j][i] * tokens.scale(token) * scale;
      scores[j][i] = token < tokens.visible ? score : -INFINITY;
    }
  }
}

// Turns scores into weights and shrinks what came before, if a larger score has come.
template <int kDim>
__device__ void weigh(WarpState<kDim>& state, TokenScores& scores) {
  float shrink[2];
#pragma unroll
  for (int i = 0; i < 2; ++i) {
    float max = state.max[i];
#pragma unroll
    for (int j = 0; j < kQuarterTokens / 8; ++j) {
      max = fmaxf(max, fmaxf(scores[j][2 * i], scores[j][2 * i + 1]));
    }
    max = fmaxf(max, __shfl_xor_sync(kAllLanes, max, 1));
    max = fmaxf(max, __shfl_xor_sync(kAllLanes, max, 2));
    shrink[i] = state.max[i] == max ? 1.0F : exp2f(state.max[i] - max);
    state.max[i] = max;
    state.sum[i] *= shrink[i];
#pragma unroll
    for (int j = 0; j < kQuarterTokens / 8; ++j) {
#pragma unroll
      for (int k = 2 * i; k < 2 * i + 2; ++k) {
        scores[j][k] = exp2f(scores[j][k] - max);
        state.sum[i] += scores[j][k];
      }
    }
  }
  if (__any_sync(kAllLanes, shrink[0] != 1.0F || shrink[1] != 1.0F)) {
#pragma unroll
    for (int n = 0; n < kDim / 8; ++n) {
#pragma unroll
      for (int i = 0; i < 4; ++i) {
        state.out[n][i] *= shrink[i / 2];
      }
    }
  }
}

// Weights of e4m3 values take their scales.
template <class P>
__device__ void scale_weights(TokenScores& weights, const Tokens<P>& values) {
  if constexpr (std::is_same_v<P, e4m3>) {
    const int t = static_cast<int>(threadIdx.x % 4);
#pragma unroll
    for (int j = 0; j < kQuarterTokens / 8; ++j) {
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

__device__ inline WeightParts weight_parts(const float (&first)[4], const float (&second)[4]) {
  const float2 pairs[4] = {
      {first[0], first[1]}, {first[2], first[3]}, {second[0], second[1]}, {second[2], second[3]}};
  WeightParts parts;
#pragma unroll
  for (int i = 0; i < 4; ++i) {
    parts.high[i] = pack_pair(pairs[i].x, pairs[i].y);
    parts.low[i] = pack_pair(pairs[i].x - __uint_as_float(parts.high[i] << 16),
                             pairs[i].y - __uint_as_float(parts.high[i] & 0xFFFF0000U));
  }
  return parts;
}

// The values of tokens `token` and the one behind it, zero where not visible: a later row's value
// may be anything, and a weight of zero would not stop a NaN.
__device__ inline uint32_t visible_pair(uint32_t pair, int token, int visible) {
  return pair & ((token < visible ? 0xFFFFU : 0U) | (token + 1 < visible ? 0xFFFF0000U : 0U));
}

__device__ inline void hide_values(uint32_t (&b)[4], int token, int visible) {
#pragma unroll
  for (int i = 0; i < 4; ++i) {
    b[i] = visible_pair(b[i], token + i % 2 * 8, visible);
  }
}

template <int kDim, bool kWhole>
__device__ void add_values(WarpState<kDim>& state,
                           const TokenScores& weights,
                           const uint16_t* values,
                           int visible) {
  const int lane = static_cast<int>(threadIdx.x % kWarpSize);
#pragma unroll
  for (int k = 0; k < kQuarterTokens / 16; ++k) {
    const WeightParts a = weight_parts(weights[2 * k], weights[2 * k + 1]);
#pragma unroll
    for (int n = 0; n < kDim / 16; ++n) {
      uint32_t b[4];
      load_transposed(b, values + (16 * k + lane % 16) * kValueRow<kDim> + 16 * n + lane / 16 * 8);
      if (!kWhole) {
        hide_values(b, 16 * k + lane % 4 * 2, visible);
      }
      mma_16x8x16(state.out[2 * n], a.low, b[0], b[1]);
      mma_16x8x16(state.out[2 * n + 1], a.low, b[2], b[3]);
      mma_16x8x16(state.out[2 * n], a.high, b[0], b[1]);
      mma_16x8x16(state.out[2 * n + 1], a.high, b[2], b[3]);
    }
  }
}

// The maximum of a head over the quarters.
template <int kDim, int kRows>
__device__ float joined_max(const PartShared<kDim, kRows>& shared, int row, int head) {
  float max = -INFINITY;
  for (int w = 0; w < kQuarters; ++w) {
    max = fmaxf(max, shared.max[row][w][head]);
  }
  return max;
}

// A warp's output, times the factors of its two heads, into `out` or on top of it.
template <int kDim>
__device__ void put_out(float* out,
                        const WarpState<kDim>& state,
                        const float (&factor)[2],
                        bool add) {
#pragma unroll
  for (int n = 0; n < kDim / 8; ++n) {
#pragma unroll
    for (int i = 0; i < 2; ++i) {
      auto& sum = *reinterpret_cast<float2*>(out + 8 * i * kOutRow<kDim> + 8 * n);
      const float2 own = {state.out[n][2 * i] * factor[i], state.out[n][2 * i + 1] * factor[i]};
      sum = add ? float2{sum.x + own.x, sum.y + own.y} : own;
    }
  }
}

// Joins the states of each row's warps: quarters 0 and 1, and 2 and 3, are added up in the halves
// of `out`, all on the scale of the joined maximum.
template <int kDim, int kRows>
__device__ void join_warps(PartShared<kDim, kRows>& shared, WarpState<kDim>& state) {
  const PartThread<kRows> me;
#pragma unroll
  for (int i = 0; i < 2; ++i) {
    float sum = state.sum[i];
    sum += __shfl_xor_sync(kAllLanes, sum, 1);
    sum += __shfl_xor_sync(kAllLanes, sum, 2);
    if (me.t == 0) {
      shared.max[me.row][me.quarter][me.g + 8 * i] = state.max[i];
      shared.sum[me.row][me.quarter][me.g + 8 * i] = sum;
    }
  }
  __syncthreads();  // from here on nobody reads the page
  float factor[2];
#pragma unroll
  for (int i = 0; i < 2; ++i) {
    const float max = joined_max<kDim, kRows>(shared, me.row, me.g + 8 * i);
    // A warp that saw no token has nothing to add.
    factor[i] =
        state.max[i] == -INFINITY && state.sum[i] == 0.0F ? 0.0F : exp2f(state.max[i] - max);
  }
  float* out = shared.out(me.row, me.quarter / 2) + me.g * kOutRow<kDim> + 2 * me.t;
  for (int turn = 0; turn < 2; ++turn) {
    if (me.quarter % 2 == turn) {
      put_out<kDim>(out, state, factor, turn == 1);
    }
    __syncthreads();
  }
}

// What a block works on.
struct PartTile {
  int group;
  int first_head;
  int num_heads;
};

// The chunk's result, by the row's threads: into the output if it is the only one, else into the
// workspace.
template <int kDim, int kRows>
__device__ void store_chunk(const AttentionParams<bf16>& p,
                            PartShared<kDim, kRows>& shared,
                            const PartTile& tile,
                            int chunk) {
  const PartThread<kRows> me;
  constexpr int kHeadThreads = kDim / 4;  // with four sums each
  const int thread = me.thread % me.kRowThreads;
  const int index = shared.segment.first + me.row;
  const bool is_whole = shared.rows[me.row].num_chunks == 1;
  const int d = thread % kHeadThreads * 4;
  for (int head = thread / kHeadThreads; head < tile.num_heads;
       head += me.kRowThreads / kHeadThreads) {
    const float max = joined_max<kDim, kRows>(shared, me.row, head);
    float total = 0.0F;
    for (int w = 0; w < kQuarters; ++w) {
      const float sum = shared.sum[me.row][w][head];
      total += sum == 0.0F ? 0.0F : sum * exp2f(shared.max[me.row][w][head] - max);
    }
    const int at = head * kOutRow<kDim> + d;
    const float4 first = *reinterpret_cast<const float4*>(shared.out(me.row, 0) + at);
    const float4 second = *reinterpret_cast<const float4*>(shared.out(me.row, 1) + at);
    const float4 sum = {first.x + second.x, first.y + second.y, first.z + second.z,
                        first.w + second.w};
    if (is_whole) {
      bf16* out = p.out + index * p.out_stride + (tile.first_head + head) * kDim + d;
      out[0] = rounded<bf16>(sum.x / total);
      out[1] = rounded<bf16>(sum.y / total);
      out[2] = rounded<bf16>(sum.z / total);
      out[3] = rounded<bf16>(sum.w / total);
      continue;
    }
    float* part = part_of(p, index, tile.first_head + head, chunk);
    *reinterpret_cast<float2*>(part + d) = {sum.x, sum.y};
    *reinterpret_cast<float2*>(part + d + 2) = {sum.z, sum.w};
    if (d == 0) {
      part[kDim] = max;
      part[kDim + 1] = total;
    }
  }
}

// The rows from `first` on, at most `limit`, that go together. All loads are made at once, a lane a
// row.
__device__ inline Segment find_segment(const AttentionParams<bf16>& p,
                                       int group,
                                       int first,
                                       int limit) {
  const int lane = static_cast<int>(threadIdx.x % kWarpSize);
  const int t = first + min(lane, limit - 1);
  const int position = p.positions[t];
  const int row_sequence = p.row_sequence[t];  // of a dead row anything
  const int sequence = position < 0 ? -1 : row_sequence;
  const int entries = position / kPageTokens + 1;
  Segment segment = {};
  segment.first = first;
  segment.num_rows = 1;
  segment.last_position = __shfl_sync(kAllLanes, position, 0);
  const int lead = __shfl_sync(kAllLanes, sequence, 0);
  if (lead < 0) {
    return segment;
  }
  segment.pages = p.page_table + lead * p.page_table_stride;
  if (p.blocks != nullptr && p.list_size > kMaxListed) {
    const RowPages row = row_pages(p, first, group);
    segment.list = row.list;
    segment.num_entries = row.num_entries;
    segment.chunk_pages = row.chunk_pages;
    segment.num_items = row.num_chunks;
    return segment;
  }
  segment.by_list = p.blocks != nullptr;
  segment.chunk_pages = pages_of_chunk(__shfl_sync(kAllLanes, entries, 0));
  const bool fits = lane < limit && sequence == lead &&
                    (segment.by_list || pages_of_chunk(entries) == segment.chunk_pages);
  segment.num_rows = __ffs(static_cast<int>(~__ballot_sync(kAllLanes, fits))) - 1;
  segment.last_position = warp_max(lane < segment.num_rows ? position : 0);
  segment.num_entries = segment.last_position / kPageTokens + 1;
  segment.num_items = static_cast<int>(ceil_div(segment.num_entries, segment.chunk_pages));
  return segment;
}

// The pages that any row of the segment lists, each once: its items.
template <int kDim, int kRows>
__device__ void gather_pages(const AttentionParams<bf16>& p,
                             PartShared<kDim, kRows>& shared,
                             int group) {
  const PartThread<kRows> me;
  const Segment& segment = shared.segment;
  if (me.quarter == 0) {
    const int64_t row = int64_t{segment.first + me.row} * p.num_groups + group;
    const bool exists = me.row < segment.num_rows && me.lane < p.list_size;
    shared.lists[me.row][me.lane] = exists ? p.blocks[row * p.list_size + me.lane] : -1;
  }
  __syncthreads();
  const int page = shared.lists[me.row][me.lane];
  bool is_new = page >= 0;
  for (int r = 0; r < me.row; ++r) {
    for (int i = 0; i < p.list_size; ++i) {
      is_new = is_new && shared.lists[r][i] != page;
    }
  }
  const unsigned new_lanes = __ballot_sync(kAllLanes, is_new);
  if (me.quarter == 0 && me.lane == 0) {
    shared.list_counts[me.row] = __popc(new_lanes);
  }
  __syncthreads();
  int before = __popc(new_lanes & ((1U << me.lane) - 1U));
  int total = 0;
  for (int r = 0; r < kRows; ++r) {
    before += r < me.row ? shared.list_counts[r] : 0;
    total += shared.list_counts[r];
  }
  if (me.quarter == 0 && is_new) {
    shared.pages[before] = page;
  }
  if (me.thread == 0) {
    shared.segment.num_items = total;
  }
  __syncthreads();
}

// A page of a segment's items, in the order in which a block takes them.
struct PageCursor {
  int item;
  int entry;
  bool is_last;  // of the item

  __device__ PageCursor(const Segment& segment, int at_item, int at_entry)
      : item(at_item), entry(at_entry) {
    const int end = min(segment.num_entries, (item + 1) * segment.chunk_pages);
    is_last = segment.by_list || entry + 1 >= end;
  }
  __device__ PageCursor(const Segment& segment, int at_item)
      : PageCursor(segment, at_item, at_item * segment.chunk_pages) {}

  __device__ PageCursor next(const Segment& segment) const {
    return is_last ? PageCursor(segment, item + static_cast<int>(gridDim.x))
                   : PageCursor(segment, item, entry + 1);
  }
  __device__ bool is_first(const Segment& segment) const {
    return segment.by_list || entry == item * segment.chunk_pages;
  }
};

// A block at work on the segment in its shared memory.
template <int kDim, class P, int kRows>
struct PartBlock {
  const AttentionParams<bf16>& p;
  PartShared<kDim, kRows>& shared;
  PartTile tile;
  PartThread<kRows> me{};
  WarpState<kDim> state{};

  __device__ int number_of(const PageCursor& at) const {
    const Segment& segment = shared.segment;
    if (segment.by_list) {
      return shared.pages[at.item];
    }
    return segment.list == nullptr ? at.entry : segment.list[at.entry];
  }

  __device__ void fetch(const PageCursor& at, int stage) {
    const Segment& segment = shared.segment;
    if (at.item < segment.num_items) {
      const int number = number_of(at);
      fetch_page<kDim, PartThread<kRows>::kThreads, P>(
          shared.stages[stage], p, {segment.pages[number], 0, tile.group},
          segment.last_position + 1 - number * kPageTokens);
    }
    commit_copies();
  }

  // The chunk of the own row that an item is; -1: none.
  __device__ int chunk_of(int item) const {
    if (shared.segment.by_list) {
      const int entry = shared.lists[me.row][me.lane];
      return __ffs(static_cast<int>(__ballot_sync(kAllLanes, entry == shared.pages[item]))) - 1;
    }
    return item < shared.rows[me.row].num_chunks ? item : -1;
  }

  __device__ void begin_rows() {
    const Segment& segment = shared.segment;
    const int index = segment.first + me.row;
    PartRow row = {me.row < segment.num_rows ? p.positions[index] : -1, 0};
    if (segment.by_list) {
      row.num_chunks = __popc(__ballot_sync(kAllLanes, shared.lists[me.row][me.lane] >= 0));
    } else if (row.position >= 0) {
      const int entries =
          segment.list == nullptr ? row.position / kPageTokens + 1 : segment.num_entries;
      row.num_chunks = (entries + segment.chunk_pages - 1) / segment.chunk_pages;
    }
    if (row.position >= 0) {
      load_queries<kDim>(shared.queries[me.row],
                         p.q + (int64_t{index} * p.num_heads + tile.first_head) * kDim,
                         tile.num_heads, me.thread % me.kRowThreads);
    }
    if (me.thread % me.kRowThreads == 0) {
      shared.rows[me.row] = row;
    }
    __syncthreads();
  }

  __device__ void attend(const PageCursor& at, const PageTile<kDim>& page) {
    const int number = number_of(at);
    const int first_token = me.quarter * kQuarterTokens;
    const int visible = shared.rows[me.row].position + 1 - number * kPageTokens - first_token;
    if (visible <= 0) {
      return;
    }
    const TokenPlace place = {shared.segment.pages[number], first_token, tile.group};
    TokenScores scores;
    score_tokens<kDim>(scores, shared.queries[me.row], page.keys + first_token * kDim,
                       tokens_of<P>(p.keys, p.key_scales, place, visible), p.scale * kLog2E);
    weigh<kDim>(state, scores);
    scale_weights(scores, tokens_of<P>(p.values, p.value_scales, place, visible));
    const uint16_t* own_values = page.values + first_token * kValueRow<kDim>;
    if (visible < kQuarterTokens) {
      add_values<kDim, false>(state, scores, own_values, visible);
    } else {
      add_values<kDim, true>(state, scores, own_values, visible);
    }
  }

  __device__ void run() {
    constexpr int kStages = PartShared<kDim, kRows>::kStages;
    begin_rows();
    const Segment& segment = shared.segment;
    PageCursor at(segment, static_cast<int>(blockIdx.x));
    int stage = 0;
    int chunk = -1;
    if (kStages > 1) {
      fetch(at, 0);
    }
    while (at.item < segment.num_items) {
      const PageCursor next = at.next(segment);
      fetch(kStages > 1 ? next : at, kStages > 1 ? 1 - stage : 0);
      wait_for_copies<kStages - 1>();
      __syncthreads();
      if (at.is_first(segment)) {
        chunk = chunk_of(at.item);
        state = {};
      }
      if (chunk >= 0) {
        attend(at, shared.stages[stage]);
      }
      if (at.is_last) {
        join_warps<kDim, kRows>(shared, state);
        if (chunk >= 0) {
          store_chunk<kDim, kRows>(p, shared, tile, chunk);
        }
      }
      __syncthreads();
      at = next;
      stage = kStages > 1 ? 1 - stage : 0;
    }
  }
};

template <int kDim, class P, int kRows>
__global__ void __launch_bounds__(PartThread<kRows>::kThreads, PartThread<kRows>::kBlocks)
    part_kernel(const AttentionParams<bf16> p) {
  await_previous();
  extern __shared__ uint4 part_memory[];
  auto& shared = *reinterpret_cast<PartShared<kDim, kRows>*>(part_memory);
  const int group_heads = p.num_heads / p.num_groups;
  const int tiles = (group_heads + kTileHeads - 1) / kTileHeads;
  const int group = static_cast<int>(blockIdx.y) / tiles;
  const int first = static_cast<int>(blockIdx.y) % tiles * kTileHeads;
  const PartTile tile = {group, group * group_heads + first, min(kTileHeads, group_heads - first)};
  const int2 unit = p.units.at(static_cast<int>(blockIdx.z));
  for (int i = 0; i < unit.y;) {
    const Segment segment = find_segment(p, group, p.first_row + unit.x + i, unit.y - i);
    if (segment.last_position < 0) {
      const int thread = static_cast<int>(threadIdx.x);
      for (int d = thread; blockIdx.x == 0 && d < tile.num_heads * kDim;
           d += PartThread<kRows>::kThreads) {
        p.out[segment.first * p.out_stride + tile.first_head * kDim + d] = bf16{0};
      }
    } else {
      __syncthreads();  // the segment before is done with
      if (threadIdx.x == 0) {
        shared.segment = segment;
      }
      __syncthreads();
      if (segment.by_list) {
        gather_pages<kDim, kRows>(p, shared, group);
      }
      PartBlock<kDim, P, kRows>{p, shared, tile}.run();
    }
    i += segment.num_rows;
  }
}

}  // namespace talon::ops::cuda
