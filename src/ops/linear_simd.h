// The tile product over a vector type, written once for AVX2 and AVX-512. `L` extends Avx2 or
// Avx512 (cpu_math_*.h) by fma, the widening loads of weights and kMaxBlock, the largest rows x
// tiles whose sums stay in registers. Included by one file per instruction set, so all is of
// internal linkage.
//
// Every sum is one chain of fused multiply-adds over i ascending. A block of rows and tiles, a
// panel of rows and a piece of inputs are only orders of visiting, and a chain that is stored
// between two pieces goes on with the same bits.
#pragma once

#include <cstdint>

#include "core/dtype.h"
#include "ops/cpu_math.h"
#include "ops/tile_product.h"
#include "ops/weight.h"

namespace talon::ops::cpu {
namespace {

constexpr int64_t kLine = 16;           // outputs of a tile
constexpr int64_t kPanelRows = 32;      // rows that use a piece of weights while it is in cache
constexpr int64_t kPiece = 128;         // inputs of a piece of bf16 weights: 4 KiB a tile
constexpr int64_t kExpandedPiece = 64;  // of quantised weights: 4 KiB a tile in float32
constexpr int64_t kSumStride = kTileGroup * kLine;
constexpr int kMaxBlockRows = 4;

constexpr int64_t smaller(int64_t a, int64_t b) { return a < b ? a : b; }

struct Scratch {
  alignas(64) float sums[kPanelRows * kSumStride];
  alignas(64) float x[kPanelRows * kPiece];
  alignas(64) float weights[kTileGroup * kExpandedPiece * kLine];
};

// Operands of one block over one piece: x [rows, count], weights [tiles, count/2 pairs of lines].
template <class X, class W>
struct BlockArgs {
  const X* x;
  int64_t x_stride;
  const W* weights;
  int64_t tile_stride;
  int64_t count;
  float* sums;
};

// One vector of a line of two inputs, interleaved in bf16, one after the other when expanded to
// float32: the even (kOdd 0) or the odd input.
template <class L, int kOdd>
TALON_ALWAYS_INLINE typename L::F load_input(const bf16* line, int64_t vector) {
  return L::template load_of_pairs<kOdd>(line + 2 * vector * L::kWidth);
}
template <class L, int kOdd>
TALON_ALWAYS_INLINE typename L::F load_input(const float* line, int64_t vector) {
  return L::load(line + kOdd * kLine + vector * L::kWidth);
}

template <class L, int kRows, int kVectors>
TALON_ALWAYS_INLINE void load_sums(const float* from, typename L::F (&sums)[kRows][kVectors]) {
#pragma GCC unroll 8
  for (int r = 0; r < kRows; ++r) {
#pragma GCC unroll 8
    for (int v = 0; v < kVectors; ++v) {
      sums[r][v] = L::load(from + r * kSumStride + v * L::kWidth);
    }
  }
}

template <class L, int kRows, int kVectors>
TALON_ALWAYS_INLINE void store_sums(float* to, const typename L::F (&sums)[kRows][kVectors]) {
#pragma GCC unroll 8
  for (int r = 0; r < kRows; ++r) {
#pragma GCC unroll 8
    for (int v = 0; v < kVectors; ++v) {
      L::store(to + r * kSumStride + v * L::kWidth, sums[r][v]);
    }
  }
}

// sums += x * weights for the even or the odd input of a line, all rows and vectors. The outer loop
// is over what is fewer, so that its operands stay in registers beside the sums.
template <class L, int kOdd, class W, int kRows, int kVectors>
TALON_ALWAYS_INLINE void add_input(const BlockArgs<float, W>& a,
                                   typename L::F (&sums)[kRows][kVectors]) {
  constexpr int kPerTile = static_cast<int>(kLine / L::kWidth);
  const auto weight = [&a](int v) __attribute__((always_inline)) {
    return load_input<L, kOdd>(a.weights + v / kPerTile * a.tile_stride, v % kPerTile);
  };
  const auto broadcast = [&a](int r) __attribute__((always_inline)) {
    return L::set1(a.x[r * a.x_stride + kOdd]);
  };
  constexpr int kFew = kRows < kVectors ? kRows : kVectors;
  typename L::F few[kFew];
#pragma GCC unroll 8
  for (int i = 0; i < kFew; ++i) {
    few[i] = kRows < kVectors ? broadcast(i) : weight(i);
  }
#pragma GCC unroll 8
  for (int i = 0; i < kRows * kVectors / kFew; ++i) {
    const auto one = kRows < kVectors ? weight(i) : broadcast(i);
#pragma GCC unroll 8
    for (int j = 0; j < kFew; ++j) {
      auto& sum = kRows < kVectors ? sums[j][i] : sums[i][j];
      sum = L::fma(one, few[j], sum);
    }
  }
}

// Not inlined: a loop of its own keeps all of its sums in registers.
template <class L, class W, int kRows, int kTiles>
[[gnu::noinline]] void fma_block(BlockArgs<float, W> a) {
  constexpr int kVectors = kTiles * static_cast<int>(kLine / L::kWidth);
  typename L::F sums[kRows][kVectors];
  load_sums<L, kRows, kVectors>(a.sums, sums);
  for (; a.count >= 2; a.count -= 2, a.x += 2, a.weights += 2 * kLine) {
    add_input<L, 0>(a, sums);
    add_input<L, 1>(a, sums);
  }
  if (a.count == 1) {  // the padding of an odd input count has no partner in x
    add_input<L, 0>(a, sums);
  }
  store_sums<L, kRows, kVectors>(a.sums, sums);
}

// Calls body.template operator()<R, T>(first_row, first_tile) so that blocks cover rows x tiles.
template <int kMaxBlock, class Body>
TALON_ALWAYS_INLINE void for_each_block(int64_t rows, int64_t tiles, const Body& body) {
  const auto cover_tiles = [&]<int kRows>(int64_t row) {
    int64_t tile = 0;
    if constexpr (kRows * 4 <= kMaxBlock) {
      for (; tile + 4 <= tiles; tile += 4) {
        body.template operator()<kRows, 4>(row, tile);
      }
    }
    if constexpr (kRows * 2 <= kMaxBlock) {
      for (; tile + 2 <= tiles; tile += 2) {
        body.template operator()<kRows, 2>(row, tile);
      }
    }
    for (; tile < tiles; ++tile) {
      body.template operator()<kRows, 1>(row, tile);
    }
  };
  int64_t row = 0;
  for (; row + kMaxBlockRows <= rows; row += kMaxBlockRows) {
    cover_tiles.template operator()<kMaxBlockRows>(row);
  }
  switch (rows - row) {
    case 3:
      return cover_tiles.template operator()<3>(row);
    case 2:
      return cover_tiles.template operator()<2>(row);
    case 1:
      return cover_tiles.template operator()<1>(row);
    default:
      return;
  }
}

template <class L, class W>
void fma_piece(const BlockArgs<float, W>& a, int64_t rows, int64_t tiles) {
  for_each_block<L::kMaxBlock>(rows, tiles, [&]<int kRows, int kTiles>(int64_t row, int64_t tile) {
    fma_block<L, W, kRows, kTiles>({.x = a.x + row * a.x_stride,
                                    .x_stride = a.x_stride,
                                    .weights = a.weights + tile * a.tile_stride,
                                    .tile_stride = a.tile_stride,
                                    .count = a.count,
                                    .sums = a.sums + row * kSumStride + tile * kLine});
  });
}

// ---- quantised weights ----

// Where the packed values and scales of a tile begin.
struct TileSource {
  const uint8_t* values;
  const uint8_t* scales;  // bytes, whatever their type
  int64_t group;          // inputs that share a scale
  bool e8m0;
};

TileSource tile_source(const TileProduct& p, int64_t tile) {
  TileSource source{};
  const bool nibbles = p.format == WeightFormat::kMxfp4;
  source.e8m0 = nibbles || p.format == WeightFormat::kMxfp8;
  source.group = source.e8m0 ? kMxGroup : kFp8Block;
  if (p.format == WeightFormat::kFp8Channel) {
    source.group = p.num_in;
  }
  const int64_t groups = (p.num_in + source.group - 1) / source.group;
  const int64_t value_bytes = kLine * (nibbles ? p.num_in / 2 : p.num_in);
  source.values = static_cast<const uint8_t*>(p.values) + tile * value_bytes;
  source.scales =
      static_cast<const uint8_t*>(p.scales) + tile * groups * kLine * (source.e8m0 ? 1 : 4);
  return source;
}

template <class L>
TALON_ALWAYS_INLINE typename L::F load_scale(const TileSource& source, int64_t i, int64_t vector) {
  const int64_t index = i / source.group * kLine + vector * L::kWidth;
  if (source.e8m0) {
    return L::load_e8m0(source.scales + index);
  }
  return L::load(reinterpret_cast<const float*>(source.scales) + index);
}

// Inputs [first, first + count) of a tile as float32 lines. A scale is loaded once for each stretch
// of inputs that lies in one group.
template <class L>
void expand_bytes(const TileSource& source, int64_t first, int64_t count, float* to) {
  for (int64_t vector = 0; vector < kLine / L::kWidth; ++vector) {
    const uint8_t* values = source.values + first * kLine + vector * L::kWidth;
    float* lines = to + vector * L::kWidth;
    for (int64_t i = 0; i < count;) {
      const auto scale = load_scale<L>(source, first + i, vector);
      const int64_t end = smaller(count, i + source.group - (first + i) % source.group);
      for (; i < end; ++i) {
        const auto* codes = reinterpret_cast<const e4m3*>(values + i * kLine);
        L::store(lines + i * kLine, L::mul(L::load(codes), scale));
      }
    }
  }
}

// As expand_bytes for pairs of nibbles; first and count are whole groups.
template <class L>
void expand_nibbles(const TileSource& source, int64_t first, int64_t count, float* to) {
  for (int64_t vector = 0; vector < kLine / L::kWidth; ++vector) {
    const uint8_t* values = source.values + first / 2 * kLine + vector * L::kWidth;
    float* lines = to + vector * L::kWidth;
    for (int64_t i = 0; i < count; i += 2) {
      const auto scale = load_scale<L>(source, first + i, vector);
      typename L::F even;
      typename L::F odd;
      L::load_e2m1(values + i / 2 * kLine, even, odd);
      L::store(lines + i * kLine, L::mul(even, scale));
      L::store(lines + (i + 1) * kLine, L::mul(odd, scale));
    }
  }
}

// ---- panels ----

struct PanelArgs {
  int64_t first_row;
  int64_t rows;
  int64_t first_tile;
  int64_t tiles;
};

// The rows of a panel as float32: x itself, or a widened copy of this piece.
template <class L>
const float* piece_of_x(const TileProduct& p, const PanelArgs& panel, int64_t first, Scratch& s) {
  const int64_t begin = panel.first_row * p.x_stride + first;
  if (!p.x_bf16) {
    return static_cast<const float*>(p.x) + begin;
  }
  const bf16* x = static_cast<const bf16*>(p.x) + begin;
  const int64_t count = smaller(kPiece, p.num_in - first);
  for (int64_t r = 0; r < panel.rows; ++r) {
    const bf16* from = x + r * p.x_stride;
    float* to = s.x + r * kPiece;
    int64_t i = 0;
    for (; i + L::kWidth <= count; i += L::kWidth) {
      L::store(to + i, L::load(from + i));
    }
    if (i < count) {
      L::store_first(to + i, L::load_first(from + i, count - i), count - i);
    }
  }
  return s.x;
}

template <class L>
void fma_bf16_weights(const TileProduct& p, const PanelArgs& panel, Scratch& s) {
  const int64_t tile_stride = (p.num_in + 1) / 2 * 2 * kLine;
  const bf16* weights = static_cast<const bf16*>(p.values) + panel.first_tile * tile_stride;
  for (int64_t i = 0; i < p.num_in; i += kPiece) {
    fma_piece<L, bf16>({.x = piece_of_x<L>(p, panel, i, s),
                        .x_stride = p.x_bf16 ? kPiece : p.x_stride,
                        .weights = weights + i * kLine,
                        .tile_stride = tile_stride,
                        .count = smaller(kPiece, p.num_in - i),
                        .sums = s.sums},
                       panel.rows, panel.tiles);
  }
}

template <class L>
void fma_expanded_weights(const TileProduct& p, const PanelArgs& panel, Scratch& s) {
  constexpr int64_t kTileStride = kExpandedPiece * kLine;
  for (int64_t i = 0; i < p.num_in; i += kExpandedPiece) {
    const int64_t count = smaller(kExpandedPiece, p.num_in - i);
    for (int64_t t = 0; t < panel.tiles; ++t) {
      const TileSource source = tile_source(p, panel.first_tile + t);
      if (p.format == WeightFormat::kMxfp4) {
        expand_nibbles<L>(source, i, count, s.weights + t * kTileStride);
      } else {
        expand_bytes<L>(source, i, count, s.weights + t * kTileStride);
      }
    }
    fma_piece<L, float>({.x = piece_of_x<L>(p, panel, i, s),
                         .x_stride = p.x_bf16 ? kPiece : p.x_stride,
                         .weights = s.weights,
                         .tile_stride = kTileStride,
                         .count = count,
                         .sums = s.sums},
                        panel.rows, panel.tiles);
  }
}

template <class L, class T>
void store_panel(const TileProduct& p, const PanelArgs& panel, const Scratch& s) {
  const int64_t column = (panel.first_tile - p.first_tile) * kLine;
  const int64_t count = smaller(panel.tiles * kLine, p.num_out - panel.first_tile * kLine);
  for (int64_t r = 0; r < panel.rows; ++r) {
    T* out = static_cast<T*>(p.out) + (panel.first_row + r) * p.out_stride + column;
    const float* sums = s.sums + r * kSumStride;
    int64_t c = 0;
    for (; c + L::kWidth <= count; c += L::kWidth) {
      L::store(out + c, L::load(sums + c));
    }
    if (c < count) {
      L::store_first(out + c, L::load(sums + c), count - c);
    }
  }
}

template <class L>
void clear_sums(const PanelArgs& panel, Scratch& s) {
  for (int64_t i = 0; i < panel.rows * kSumStride; i += L::kWidth) {
    L::store(s.sums + i, L::set1(0.0F));
  }
}

// Runs panel_sums(panel, scratch) for all panels and tile groups of p and writes the sums out.
template <class L, class PanelSums>
TALON_ALWAYS_INLINE void for_each_panel(const TileProduct& p, const PanelSums& panel_sums) {
  Scratch s;
  for (int64_t t = 0; t < p.num_tiles; t += kTileGroup) {
    for (int64_t row = 0; row < p.num_rows; row += kPanelRows) {
      const PanelArgs panel = {.first_row = row,
                               .rows = smaller(kPanelRows, p.num_rows - row),
                               .first_tile = p.first_tile + t,
                               .tiles = smaller(kTileGroup, p.num_tiles - t)};
      clear_sums<L>(panel, s);
      panel_sums(panel, s);
      if (p.out_bf16) {
        store_panel<L, bf16>(p, panel, s);
      } else {
        store_panel<L, float>(p, panel, s);
      }
    }
  }
}

template <class L>
void fma_product(const TileProduct& p) {
  for_each_panel<L>(p, [&p](const PanelArgs& panel, Scratch& s) {
    if (p.format == WeightFormat::kBf16) {
      fma_bf16_weights<L>(p, panel, s);
    } else {
      fma_expanded_weights<L>(p, panel, s);
    }
  });
}

}  // namespace
}  // namespace talon::ops::cpu
