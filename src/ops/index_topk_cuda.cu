// `score` has a warp for a page of a unit of rows: their index heads, 16 together, are the rows of
// an mma, so the four rows of a verify cost what one does. The largest of 128 scores is taken in
// registers, and one float a head and page goes to the workspace. `choose` has a block a row and
// head that takes the largest score N times; the candidates stay in cache.
//
// Bytes: D_i * 2 a token (e4m3: half), read once for the rows of a unit (2 MB at 8k for M3). Rows
// whose scores fit the workspace run in one pair of launches.
#include "ops/index_topk.h"

#include <algorithm>
#include <type_traits>

#include "base/check.h"
#include "base/ids.h"
#include "ops/cuda_kernel.cuh"
#include "ops/e4m3.cuh"
#include "ops/kv_fp8.h"
#include "ops/mma.cuh"
#include "ops/order_key.cuh"
#include "ops/row_units.cuh"

namespace talon::ops::cuda {
namespace {

constexpr int kWarps = 4;
constexpr int kThreads = kWarps * kWarpSize;
constexpr int kChooseThreads = 256;
constexpr int kMaxChosen = 64;
constexpr int kRanked = 1024;  // candidates whose ranks are counted
static_assert(kMaxChosen <= kChooseThreads);

template <class T>
struct IndexParams {
  int32_t* blocks;   // [T, I, N]
  const T* q;        // [T, I, D]
  const void* keys;  // [pages, 128, 1, D]
  const int32_t* page_table;
  const int32_t* row_sequence;
  const int32_t* positions;
  float* scores;  // [rows of this launch, I, P]
  RowUnits units;
  int64_t page_stride;
  int64_t token_stride;
  int64_t page_table_stride;
  int first_row;  // of this launch
  int num_heads;  // I
  int num_pages;  // P
  int list_size;  // N
  int num_local;
  int dim;  // D
};

// Pages [0, candidates) need scores; those from there to the own one are taken.
template <class T>
__device__ int num_candidates(const IndexParams<T>& p, int position) {
  const int own = position / kPageTokens;
  return position < 0 || own < p.list_size ? 0 : max(0, own + 1 - p.num_local);
}

// A lane's place in an mma: rows g and g + 8 are heads of rows of the step.
struct ScoreRow {
  int64_t row;  // of [T, I]; -1: none
  int candidates;
};

constexpr int kTileRows = 16;
constexpr int kWarpTokens = kPageTokens / kWarps;

// How many rows from `first` on, at most `limit`, are of its sequence; a lane a row.
__device__ int rows_together(const IndexParams<bf16>& p, int first, int limit) {
  const int lane = static_cast<int>(threadIdx.x % kWarpSize);
  const int t = first + min(lane, limit - 1);
  const int row_sequence = p.row_sequence[t];  // of a dead row anything
  const int sequence = p.positions[t] < 0 ? -1 : row_sequence;
  const int lead = __shfl_sync(kAllLanes, sequence, 0);
  const unsigned same = __ballot_sync(kAllLanes, lane < limit && sequence == lead && lead >= 0);
  return max(1, __ffs(static_cast<int>(~same)) - 1);
}

__device__ ScoreRow score_row(const IndexParams<bf16>& p, int first, int num_rows, int place) {
  const int row = place / p.num_heads;
  if (row >= num_rows) {
    return {-1, 0};
  }
  const int t = first + row;
  return {int64_t{t} * p.num_heads + place % p.num_heads, num_candidates(p, p.positions[t])};
}

// The largest score of the warp's 32 tokens for the heads of a lane's two rows.
template <int kDim, class P>
__device__ float2 best_scores(const uint4 (&q)[kDim / 32][2], const P* keys, int64_t token_stride) {
  const int g = static_cast<int>(threadIdx.x % kWarpSize / 4);
  const int lane = static_cast<int>(threadIdx.x % 4);
  float best[2] = {-INFINITY, -INFINITY};
#pragma unroll
  for (int j = 0; j < kWarpTokens / 8; ++j) {
    float sums[4] = {};
#pragma unroll
    for (int c = 0; c < kDim / 32; ++c) {
      const uint4 key = load_eight(keys + (8 * j + g) * token_stride + 32 * c + 8 * lane);
      const uint32_t a0[4] = {q[c][0].x, q[c][1].x, q[c][0].y, q[c][1].y};
      const uint32_t a1[4] = {q[c][0].z, q[c][1].z, q[c][0].w, q[c][1].w};
      mma_16x8x16(sums, a0, key.x, key.y);
      mma_16x8x16(sums, a1, key.z, key.w);
    }
    best[0] = fmaxf(best[0], fmaxf(sums[0], sums[1]));  // a NaN loses
    best[1] = fmaxf(best[1], fmaxf(sums[2], sums[3]));
  }
#pragma unroll
  for (float& score : best) {
    score = fmaxf(score, __shfl_xor_sync(kAllLanes, score, 1));
    score = fmaxf(score, __shfl_xor_sync(kAllLanes, score, 2));
  }
  return {best[0], best[1]};
}

using BestScores = float[2][kWarps][kTileRows];  // of a page and of the one after it

// The rows from `first` on, of one sequence, on this block's share of its pages.
template <int kDim, class P>
__device__ void score_rows(const IndexParams<bf16>& p, int first, int num_rows, BestScores& best) {
  const int warp = static_cast<int>(threadIdx.x) / kWarpSize;
  const int g = static_cast<int>(threadIdx.x % kWarpSize / 4);
  const int lane = static_cast<int>(threadIdx.x % 4);
  const ScoreRow rows[2] = {score_row(p, first, num_rows, g), score_row(p, first, num_rows, g + 8)};
  const int candidates = warp_max(max(rows[0].candidates, rows[1].candidates));
  if (static_cast<int>(blockIdx.x) >= candidates) {
    return;
  }
  uint4 q[kDim / 32][2] = {};
#pragma unroll
  for (int c = 0; c < kDim / 32; ++c) {
#pragma unroll
    for (int i = 0; i < 2; ++i) {
      if (rows[i].row >= 0) {
        q[c][i] = load_eight(p.q + rows[i].row * kDim + 32 * c + 8 * lane);
      }
    }
  }
  const int32_t* pages = p.page_table + p.row_sequence[first] * p.page_table_stride;
  int turn = 0;
  for (int page = static_cast<int>(blockIdx.x); page < candidates;
       page += static_cast<int>(gridDim.x)) {
    const P* keys = static_cast<const P*>(p.keys) + pages[page] * p.page_stride +
                    warp * kWarpTokens * p.token_stride;
    const float2 own = best_scores<kDim, P>(q, keys, p.token_stride);
    if (lane == 0) {
      best[turn][warp][g] = own.x;
      best[turn][warp][g + 8] = own.y;
    }
    __syncthreads();
    const int i = static_cast<int>(threadIdx.x);
    const ScoreRow to = i < kTileRows ? score_row(p, first, num_rows, i) : ScoreRow{-1, 0};
    if (page < to.candidates) {
      const float score = fmaxf(fmaxf(best[turn][0][i], best[turn][1][i]),
                                fmaxf(best[turn][2][i], best[turn][3][i]));
      const int64_t row = to.row - int64_t{p.first_row} * p.num_heads;
      p.scores[row * p.num_pages + page] = score;
    }
    turn = 1 - turn;  // who is fast writes the other one, and waits at the next barrier
  }
}

template <int kDim, class P>
__global__ void __launch_bounds__(kThreads) score_kernel(const IndexParams<bf16> p) {
  await_previous();
  __shared__ BestScores best;
  const int2 unit = p.units.at(static_cast<int>(blockIdx.y));
  for (int i = 0; i < unit.y;) {
    const int first = p.first_row + unit.x + i;
    const int num_rows = rows_together(p, first, unit.y - i);
    score_rows<kDim, P>(p, first, num_rows, best);
    __syncthreads();
    i += num_rows;
  }
}

// Any dtypes and size: a thread a token.
template <class T, class P>
__global__ void __launch_bounds__(kThreads) plain_score_kernel(const IndexParams<T> p) {
  await_previous();
  __shared__ float scratch[kWarps];
  const int t = p.first_row + static_cast<int>(blockIdx.y);  // units of one row
  const int candidates = num_candidates(p, p.positions[t]);
  for (int page = static_cast<int>(blockIdx.x); page < candidates;
       page += static_cast<int>(gridDim.x)) {
    const int32_t* pages = p.page_table + p.row_sequence[t] * p.page_table_stride;
    const P* key =
        static_cast<const P*>(p.keys) + pages[page] * p.page_stride + threadIdx.x * p.token_stride;
    for (int h = 0; h < p.num_heads; ++h) {
      const int64_t row = int64_t{t} * p.num_heads + h;
      float score = 0.0F;
      for (int d = 0; d < p.dim; ++d) {
        score += to_float(p.q[row * p.dim + d]) * to_float(key[d]);
      }
      const float warp_best = warp_max(score == score ? score : -INFINITY);
      __syncthreads();
      if (threadIdx.x % kWarpSize == 0) {
        scratch[threadIdx.x / kWarpSize] = warp_best;
      }
      __syncthreads();
      if (threadIdx.x == 0) {
        const float best = fmaxf(fmaxf(scratch[0], scratch[1]), fmaxf(scratch[2], scratch[3]));
        p.scores[(row - int64_t{p.first_row} * p.num_heads) * p.num_pages + page] = best;
      }
    }
  }
}
static_assert(kThreads == kPageTokens);

// Candidates of a row and head, and which of them are wanted.
struct Candidates {
  const float* scores;
  int count;
  int num_best;
};

struct ChooseShared {
  uint64_t keys[kRanked];
  uint64_t warp_keys[kChooseThreads / kWarpSize];
  int warp_counts[kChooseThreads / kWarpSize];
  int32_t chosen[kMaxChosen];
};

__device__ uint64_t block_max(uint64_t key, uint64_t* shared) {
  key = warp_max(key);
  __syncthreads();
  if (threadIdx.x % kWarpSize == 0) {
    shared[threadIdx.x / kWarpSize] = key;
  }
  __syncthreads();
  for (int w = 0; w < kChooseThreads / kWarpSize; ++w) {
    key = shared[w] > key ? shared[w] : key;
  }
  return key;
}

// The best pages of few candidates, ascending, into shared.chosen.
__device__ void choose_by_rank(ChooseShared& shared, const Candidates& all) {
  const int thread = static_cast<int>(threadIdx.x);
  const int warp = thread / kWarpSize;
  for (int page = thread; page < all.count; page += kChooseThreads) {
    shared.keys[page] = order_key(all.scores[page], page);
  }
  __syncthreads();
  int before = 0;
  for (int first = 0; first < all.count; first += kChooseThreads) {
    const int page = first + thread;
    const uint64_t own = page < all.count ? shared.keys[page] : 0;
    int rank = 0;
#pragma unroll 8
    for (int i = 0; i < all.count; ++i) {
      rank += shared.keys[i] > own ? 1 : 0;
    }
    const bool is_best = page < all.count && rank < all.num_best;
    const unsigned best = __ballot_sync(kAllLanes, is_best);
    if (thread % kWarpSize == 0) {
      shared.warp_counts[warp] = __popc(best);
    }
    __syncthreads();
    int place = before + __popc(best & ((1U << (thread % kWarpSize)) - 1U));
    for (int w = 0; w < kChooseThreads / kWarpSize; ++w) {
      place += w < warp ? shared.warp_counts[w] : 0;
      before += shared.warp_counts[w];
    }
    if (is_best) {
      shared.chosen[place] = page;
    }
    __syncthreads();
  }
}

// The same of many: the largest, as often as wanted, each then put in its place.
__device__ void choose_one_by_one(ChooseShared& shared, const Candidates& all) {
  const int thread = static_cast<int>(threadIdx.x);
  uint64_t last = ~uint64_t{0};
  int32_t own = 0;  // of thread n the n-th largest
  for (int n = 0; n < all.num_best; ++n) {
    uint64_t best = 0;
    for (int page = thread; page < all.count; page += kChooseThreads) {
      const uint64_t key = order_key(all.scores[page], page);
      best = key < last && key > best ? key : best;
    }
    last = block_max(best, shared.warp_keys);
    own = thread == n ? order_key_id(last) : own;
  }
  if (thread < all.num_best) {
    shared.keys[thread] = static_cast<uint64_t>(own);
  }
  __syncthreads();
  int place = 0;
  for (int i = 0; i < all.num_best; ++i) {
    place += static_cast<int>(shared.keys[i]) < own ? 1 : 0;
  }
  if (thread < all.num_best) {
    shared.chosen[place] = own;
  }
  __syncthreads();
}

template <class T>
__global__ void __launch_bounds__(kChooseThreads) choose_kernel(const IndexParams<T> p) {
  await_previous();
  __shared__ ChooseShared shared;
  const int t = p.first_row + static_cast<int>(blockIdx.x);
  const int64_t row = int64_t{t} * p.num_heads + blockIdx.y;
  const int position = p.positions[t];
  const int candidates = num_candidates(p, position);
  const int num_taken = position < 0 ? 0 : position / kPageTokens + 1 - candidates;
  const Candidates all = {p.scores + (row - int64_t{p.first_row} * p.num_heads) * p.num_pages,
                          candidates, candidates == 0 ? 0 : p.list_size - num_taken};
  if (candidates <= kRanked) {
    choose_by_rank(shared, all);
  } else {
    choose_one_by_one(shared, all);
  }
  for (int n = static_cast<int>(threadIdx.x); n < p.list_size; n += kChooseThreads) {
    // All of the best lie before the pages that are taken anyway.
    const int taken = n - all.num_best;
    p.blocks[row * p.list_size + n] = taken < 0           ? shared.chosen[n]
                                      : taken < num_taken ? candidates + taken
                                                          : -1;
  }
}

template <class T>
IndexParams<T> params_of(const CudaContext& context, const IndexTopkArgs& args) {
  IndexParams<T> p = {};
  p.blocks = args.blocks.as<int32_t>();
  p.q = args.index_q.as<T>();
  p.keys = args.index_key_plane.data();
  p.page_table = args.page_table.as<int32_t>();
  p.row_sequence = args.row_sequence.as<int32_t>();
  p.positions = args.positions.as<int32_t>();
  p.scores = reinterpret_cast<float*>(context.workspace());
  p.page_stride = args.index_key_plane.stride(0);
  p.token_stride = args.index_key_plane.stride(1);
  p.page_table_stride = args.page_table.stride(0);
  p.num_heads = static_cast<int>(args.index_q.size(1));
  p.num_pages = static_cast<int>(args.page_table.size(1));
  p.list_size = static_cast<int>(args.blocks.size(2));
  p.num_local = args.num_local;
  p.dim = static_cast<int>(args.index_q.size(2));
  return p;
}

template <class T>
using Kernel = void (*)(IndexParams<T>);

// What the kernel of scores takes at once.
struct ScoreTile {
  int64_t pages;  // of a block
  int64_t rows;   // of a unit
};

template <class T>
void run(const CudaContext& context,
         const IndexTopkArgs& args,
         Kernel<T> score,
         const ScoreTile& tile) {
  IndexParams<T> params = params_of<T>(context, args);
  const int64_t num_rows = args.index_q.size(0);
  const int64_t rows_each =
      tile.rows == 1 ? 1 : rows_of_a_sequence(num_rows, args.page_table.size(0));
  const int64_t row_bytes = std::max<int64_t>(1, int64_t{4} * params.num_heads * params.num_pages);
  int64_t rows_at_once = std::min<int64_t>(CudaContext::kWorkspaceBytes / row_bytes, 32768);
  TALON_CHECK(rows_at_once > 0, "index_topk: the scores of one row are over the workspace");
  rows_at_once -= rows_at_once > rows_each ? rows_at_once % rows_each : 0;
  for (int64_t first = 0; first < num_rows; first += rows_at_once) {
    const int64_t rows = std::min(rows_at_once, num_rows - first);
    params.first_row = static_cast<int>(first);
    params.units = row_units(rows, rows_each, tile.rows);
    const unsigned units = params.units.count();
    const int64_t wanted =
        ceil_div(int64_t{8} * context.info().num_multiprocessors, int64_t{units});
    const int64_t side_by_side = std::min(wanted, ceil_div(params.num_pages, tile.pages));
    launch({.grid = dim3(static_cast<unsigned>(side_by_side), units),
            .block = dim3(kThreads),
            .stream = context.stream_handle(),
            .dependent = true},
           score, params);
    launch({.grid = dim3(static_cast<unsigned>(rows), static_cast<unsigned>(params.num_heads)),
            .block = dim3(kChooseThreads),
            .stream = context.stream_handle(),
            .dependent = true},
           choose_kernel<T>, params);
  }
}

// bf16 queries over a plane of P.
template <class P>
void run_wide(const CudaContext& context, const IndexTopkArgs& args) {
  const bool wide = reinterpret_cast<uintptr_t>(args.index_q.data()) % 16 == 0 &&
                    reinterpret_cast<uintptr_t>(args.index_key_plane.data()) % 16 == 0 &&
                    args.index_key_plane.stride(0) % 8 == 0 &&
                    args.index_key_plane.stride(1) % 8 == 0;
  // At most 16 heads: a unit is at least a row.
  const ScoreTile tile = {1, kTileRows / std::max<int64_t>(1, args.index_q.size(1))};
  switch (wide && tile.rows > 0 ? args.index_q.size(2) : 0) {
    case 32:
      return run<bf16>(context, args, score_kernel<32, P>, tile);
    case 64:
      return run<bf16>(context, args, score_kernel<64, P>, tile);
    case 128:
      return run<bf16>(context, args, score_kernel<128, P>, tile);
    default:
      return run<bf16>(context, args, plain_score_kernel<bf16, P>, {1, 1});
  }
}

}  // namespace

void index_topk(CudaContext& context, const IndexTopkArgs& args) {
  dispatch_plane(args.index_q.dtype(), args.index_key_plane.dtype(), [&]<class T, class P>() {
    if constexpr (std::is_same_v<T, bf16>) {
      run_wide<P>(context, args);
    } else {
      run<T>(context, args, plain_score_kernel<T, P>, {1, 1});
    }
  });
}

}  // namespace talon::ops::cuda
