// What the bulk tensor copies of Hopper need to know of a matrix: where it lies, and which tile one
// copy takes. For .cu files and this folder only.
#pragma once

#include <cuda.h>

#include <cstdint>

namespace talon::cuda {

// Tiles of [tile_rows, 64] values of a bf16 matrix [num_rows, num_columns] whose rows begin
// `stride` values apart, in shared memory with the 128-byte swizzle; zeros where the matrix ends.
// `data` and the rows begin at multiples of 16 bytes, tile_rows <= 256. Kernels take it as a part
// of their parameters (__grid_constant__), so a captured launch keeps it.
CUtensorMap bf16_tiles(
    const void* data, int64_t num_rows, int64_t num_columns, int64_t stride, int32_t tile_rows);

}  // namespace talon::cuda
