// The kernels of `linear` on CUDA, with one chosen from outside: for tests and benchmarks. No CUDA
// header is included here.
#pragma once

#include "ops/linear.h"
#include "ops/linear_config.h"

namespace talon::ops::cuda {

// As `linear`; the config must fit the problem.
void linear(CudaContext& context, const LinearArgs& args, const LinearConfig& config);

// The Hopper kernels, for a config with kCluster or kWide.
void linear_sm90(CudaContext& context, const LinearArgs& args, const LinearConfig& config);

}  // namespace talon::ops::cuda
