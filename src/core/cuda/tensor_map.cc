#include "core/cuda/tensor_map.h"

#include <cuda_runtime_api.h>

#include "base/check.h"
#include "core/cuda/check.h"

namespace talon::cuda {
namespace {

// A function of the driver's library, which the program does not link: it runs without a GPU too.
auto* encode_tiled() {
  static const auto kFunction = [] {
    void* function = nullptr;
    cudaDriverEntryPointQueryResult found{};
    cuda_check(cudaGetDriverEntryPointByVersion("cuTensorMapEncodeTiled", &function, 12000,
                                                cudaEnableDefault, &found));
    TALON_CHECK(found == cudaDriverEntryPointSuccess, "the driver has no cuTensorMapEncodeTiled");
    return reinterpret_cast<decltype(&cuTensorMapEncodeTiled)>(function);
  }();
  return kFunction;
}

}  // namespace

CUtensorMap bf16_tiles(
    const void* data, int64_t num_rows, int64_t num_columns, int64_t stride, int32_t tile_rows) {
  constexpr uint32_t kTileColumns = 64;
  const cuuint64_t sizes[] = {static_cast<cuuint64_t>(num_columns),
                              static_cast<cuuint64_t>(num_rows)};
  const cuuint64_t strides[] = {static_cast<cuuint64_t>(2 * stride)};  // bytes
  const cuuint32_t box[] = {kTileColumns, static_cast<cuuint32_t>(tile_rows)};
  const cuuint32_t steps[] = {1, 1};
  CUtensorMap map{};
  const CUresult result =
      encode_tiled()(&map, CU_TENSOR_MAP_DATA_TYPE_BFLOAT16, 2, const_cast<void*>(data), sizes,
                     strides, box, steps, CU_TENSOR_MAP_INTERLEAVE_NONE, CU_TENSOR_MAP_SWIZZLE_128B,
                     CU_TENSOR_MAP_L2_PROMOTION_L2_256B, CU_TENSOR_MAP_FLOAT_OOB_FILL_NONE);
  TALON_CHECK(result == CUDA_SUCCESS, "tiles of {} of a [{}, {}] matrix with stride {}: error {}",
              tile_rows, num_rows, num_columns, stride, static_cast<int>(result));
  return map;
}

}  // namespace talon::cuda
