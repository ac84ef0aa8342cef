// Which kernel multiplies on a GPU: a choice of speed alone, every kernel gives the same bits.
#pragma once

#include <cstdint>

#include "core/cuda/device.h"
#include "core/dtype.h"
#include "ops/weight.h"

namespace talon::ops {

struct LinearProblem {
  WeightFormat format = WeightFormat::kBf16;
  DType x_dtype = DType::kBf16;
  int64_t num_rows = 0;
  int64_t num_out = 0;
  int64_t num_in = 0;
  bool aligned = false;  // every row of x begins at a multiple of 16 bytes
};

enum class LinearKernel : uint8_t {
  kTiles,    // mma, 16 outputs a block (linear_cuda.cu): any format, any device
  kCluster,  // wgmma, a cluster of 8 blocks cuts the inputs (linear_sm90.cu): few rows
  kWide,     // wgmma, 128 outputs by 128 rows a block (linear_sm90.cu): many rows
};

struct LinearConfig {
  LinearKernel kernel = LinearKernel::kTiles;
  int32_t rows_per_block = 8;  // kTiles: 8, 16, 32; kCluster: 8, 16, 32, 64, 128; kWide: 128
};

// Whether kTiles adds up in the order of the Hopper kernels, on every device. By the weight and the
// types alone, so that the number of rows changes no bit.
bool adds_sixteens(const LinearProblem& problem);

// Pure. 8 <= capability_major of `device`.
LinearConfig choose_config(const LinearProblem& problem, const talon::cuda::DeviceInfo& device);

}  // namespace talon::ops
