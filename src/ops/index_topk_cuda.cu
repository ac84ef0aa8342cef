// `score` has a warp for a page of a row: the index heads are the rows of an mma, the largest of
// 128 scores is taken in registers, and one float a head and page goes to the workspace. `choose`
// has a block a row and head that takes the largest score N times; the candidates stay in cache.
//
// Bytes: D_i * 2 a token and row (e4m3: half) (2 MB at 8k for M3); the rows of a sequence share
// them in the L2 cache. Rows whose scores fit the workspace run in one pair of launches.
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

namespace talon::ops::cuda {
namespace {

constexpr int kWarps = 4;
constexpr int kThreads = kWarps * kWarpSize;
constexpr int kChooseThreads = 256;
constexpr int kMaxChosen = 64;

template <class T>
struct IndexParams {
  int32_t* blocks;   // [T, I, N]
  const T* q;        // [T, I, D]
  const void* keys;  // [pages, 128, 1, D]
  const int32_t* page_table;
  const int32_t* row_sequence;
  const int32_t* positions;
  float* scores;  // [rows of this launch, I, P]
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

template <int kDim, class P>
__global__ void __launch_bounds__(kThreads) score_kernel(const IndexParams<bf16> p) {
  await_previous();
  const int t = p.first_row + static_cast<int>(blockIdx.y);
  const int candidates = num_candidates(p, p.positions[t]);
  const int warp = static_cast<int>(threadIdx.x / kWarpSize);
  const int g = static_cast<int>(threadIdx.x % kWarpSize / 4);
  const int lane = static_cast<int>(threadIdx.x % 4);
  if (static_cast<int>(blockIdx.x) * kWarps + warp >= candidates) {
    return;
  }
  uint4 q[kDim / 32][2] = {};
#pragma unroll
  for (int c = 0; c < kDim / 32; ++c) {
#pragma unroll
    for (int i = 0; i < 2; ++i) {
      if (g + 8 * i < p.num_heads) {
        q[c][i] = *reinterpret_cast<const uint4*>(
            p.q + (int64_t{t} * p.num_heads + g + 8 * i) * kDim + 32 * c + 8 * lane);
      }
    }
  }
  const int32_t* pages = p.page_table + p.row_sequence[t] * p.page_table_stride;
  const int step = static_cast<int>(gridDim.x) * kWarps;
  for (int page = static_cast<int>(blockIdx.x) * kWarps + warp; page < candidates; page += step) {
    const P* keys = static_cast<const P*>(p.keys) + pages[page] * p.page_stride;
    float best[2] = {-INFINITY, -INFINITY};
#pragma unroll 4
    for (int j = 0; j < kPageTokens / 8; ++j) {
      float sums[4] = {};
#pragma unroll
      for (int c = 0; c < kDim / 32; ++c) {
        const uint4 key = load_eight(keys + (8 * j + g) * p.token_stride + 32 * c + 8 * lane);
        const uint32_t a0[4] = {q[c][0].x, q[c][1].x, q[c][0].y, q[c][1].y};
        const uint32_t a1[4] = {q[c][0].z, q[c][1].z, q[c][0].w, q[c][1].w};
        mma_16x8x16(sums, a0, key.x, key.y);
        mma_16x8x16(sums, a1, key.z, key.w);
      }
      best[0] = fmaxf(best[0], fmaxf(sums[0], sums[1]));  // a NaN loses
      best[1] = fmaxf(best[1], fmaxf(sums[2], sums[3]));
    }
#pragma unroll
    for (int i = 0; i < 2; ++i) {
      best[i] = fmaxf(best[i], __shfl_xor_sync(kAllLanes, best[i], 1));
      best[i] = fmaxf(best[i], __shfl_xor_sync(kAllLanes, best[i], 2));
      if (lane == 0 && g + 8 * i < p.num_heads) {
        const int64_t row = int64_t{t - p.first_row} * p.num_heads + g + 8 * i;
        p.scores[row * p.num_pages + page] = best[i];
      }
    }
  }
}

// Any dtypes and size: a thread a token.
template <class T, class P>
__global__ void __launch_bounds__(kThreads) plain_score_kernel(const IndexParams<T> p) {
  await_previous();
  __shared__ float scratch[kWarps];
  const int t = p.first_row + static_cast<int>(blockIdx.y);
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

template <class T>
__global__ void __launch_bounds__(kChooseThreads) choose_kernel(const IndexParams<T> p) {
  await_previous();
  __shared__ uint64_t shared[kChooseThreads / kWarpSize];
  __shared__ int32_t chosen[kMaxChosen];
  const int t = p.first_row + static_cast<int>(blockIdx.x);
  const int thread = static_cast<int>(threadIdx.x);
  const int64_t row = int64_t{t} * p.num_heads + blockIdx.y;
  const int position = p.positions[t];
  const int own = position / kPageTokens;
  const int candidates = num_candidates(p, position);
  const int num_taken = position < 0 ? 0 : own + 1 - candidates;
  const int num_best = candidates == 0 ? 0 : p.list_size - num_taken;
  const float* scores = p.scores + (row - int64_t{p.first_row} * p.num_heads) * p.num_pages;
  uint64_t last = ~uint64_t{0};
  for (int n = 0; n < num_best; ++n) {
    uint64_t best = 0;
    for (int page = thread; page < candidates; page += kChooseThreads) {
      const uint64_t key = order_key(scores[page], page);
      best = key < last && key > best ? key : best;
    }
    last = block_max(best, shared);
    if (thread == 0) {
      chosen[n] = order_key_id(last);
    }
  }
  __syncthreads();
  for (int n = thread; n < p.list_size; n += kChooseThreads) {
    int32_t page = n;
    int place = n;
    if (n < num_best) {  // all of them lie before the taken ones
      page = chosen[n];
      place = 0;
      for (int i = 0; i < num_best; ++i) {
        place += chosen[i] < page ? 1 : 0;
      }
    } else {
      page = n - num_best < num_taken ? candidates + n - num_best : -1;
    }
    p.blocks[row * p.list_size + place] = page;
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

template <class T>
void run(const CudaContext& context, const IndexTopkArgs& args, Kernel<T> score, int block_pages) {
  IndexParams<T> params = params_of<T>(context, args);
  const int64_t num_rows = args.index_q.size(0);
  const int64_t row_bytes = std::max<int64_t>(1, int64_t{4} * params.num_heads * params.num_pages);
  const int64_t rows_at_once = std::min<int64_t>(CudaContext::kWorkspaceBytes / row_bytes, 32768);
  TALON_CHECK(rows_at_once > 0, "index_topk: the scores of one row are over the workspace");
  for (int64_t first = 0; first < num_rows; first += rows_at_once) {
    const int64_t rows = std::min(rows_at_once, num_rows - first);
    const int64_t wanted = ceil_div(int64_t{8} * context.info().num_multiprocessors, rows);
    params.first_row = static_cast<int>(first);
    launch({.grid = dim3(static_cast<unsigned>(
                             std::min<int64_t>(wanted, ceil_div(params.num_pages, block_pages))),
                         static_cast<unsigned>(rows)),
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
  switch (wide ? args.index_q.size(2) : 0) {
    case 32:
      return run<bf16>(context, args, score_kernel<32, P>, kWarps);
    case 64:
      return run<bf16>(context, args, score_kernel<64, P>, kWarps);
    case 128:
      return run<bf16>(context, args, score_kernel<128, P>, kWarps);
    default:
      return run<bf16>(context, args, plain_score_kernel<bf16, P>, 1);
  }
}

}  // namespace

void index_topk(CudaContext& context, const IndexTopkArgs& args) {
  dispatch_plane(args.index_q.dtype(), args.index_key_plane.dtype(), [&]<class T, class P>() {
    if constexpr (std::is_same_v<T, bf16>) {
      run_wide<P>(context, args);
    } else {
      run<T>(context, args, plain_score_kernel<T, P>, 1);
    }
  });
}

}  // namespace talon::ops::cuda
