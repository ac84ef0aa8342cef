// Few rows: the time is that of reading the weights once, out * in * bytes a value, at the memory's
// read rate (see ops/weight_tile.cuh for the tile). Many rows: blocks of 32 rows that share an
// output tile run side by side and find it in the L2 cache. On Hopper linear_sm90.cu takes bf16
// weights of the sizes that it fits.
#include "ops/linear.h"

#include "ops/cuda_kernel.cuh"
#include "ops/linear_config.h"
#include "ops/linear_kernels.h"
#include "ops/weight_tile.cuh"

namespace talon::ops::cuda {
namespace {

template <class T, class Out>
struct LinearParams {
  WeightRows weight;
  Out* out;    // [T, out]
  const T* x;  // [T, in]
  int64_t out_stride;
  int64_t x_stride;
  int num_rows;
};

template <TileFormat kFormat, class T, class Out, int kTiles, bool kWhole>
__global__ void __launch_bounds__(kTileThreads) linear_kernel(const LinearParams<T, Out> p) {
  await_previous();
  __shared__ TileShared<kTiles> shared;
  const int first_row = static_cast<int>(blockIdx.x) * 8 * kTiles;
  const int first_output = static_cast<int>(blockIdx.y) * kTileOutputRows;
  TileRows<T, kTiles, kWhole> rows;
#pragma unroll
  for (int n = 0; n < kTiles; ++n) {
    const int row = first_row + 8 * n + static_cast<int>(threadIdx.x % kWarpSize / 4);
    const bool exists = row < p.num_rows;
    rows.at[n] = exists || kWhole ? p.x + (exists ? row : first_row) * p.x_stride : nullptr;
  }
  TileSums<kTiles> sums[1] = {};
  const LaneWeights lanes[1] = {lane_weights(p.weight, first_output, 0)};
  add_part<kFormat, T>(sums, lanes, rows);
  shared.store(sums[0]);
  __syncthreads();
  for (int i = static_cast<int>(threadIdx.x); i < 8 * kTiles * kTileOutputRows; i += kTileThreads) {
    const int row = i / kTileOutputRows;
    const int output = i % kTileOutputRows;
    if (first_row + row < p.num_rows && first_output + output < p.weight.num_out) {
      p.out[(first_row + row) * p.out_stride + first_output + output] =
          rounded<Out>(shared.total(row, output));
    }
  }
}

template <TileFormat kFormat, class T, class Out, int kTiles, bool kWhole>
void run(const CudaContext& context, const LinearArgs& args) {
  const int64_t num_rows = args.x.size(0);
  const LinearParams<T, Out> params = {.weight = weight_rows_of(args.weight),
                                       .out = args.out.as<Out>(),
                                       .x = args.x.as<T>(),
                                       .out_stride = args.out.stride(0),
                                       .x_stride = args.x.stride(0),
                                       .num_rows = static_cast<int>(num_rows)};
  launch({.grid = dim3(grid_size(num_rows, 8 * kTiles),
                       grid_size(args.weight.num_out, kTileOutputRows)),
          .block = dim3(kTileThreads),
          .stream = context.stream_handle(),
          .dependent = true},
         linear_kernel<kFormat, T, Out, kTiles, kWhole>, params);
}

LinearProblem problem_of(const LinearArgs& args) {
  return {.format = args.weight.format,
          .x_dtype = args.x.dtype(),
          .num_rows = args.x.size(0),
          .num_out = args.weight.num_out,
          .num_in = args.weight.num_in,
          .aligned = reinterpret_cast<uintptr_t>(args.x.data()) % 16 == 0 &&
                     args.x.stride(0) % kVector<bf16> == 0};
}

// Rows that are not whole are odd cases, and have one kernel.
template <TileFormat kFormat, class Out>
void run_bf16(const CudaContext& context, const LinearArgs& args, bool whole, int rows_per_block) {
  if (!whole) {
    run<kFormat, bf16, Out, 4, false>(context, args);
  } else if (rows_per_block == 8) {
    run<kFormat, bf16, Out, 1, true>(context, args);
  } else if (rows_per_block == 16) {
    run<kFormat, bf16, Out, 2, true>(context, args);
  } else {
    run<kFormat, bf16, Out, 4, true>(context, args);
  }
}

void run_config(CudaContext& context,
                const LinearArgs& args,
                const LinearProblem& problem,
                const LinearConfig& config) {
  if (config.kernel != LinearKernel::kTiles) {
    linear_sm90(context, args, config);
    return;
  }
  const auto run_tiles = [&]<TileFormat kFormat>() {
    const bool whole = problem.aligned && problem.num_in % kCudaRowInputs == 0;
    if (args.out.dtype() == DType::kF32) {
      run_bf16<kFormat, float>(context, args, whole, config.rows_per_block);
    } else {
      run_bf16<kFormat, bf16>(context, args, whole, config.rows_per_block);
    }
  };
  if (adds_sixteens(problem)) {
    run_tiles.template operator()<TileFormat::kBf16Sixteens>();
    return;
  }
  dispatch_tile_format(problem.format, [&]<TileFormat kFormat>() {
    if (problem.x_dtype == DType::kF32) {
      run<kFormat, float, float, 4, false>(context, args);
    } else {
      run_tiles.template operator()<kFormat>();
    }
  });
}

}  // namespace

void linear(CudaContext& context, const LinearArgs& args) {
  const LinearProblem problem = problem_of(args);
  run_config(context, args, problem, choose_config(problem, context.info()));
}

void linear(CudaContext& context, const LinearArgs& args, const LinearConfig& config) {
  run_config(context, args, problem_of(args), config);
}

}  // namespace talon::ops::cuda
