#include <immintrin.h>

#include <cstring>

#include "core/dtype.h"
#include "ops/cpu_math.h"
#include "ops/linear_lanes_avx512.h"
#include "ops/linear_simd.h"
#include "ops/tile_product.h"
#include "ops/weight.h"

namespace talon::ops::cpu {
namespace {

// Two inputs of a row in every lane, as VDPBF16PS wants its second operand.
TALON_ALWAYS_INLINE __m512bh broadcast_pair(const bf16* x) {
  int32_t pair = 0;
  std::memcpy(&pair, x, sizeof(pair));
  return __m512bh(_mm512_set1_epi32(pair));
}

TALON_ALWAYS_INLINE __m512bh load_line(const bf16* line) {
  return __m512bh(_mm512_load_si512(line));
}

template <int kRows, int kTiles>
[[gnu::noinline]] void dot_block(const BlockArgs<bf16, bf16>& a) {
  __m512 sums[kRows][kTiles];
  load_sums<Lanes, kRows, kTiles>(a.sums, sums);
  const bf16* x = a.x;
  const bf16* weights = a.weights;
  int64_t left = a.count;
  for (; left >= 2; left -= 2, x += 2, weights += 2 * kLine) {
#pragma GCC unroll 8
    for (int t = 0; t < kTiles; ++t) {
      const __m512bh line = load_line(weights + t * a.tile_stride);
#pragma GCC unroll 8
      for (int r = 0; r < kRows; ++r) {
        sums[r][t] = _mm512_dpbf16_ps(sums[r][t], line, broadcast_pair(x + r * a.x_stride));
      }
    }
  }
  if (left == 1) {
#pragma GCC unroll 8
    for (int t = 0; t < kTiles; ++t) {
      const __m512bh line = load_line(weights + t * a.tile_stride);
#pragma GCC unroll 8
      for (int r = 0; r < kRows; ++r) {
        const bf16 pair[2] = {x[r * a.x_stride], bf16{}};
        sums[r][t] = _mm512_dpbf16_ps(sums[r][t], line, broadcast_pair(pair));
      }
    }
  }
  store_sums<Lanes, kRows, kTiles>(a.sums, sums);
}

void dot_panel(const TileProduct& p, const PanelArgs& panel, Scratch& s) {
  const int64_t tile_stride = (p.num_in + 1) / 2 * 2 * kLine;
  const bf16* weights = static_cast<const bf16*>(p.values) + panel.first_tile * tile_stride;
  const bf16* x = static_cast<const bf16*>(p.x) + panel.first_row * p.x_stride;
  for (int64_t i = 0; i < p.num_in; i += kPiece) {
    for_each_block<Lanes::kMaxBlock>(
        panel.rows, panel.tiles, [&]<int kRows, int kTiles>(int64_t row, int64_t tile) {
          dot_block<kRows, kTiles>({.x = x + row * p.x_stride + i,
                                    .x_stride = p.x_stride,
                                    .weights = weights + i * kLine + tile * tile_stride,
                                    .tile_stride = tile_stride,
                                    .count = smaller(kPiece, p.num_in - i),
                                    .sums = s.sums + row * kSumStride + tile * kLine});
        });
  }
}

}  // namespace

void tile_product_avx512(const TileProduct& p) {
  if (p.x_bf16 && p.format == WeightFormat::kBf16) {
    for_each_panel<Lanes>(p, [&p](const PanelArgs& panel, Scratch& s) { dot_panel(p, panel, s); });
  } else {
    fma_product<Lanes>(p);
  }
}

}  // namespace talon::ops::cpu
