// Attention over pages, at any number of rows, for dense layers and for lists of pages.
//
// `part` (attention_part.cuh) attends to chunks of pages, `merge` joins the chunks of a row. Rows
// of a sequence are dealt to blocks by up to four, which is a matter of speed: no row's bits depend
// on it.
//
// Bytes: 2 * D * 2 a token and KV head (e4m3: 2 * D + 8), read once for up to four rows of a
// sequence. At 8k tokens an M3 rank reads 4 MB for a dense layer, 1 MB for 16 pages.
#include "ops/attention.h"

#include <algorithm>
#include <limits>
#include <type_traits>

#include "base/check.h"
#include "ops/attention_part.cuh"
#include "ops/cuda_kernel.cuh"
#include "ops/kv_fp8.h"

namespace talon::ops::cuda {
namespace {

constexpr int kMergeThreads = 128;

// One block a row and head.
__global__ void __launch_bounds__(kMergeThreads) merge_kernel(const AttentionParams<bf16> p) {
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
  for (int first = 0; first < p.dim; first += kMergeThreads) {
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
constexpr int kPlainThreads = kPageTokens;

// Any dtypes and head size, one block a row and head, a thread a token of the page: for float32 and
// for head sizes that no model on a GPU has. Plain loops, no speed.
template <class T, class P>
__global__ void __launch_bounds__(kPlainThreads) plain_kernel(const AttentionParams<T> p) {
  await_previous();
  __shared__ float weights[kPageTokens];  // times the values' scales
  __shared__ float query[kMaxPlainDim];
  __shared__ float scratch[kPlainThreads / kWarpSize];
  const int t = p.first_row + static_cast<int>(blockIdx.x);
  const int head = static_cast<int>(blockIdx.y);
  const int group = head / (p.num_heads / p.num_groups);
  const int thread = static_cast<int>(threadIdx.x);
  const RowPages row = row_pages(p, t, group);
  T* out = p.out + t * p.out_stride + head * p.dim;
  float sums[kMaxPlainDim / kPlainThreads] = {};
  float max = -INFINITY;
  float total = 0.0F;
  for (int d = thread; d < p.dim; d += kPlainThreads) {
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
    total = total * shrink + block_sum<kPlainThreads>(weight, scratch);
    for (int i = 0; i < kMaxPlainDim / kPlainThreads; ++i) {
      const int d = thread + i * kPlainThreads;
      float sum = sums[i] * shrink;
      for (int j = 0; d < p.dim && j < visible; ++j) {
        sum += weights[j] * to_float(values.first[j * values.stride + d]);
      }
      sums[i] = sum;
    }
  }
  for (int i = 0; i < kMaxPlainDim / kPlainThreads; ++i) {
    const int d = thread + i * kPlainThreads;
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

// Blocks that share the items of a unit: so many that the last wave of blocks is full, counting a
// block's start as an item.
int64_t blocks_of_unit(int64_t units, int64_t items, int64_t slots) {
  int64_t best = 1;
  int64_t least = std::numeric_limits<int64_t>::max();
  for (int64_t blocks = 1; blocks <= items; ++blocks) {
    const int64_t time = ceil_div(units * blocks, slots) * (ceil_div(items, blocks) + 1);
    if (time < least) {
      least = time;
      best = blocks;
    }
  }
  return best;
}

// What a block takes of a call.
int64_t num_tiles(const AttentionParams<bf16>& params) {
  const int group_heads = params.num_heads / params.num_groups;
  return params.num_groups * ceil_div(int64_t{group_heads}, int64_t{kTileHeads});
}

int64_t num_items(const AttentionParams<bf16>& params) {
  return std::min<int64_t>(kMaxChunks,
                           params.blocks == nullptr ? params.page_table_stride : params.list_size);
}

template <int kDim, class P, int kRows>
void run_part(const CudaContext& context, const AttentionParams<bf16>& params) {
  const int64_t tiles = num_tiles(params);
  const int64_t slots = int64_t{context.info().num_multiprocessors} * PartThread<kRows>::kBlocks;
  const int64_t blocks = blocks_of_unit(params.units.count() * tiles, num_items(params), slots);
  launch({.grid = dim3(static_cast<unsigned>(blocks), static_cast<unsigned>(tiles),
                       params.units.count()),
          .block = dim3(PartThread<kRows>::kThreads),
          .smem_bytes = sizeof(PartShared<kDim, kRows>),
          .stream = context.stream_handle(),
          .dependent = true},
         part_kernel<kDim, P, kRows>, params);
}

// Rows whose parts fit the workspace run in one pair of launches.
template <int kDim, class P, int kRows>
void run(const CudaContext& context, const AttentionArgs& args) {
  AttentionParams<bf16> params = params_of<bf16>(context, args);
  const int64_t num_rows = args.q.size(0);
  const int64_t rows_each = rows_of_a_sequence(num_rows, args.page_table.size(0));
  const int64_t row_bytes = int64_t{4} * params.num_heads * kMaxChunks * (kDim + 2);
  int64_t rows_at_once = std::min<int64_t>(CudaContext::kWorkspaceBytes / row_bytes, 32768);
  TALON_CHECK(rows_at_once > 0, "attention: the parts of one row are over the workspace");
  rows_at_once -= rows_at_once > rows_each ? rows_at_once % rows_each : 0;
  for (int64_t first = 0; first < num_rows; first += rows_at_once) {
    const int64_t rows = std::min(rows_at_once, num_rows - first);
    params.first_row = static_cast<int>(first);
    params.units = row_units(rows, rows_each, kRows);
    run_part<kDim, P, kRows>(context, params);
    launch({.grid = dim3(static_cast<unsigned>(rows), static_cast<unsigned>(params.num_heads)),
            .block = dim3(kMergeThreads),
            .stream = context.stream_handle(),
            .dependent = true},
           merge_kernel, params);
  }
}

// As many rows share a page as a sequence has, up to four; but if there are too few pages for all
// multiprocessors, a block for each row is done sooner.
int64_t shared_rows(const CudaContext& context, const AttentionArgs& args) {
  const AttentionParams<bf16> params = params_of<bf16>(context, args);
  const int64_t num_sequences = args.page_table.size(0);
  const int64_t items = num_sequences * num_tiles(params) * num_items(params);
  return items < context.info().num_multiprocessors
             ? 1
             : rows_of_a_sequence(args.q.size(0), num_sequences);
}

template <int kDim, class P>
void run_rows(const CudaContext& context, const AttentionArgs& args) {
  switch (shared_rows(context, args)) {
    case 1:
      return run<kDim, P, 1>(context, args);
    case 2:
      return run<kDim, P, 2>(context, args);
    default:
      return run<kDim, P, 4>(context, args);
  }
}

template <class T, class P>
void run_plain(const CudaContext& context, const AttentionArgs& args) {
  const AttentionParams<T> params = params_of<T>(context, args);
  TALON_CHECK(params.dim <= kMaxPlainDim, "attention: a head of {} is over {}", params.dim,
              kMaxPlainDim);
  launch(
      {.grid = dim3(static_cast<unsigned>(args.q.size(0)), static_cast<unsigned>(params.num_heads)),
       .block = dim3(kPlainThreads),
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
      return run_rows<32, P>(context, args);
    case 64:
      return run_rows<64, P>(context, args);
    case 128:
      return run_rows<128, P>(context, args);
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
