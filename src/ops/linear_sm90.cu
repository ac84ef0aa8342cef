// Products with bf16 weights on Hopper. Outputs are the rows of a product and rows of x its
// columns, so few rows cost little. One warp copies tiles of 64 inputs of both operands into a ring
// in shared memory, whole warpgroups multiply them.
//
// The sums are those of linear_cuda.cu: 16 inputs at a time in rising order within each of eight
// parts of the inputs, and the parts in order. The cluster kernel gives a part to each of 8 blocks,
// which add up over distributed shared memory: with few rows that is what brings enough blocks and
// bytes on their way to read weights at the memory's rate. The wide kernel takes the parts one
// after the other; it does 64 operations for each byte that it reads of the L2 cache.
#include <cooperative_groups.h>

#include "core/cuda/tensor_map.h"
#include "ops/bulk_copy_sm90.cuh"
#include "ops/cuda_kernel.cuh"
#include "ops/linear_kernels.h"
#include "ops/wgmma_sm90.cuh"

namespace talon::ops::cuda {
namespace {

constexpr int kNumParts = 8;
constexpr int kGroupThreads = 128;  // a warpgroup
constexpr int kGroupOutputs = 64;

template <class Out>
struct LinearSm90Params {
  CUtensorMap weight;  // [num_out, num_in]
  CUtensorMap x;       // [num_rows, num_in]
  Out* out;            // [num_rows, out_stride]
  int64_t out_stride;
  int num_rows;
  int num_out;
  int tiles_per_part;
};

// A block's ring of tiles, kGroups * 64 outputs by kRows rows. The last warp copies.
template <int kGroups, int kRows, int kNumSlots>
struct Ring {
  static constexpr int kThreads = kGroups * kGroupThreads + kWarpSize;
  static constexpr int kOutputs = kGroups * kGroupOutputs;
  static constexpr int kPitch = kOutputs + 4;  // floats from a row of sums to the next
  static constexpr int kWeightBytes = kOutputs * kSwizzleBytes;
  static constexpr int kSlotBytes = kWeightBytes + kRows * kSwizzleBytes;
  static constexpr int kBytes =
      kNumSlots * (kSlotBytes + 2 * static_cast<int>(sizeof(CopyBarrier)));
  static constexpr int kColumns = kRows >= 64 ? kRows : kRows == 32 ? 32 : 8;
  static constexpr int kProducts = kRows / kColumns;

  using Sums = float[kProducts][kColumns / 2];

  uint8_t* slots;
  int first_output;
  int first_row;
  int first_tile;
  int num_tiles;

  __device__ uint8_t* slot(int tile) const { return slots + tile % kNumSlots * kSlotBytes; }
  __device__ CopyBarrier* barriers() const {
    return reinterpret_cast<CopyBarrier*>(slots + kNumSlots * kSlotBytes);
  }
  __device__ CopyBarrier& filled(int tile) const { return barriers()[tile % kNumSlots]; }
  __device__ CopyBarrier& freed(int tile) const { return barriers()[kNumSlots + tile % kNumSlots]; }
  __device__ static uint32_t parity(int tile) { return tile / kNumSlots % 2; }
  __device__ static bool copies() { return threadIdx.x >= kGroups * kGroupThreads; }

  // By all threads, first of all.
  __device__ void init() const {
    if (threadIdx.x == 0) {
      for (int i = 0; i < kNumSlots; ++i) {
        filled(i).init(1);
        freed(i).init(kGroups * kGroupThreads / kWarpSize);
      }
      fence_barriers();
    }
    __syncthreads();
  }

  __device__ void copy_weight(const CUtensorMap& weight, int tile) const {
    copy_tile(slot(tile), weight, (first_tile + tile) * kSwizzleInputs, first_output, filled(tile));
  }
  __device__ void copy_x(const CUtensorMap& x, int tile) const {
    copy_tile(slot(tile) + kWeightBytes, x, (first_tile + tile) * kSwizzleInputs, first_row,
              filled(tile));
  }

  // By one thread. Weights do not come from the kernel in front, rows of x do.
  __device__ void copy_all(const CUtensorMap& weight, const CUtensorMap& x) const {
    const int num_first = min(num_tiles, kNumSlots);
    for (int tile = 0; tile < num_first; ++tile) {
      filled(tile).arrive_and_expect(kSlotBytes);
      copy_weight(weight, tile);
    }
    await_previous();
    for (int tile = 0; tile < num_first; ++tile) {
      copy_x(x, tile);
    }
    for (int tile = kNumSlots; tile < num_tiles; ++tile) {
      freed(tile).wait(parity(tile) ^ 1);
      filled(tile).arrive_and_expect(kSlotBytes);
      copy_weight(weight, tile);
      copy_x(x, tile);
    }
  }

  // By a warpgroup: adds the product of a tile to its sums. It may still run on return.
  __device__ void multiply(Sums& sums, int tile) const {
    filled(tile).wait(parity(tile));
    const uint32_t base = shared_address(slot(tile));
    const int group = static_cast<int>(threadIdx.x) / kGroupThreads;
    const uint64_t a = tile_descriptor(base + group * kGroupOutputs * kSwizzleBytes);
    const uint64_t b = tile_descriptor(base + kWeightBytes);
    wgmma_fence();
#pragma unroll
    for (int k = 0; k < kSwizzleInputs / 16; ++k) {
#pragma unroll
      for (int n = 0; n < kProducts; ++n) {
        const int columns = n * kColumns * kSwizzleBytes;
        wgmma_64xNx16(sums[n], a + 2 * k, b + 2 * k + columns / 16);
      }
    }
    wgmma_commit();
    wgmma_wait<1>();
    if (tile > 0 && threadIdx.x % kWarpSize == 0) {
      freed(tile - 1).arrive();
    }
  }

  // Keeps what sets or reads sums from moving in between products that still run.
  __device__ static void pin(Sums& sums) {
#pragma unroll
    for (int n = 0; n < kProducts; ++n) {
#pragma unroll
      for (int i = 0; i < kColumns / 2; ++i) {
        asm volatile("" : "+f"(sums[n][i])::"memory");
      }
    }
  }

  // Calls to(column, output, value) with each of this thread's sums.
  template <class To>
  __device__ static void for_each(const Sums& sums, const To& to) {
    const int thread = static_cast<int>(threadIdx.x);
    const int output = thread / kWarpSize * 16 + thread % kWarpSize / 4;
    const int column = 2 * (thread % 4);
#pragma unroll
    for (int n = 0; n < kProducts; ++n) {
#pragma unroll
      for (int i = 0; i < kColumns / 2; ++i) {
        to(n * kColumns + i / 4 * 8 + column + i % 2, output + i / 2 % 2 * 8, sums[n][i]);
      }
    }
  }
};

// As many slots as leave room for three blocks on a multiprocessor, or for two of 128 rows.
template <int kRows>
using ClusterRing = Ring<kRows == 128 ? 2 : 1,
                         kRows,
                         kRows <= 16   ? 7
                         : kRows == 32 ? 6
                         : kRows == 64 ? 4
                                       : 3>;
using WideRing = Ring<2, 128, 6>;

// grid.x: 8 blocks, a cluster, for every 64 or 128 outputs; grid.y: rows.
template <int kRows, class Out>
__global__ void __cluster_dims__(kNumParts, 1, 1)
    __launch_bounds__(ClusterRing<kRows>::kThreads, kRows == 128 ? 2 : 3)
        cluster_kernel(const __grid_constant__ LinearSm90Params<Out> p) {
  using TheRing = ClusterRing<kRows>;
  constexpr int kOutputs = TheRing::kOutputs;
  constexpr int kPitch = TheRing::kPitch;
  static_assert(kRows * kPitch * sizeof(float) <= TheRing::kBytes);
  extern __shared__ __align__(1024) uint8_t shared[];
  const auto cluster = cooperative_groups::this_cluster();
  const int part = static_cast<int>(cluster.block_rank());
  const int first_output = static_cast<int>(blockIdx.x) / kNumParts * kOutputs;
  const int first_row = static_cast<int>(blockIdx.y) * kRows;
  const TheRing ring = {.slots = shared,
                        .first_output = first_output,
                        .first_row = first_row,
                        .first_tile = part * p.tiles_per_part,
                        .num_tiles = p.tiles_per_part};
  ring.init();
  auto* const own = reinterpret_cast<float*>(shared);
  if (TheRing::copies()) {
    if (threadIdx.x % kWarpSize == 0) {
      ring.copy_all(p.weight, p.x);
    }
    __syncthreads();
  } else {
    await_previous();
    typename TheRing::Sums sums = {};
    TheRing::pin(sums);
#pragma unroll 1
    for (int tile = 0; tile < p.tiles_per_part; ++tile) {
      ring.multiply(sums, tile);
    }
    wgmma_wait<0>();
    TheRing::pin(sums);
    __syncthreads();  // the tiles are read, and the sums take their place
    TheRing::for_each(sums,
                      [own](int row, int output, float sum) { own[row * kPitch + output] = sum; });
  }
  cluster.sync();
  constexpr int kOwnRows = kRows / kNumParts;  // that this block adds up
  for (int i = static_cast<int>(threadIdx.x); i < kOwnRows * kOutputs; i += TheRing::kThreads) {
    const int row = part * kOwnRows + i / kOutputs;
    const int output = i % kOutputs;
    float parts[kNumParts];
#pragma unroll
    for (int from = 0; from < kNumParts; ++from) {
      parts[from] = cluster.map_shared_rank(own, from)[row * kPitch + output];
    }
    float sum = 0.0F;
#pragma unroll
    for (int from = 0; from < kNumParts; ++from) {
      sum += parts[from];
    }
    if (first_row + row < p.num_rows && first_output + output < p.num_out) {
      p.out[(first_row + row) * p.out_stride + first_output + output] = rounded<Out>(sum);
    }
  }
  cluster.sync();  // others may still read the sums
}

// grid.x: rows; grid.y: 128 outputs each.
template <class Out>
__global__ void __launch_bounds__(WideRing::kThreads, 1)
    wide_kernel(const __grid_constant__ LinearSm90Params<Out> p) {
  extern __shared__ __align__(1024) uint8_t shared[];
  constexpr int kOutputs = WideRing::kOutputs;
  constexpr int kWidePitch = WideRing::kPitch;
  static_assert(128 * kWidePitch * sizeof(float) <= WideRing::kBytes);
  const int first_row = static_cast<int>(blockIdx.x) * 128;
  const int first_output = static_cast<int>(blockIdx.y) * kOutputs;
  const int num_tiles = kNumParts * p.tiles_per_part;
  const WideRing ring = {.slots = shared,
                         .first_output = first_output,
                         .first_row = first_row,
                         .first_tile = 0,
                         .num_tiles = num_tiles};
  ring.init();
  auto* const sums = reinterpret_cast<float*>(shared);
  if (WideRing::copies()) {
    if (threadIdx.x % kWarpSize == 0) {
      ring.copy_all(p.weight, p.x);
    }
    __syncthreads();
  } else {
    await_previous();
    WideRing::Sums total = {};
    for (int first = 0; first < num_tiles; first += p.tiles_per_part) {
      WideRing::Sums part = {};
      WideRing::pin(part);
#pragma unroll 1
      for (int tile = first; tile < first + p.tiles_per_part; ++tile) {
        ring.multiply(part, tile);
      }
      wgmma_wait<0>();
      WideRing::pin(part);
#pragma unroll
      for (int i = 0; i < WideRing::kColumns / 2; ++i) {
        total[0][i] += part[0][i];
      }
    }
    __syncthreads();
    WideRing::for_each(
        total, [sums](int row, int output, float sum) { sums[row * kWidePitch + output] = sum; });
  }
  __syncthreads();
  for (int i = static_cast<int>(threadIdx.x); i < 128 * kOutputs; i += WideRing::kThreads) {
    const int row = i / kOutputs;
    const int output = i % kOutputs;
    if (first_row + row < p.num_rows && first_output + output < p.num_out) {
      p.out[(first_row + row) * p.out_stride + first_output + output] =
          rounded<Out>(sums[row * kWidePitch + output]);
    }
  }
}

template <class TheRing, int kRows, class Out>
LinearSm90Params<Out> params_of(const LinearArgs& args) {
  const Weight& w = args.weight;
  return {.weight = talon::cuda::bf16_tiles(w.values.data(), w.num_out, w.num_in, w.values.size(1),
                                            TheRing::kOutputs),
          .x = talon::cuda::bf16_tiles(args.x.data(), args.x.size(0), w.num_in, args.x.stride(0),
                                       kRows),
          .out = args.out.as<Out>(),
          .out_stride = args.out.stride(0),
          .num_rows = static_cast<int>(args.x.size(0)),
          .num_out = static_cast<int>(w.num_out),
          .tiles_per_part = static_cast<int>(w.num_in / (kNumParts * kSwizzleInputs))};
}

template <int kRows, class Out>
void run_cluster(const CudaContext& context, const LinearArgs& args) {
  using TheRing = ClusterRing<kRows>;
  launch({.grid = dim3(kNumParts * grid_size(args.weight.num_out, TheRing::kOutputs),
                       grid_size(args.x.size(0), kRows)),
          .block = dim3(TheRing::kThreads),
          .smem_bytes = TheRing::kBytes,
          .stream = context.stream_handle(),
          .dependent = true},
         cluster_kernel<kRows, Out>, params_of<TheRing, kRows, Out>(args));
}

template <class Out>
void run(const CudaContext& context, const LinearArgs& args, const LinearConfig& config) {
  if (config.kernel == LinearKernel::kWide) {
    launch({.grid = dim3(grid_size(args.x.size(0), 128),
                         grid_size(args.weight.num_out, 2 * kGroupOutputs)),
            .block = dim3(WideRing::kThreads),
            .smem_bytes = WideRing::kBytes,
            .stream = context.stream_handle(),
            .dependent = true},
           wide_kernel<Out>, params_of<WideRing, 128, Out>(args));
    return;
  }
  switch (config.rows_per_block) {
    case 8:
      return run_cluster<8, Out>(context, args);
    case 16:
      return run_cluster<16, Out>(context, args);
    case 32:
      return run_cluster<32, Out>(context, args);
    case 64:
      return run_cluster<64, Out>(context, args);
    default:
      return run_cluster<128, Out>(context, args);
  }
}

}  // namespace

void linear_sm90(CudaContext& context, const LinearArgs& args, const LinearConfig& config) {
  if (args.x.size(0) == 0) {
    return;
  }
  if (args.out.dtype() == DType::kF32) {
    run<float>(context, args, config);
  } else {
    run<bf16>(context, args, config);
  }
}

}  // namespace talon::ops::cuda
