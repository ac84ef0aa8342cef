// bf16 rows times bf16 weights on the tile unit. A packed weight tile of 32 inputs is 16 lines of
// 64 bytes, which is a B operand as it lies in memory; 1 to 16 rows of x are an A operand. A tile
// register holds as many rows as there are, so a product of one row does the work of one, with the
// bits that row has among 16.
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

constexpr int64_t kTileRows = 16;
constexpr int64_t kTileInputs = 32;  // 64 bytes of bf16
constexpr int64_t kLineBytes = 64;

// Registers: 0-3 sums of four output tiles, 4 and 5 A and B of 32 inputs, 6 and 7 those of the rest
// of an input count that is no multiple of 32.
struct alignas(64) TileConfig {
  uint8_t palette = 1;
  uint8_t start_row = 0;
  uint8_t reserved[14] = {};
  uint16_t row_bytes[16] = {};
  uint8_t rows[16] = {};
};
static_assert(sizeof(TileConfig) == 64);

// g++ 12's intrinsics do not say that a tile load reads memory, so what was written to the stack
// for one could be dropped as unused. An empty statement that may read it keeps it.
TALON_ALWAYS_INLINE void keep(const void* written) {
  __asm__ volatile("" : : "r"(written) : "memory");
}

void configure(int64_t rows, int64_t rest_pairs) {
  TileConfig config;
  const auto set = [&config](int i, int64_t tile_rows, int64_t row_bytes) {
    config.rows[i] = static_cast<uint8_t>(tile_rows);
    config.row_bytes[i] = static_cast<uint16_t>(row_bytes);
  };
  for (int i = 0; i < 4; ++i) {
    set(i, rows, kLineBytes);
  }
  set(4, rows, kLineBytes);
  set(5, kTileInputs / 2, kLineBytes);
  if (rest_pairs > 0) {
    set(6, rows, 4 * rest_pairs);
    set(7, rest_pairs, kLineBytes);
  }
  keep(&config);
  _tile_loadconfig(&config);
}

// Operands of up to 16 rows and 4 tiles over all inputs.
struct AmxBlock {
  const bf16* x;
  int64_t x_stride;
  const bf16* rest;  // [rows, 32], the last inputs padded with zeros
  const bf16* weights;
  int64_t tile_stride;
  int64_t num_in;
  float* sums;
};

// Register numbers must be literals.
template <int kTiles>
TALON_ALWAYS_INLINE void clear_tiles() {
  _tile_zero(0);
  if constexpr (kTiles > 1) {
    _tile_zero(1);
  }
  if constexpr (kTiles > 2) {
    _tile_zero(2);
  }
  if constexpr (kTiles > 3) {
    _tile_zero(3);
  }
}

template <int kTiles>
TALON_ALWAYS_INLINE void store_tiles(float* sums) {
  constexpr int64_t kStride = kSumStride * 4;
  _tile_stored(0, sums, kStride);
  if constexpr (kTiles > 1) {
    _tile_stored(1, sums + kLine, kStride);
  }
  if constexpr (kTiles > 2) {
    _tile_stored(2, sums + 2 * kLine, kStride);
  }
  if constexpr (kTiles > 3) {
    _tile_stored(3, sums + 3 * kLine, kStride);
  }
}

template <int kTiles>
TALON_ALWAYS_INLINE void multiply_whole(const bf16* x,
                                        int64_t x_stride,
                                        const bf16* w,
                                        int64_t ts) {
  _tile_loadd(4, x, x_stride * 2);
  _tile_loadd(5, w, kLineBytes);
  _tile_dpbf16ps(0, 4, 5);
  if constexpr (kTiles > 1) {
    _tile_loadd(5, w + ts, kLineBytes);
    _tile_dpbf16ps(1, 4, 5);
  }
  if constexpr (kTiles > 2) {
    _tile_loadd(5, w + 2 * ts, kLineBytes);
    _tile_dpbf16ps(2, 4, 5);
  }
  if constexpr (kTiles > 3) {
    _tile_loadd(5, w + 3 * ts, kLineBytes);
    _tile_dpbf16ps(3, 4, 5);
  }
}

template <int kTiles>
TALON_ALWAYS_INLINE void multiply_rest(const bf16* rest, const bf16* w, int64_t ts) {
  _tile_loadd(6, rest, kTileInputs * 2);
  _tile_loadd(7, w, kLineBytes);
  _tile_dpbf16ps(0, 6, 7);
  if constexpr (kTiles > 1) {
    _tile_loadd(7, w + ts, kLineBytes);
    _tile_dpbf16ps(1, 6, 7);
  }
  if constexpr (kTiles > 2) {
    _tile_loadd(7, w + 2 * ts, kLineBytes);
    _tile_dpbf16ps(2, 6, 7);
  }
  if constexpr (kTiles > 3) {
    _tile_loadd(7, w + 3 * ts, kLineBytes);
    _tile_dpbf16ps(3, 6, 7);
  }
}

template <int kTiles>
void amx_block(const AmxBlock& a) {
  clear_tiles<kTiles>();
  int64_t i = 0;
  for (; i + kTileInputs <= a.num_in; i += kTileInputs) {
    multiply_whole<kTiles>(a.x + i, a.x_stride, a.weights + i * kLine, a.tile_stride);
  }
  if (i < a.num_in) {
    multiply_rest<kTiles>(a.rest, a.weights + i * kLine, a.tile_stride);
  }
  store_tiles<kTiles>(a.sums);
}

void amx_tiles(const AmxBlock& a, int64_t tiles) {
  switch (tiles) {
    case 1:
      return amx_block<1>(a);
    case 2:
      return amx_block<2>(a);
    case 3:
      return amx_block<3>(a);
    default:
      return amx_block<4>(a);
  }
}

// The last inputs of each row, padded, so that no load passes the end of a row.
void copy_rest(const TileProduct& p,
               const PanelArgs& panel,
               bf16 (&rest)[kPanelRows][kTileInputs]) {
  const int64_t whole = p.num_in / kTileInputs * kTileInputs;
  const bf16* x = static_cast<const bf16*>(p.x) + panel.first_row * p.x_stride + whole;
  std::memset(rest, 0, sizeof(rest));
  for (int64_t r = 0; r < panel.rows; ++r) {
    std::memcpy(rest[r], x + r * p.x_stride, static_cast<size_t>(p.num_in - whole) * sizeof(bf16));
  }
}

void amx_panel(const TileProduct& p, const PanelArgs& panel, Scratch& s) {
  alignas(64) bf16 rest[kPanelRows][kTileInputs];
  const int64_t rest_inputs = p.num_in % kTileInputs;
  if (rest_inputs > 0) {
    copy_rest(p, panel, rest);
    keep(rest);
  }
  const int64_t tile_stride = (p.num_in + 1) / 2 * 2 * kLine;
  const bf16* x = static_cast<const bf16*>(p.x) + panel.first_row * p.x_stride;
  int64_t configured = 0;
  for (int64_t row = 0; row < panel.rows; row += kTileRows) {
    const int64_t rows = smaller(kTileRows, panel.rows - row);
    if (rows != configured) {
      configure(rows, (rest_inputs + 1) / 2);
      configured = rows;
    }
    amx_tiles({.x = x + row * p.x_stride,
               .x_stride = p.x_stride,
               .rest = rest[row],
               .weights = static_cast<const bf16*>(p.values) + panel.first_tile * tile_stride,
               .tile_stride = tile_stride,
               .num_in = p.num_in,
               .sums = s.sums + row * kSumStride},
              panel.tiles);
  }
}

}  // namespace

void tile_product_amx(const TileProduct& p) {
  if (p.x_bf16 && p.format == WeightFormat::kBf16) {
    for_each_panel<Lanes>(p, [&p](const PanelArgs& panel, Scratch& s) { amx_panel(p, panel, s); });
    _tile_release();  // leaves no tile state for the system to save
  } else {
    fma_product<Lanes>(p);
  }
}

}  // namespace talon::ops::cpu
