#include "ops/linear_config.h"

#include <initializer_list>

#include "base/checked_int.h"

namespace talon::ops {
namespace {

// The inputs are cut in eight parts (ops/weight_tile.cuh), and a Hopper kernel takes 64 at a time.
// With one tile a part it only has the costs of a cluster.
constexpr int64_t kHopperInputs = int64_t{8} * 64;
constexpr int64_t kMinHopperInputs = 2 * kHopperInputs;

// Blocks of the wide kernel from which on it has enough to do, as a share of the multiprocessors.
constexpr double kWideShare = 0.6;

int32_t smallest(std::initializer_list<int32_t> sizes, int64_t num_rows) {
  for (const int32_t size : sizes) {
    if (num_rows <= size) {
      return size;
    }
  }
  return *(sizes.end() - 1);
}

}  // namespace

bool adds_sixteens(const LinearProblem& problem) {
  return problem.format == WeightFormat::kBf16 && problem.x_dtype == DType::kBf16 &&
         problem.num_in >= kMinHopperInputs && problem.num_in % kHopperInputs == 0;
}

LinearConfig choose_config(const LinearProblem& problem, const talon::cuda::DeviceInfo& device) {
  // 10 and newer have no wgmma.
  const bool is_hopper = device.capability_major == 9;
  if (!is_hopper || !problem.aligned || !adds_sixteens(problem)) {
    return {LinearKernel::kTiles, smallest({8, 16, 32}, problem.num_rows)};
  }
  const int64_t wide_blocks = ceil_div(problem.num_rows, 128) * ceil_div(problem.num_out, 128);
  if (problem.num_rows > 64 &&
      static_cast<double>(wide_blocks) >= kWideShare * device.num_multiprocessors) {
    return {LinearKernel::kWide, 128};
  }
  return {LinearKernel::kCluster, smallest({8, 16, 32, 64, 128}, problem.num_rows)};
}

}  // namespace talon::ops
