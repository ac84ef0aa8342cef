// The inner product of `linear` and `moe_experts` on the CPU: some rows of x times some tiles of a
// packed weight, on the calling thread. Plain pointers only, because the files with wider
// instruction sets may not share inline functions with the rest of the program.
//
// Order of the sums, which decides the bits (docs/numerics.md):
//   scalar          acc = acc + x[i] * w[i] for i ascending, product and sum rounded apart
//   AVX2, AVX-512   acc = fma(x[i], w[i], acc) for i ascending
//   AVX-512 with bf16 x and bf16 w   one VDPBF16PS for each pair of i, ascending
//   AMX with bf16 x and bf16 w       one TDPBF16PS for each 32 of i, ascending
// Rows never meet, so any grouping of rows, tiles and threads gives the same bits.
#pragma once

#include <cstdint>

#include "core/cpu_path.h"
#include "ops/weight.h"

namespace talon::ops::cpu {

struct TileProduct {
  const void* x = nullptr;  // [num_rows, num_in]
  int64_t x_stride = 0;     // elements
  bool x_bf16 = false;      // otherwise f32
  void* out = nullptr;      // [num_rows, ...], at the column of the first tile
  int64_t out_stride = 0;
  bool out_bf16 = false;
  int64_t num_rows = 0;

  WeightFormat format = WeightFormat::kBf16;
  const void* values = nullptr;  // kCpuTiles
  const void* scales = nullptr;
  int64_t num_out = 0;
  int64_t num_in = 0;
  int64_t first_tile = 0;  // outputs [16 first_tile, 16 (first_tile + num_tiles)), up to num_out
  int64_t num_tiles = 0;
};

using TileProductKernel = void (*)(const TileProduct&);

// Tiles that a kernel likes to take at once; a unit of parallel work.
inline constexpr int64_t kTileGroup = 4;

TileProductKernel tile_product_kernel(CpuPath path);

// Fills the weight's fields.
TileProduct tile_product_of(const Weight& weight);

void tile_product_scalar(const TileProduct& p);
void tile_product_avx2(const TileProduct& p);
void tile_product_avx512(const TileProduct& p);
void tile_product_amx(const TileProduct& p);

}  // namespace talon::ops::cpu
