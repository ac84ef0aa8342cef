#include <algorithm>
#include <array>
#include <cstring>

#include "core/dtype.h"
#include "ops/pack.h"
#include "ops/tile_product.h"
#include "ops/weight.h"

namespace talon::ops::cpu {
namespace {

constexpr int64_t kPiece = 64;      // inputs expanded at once
constexpr int64_t kPanelRows = 32;  // rows that use an expanded piece

using Piece = std::array<std::array<float, kTileOutputs>, kPiece>;
using Panel = std::array<std::array<float, kTileOutputs>, kPanelRows>;

template <class T>
const T* tile_of(const void* base, int64_t tile, int64_t columns) {
  return static_cast<const T*>(base) + tile * columns * kTileOutputs;
}

float packed_value(const TileProduct& p, int64_t tile, int64_t i, int64_t lane) {
  switch (p.format) {
    case WeightFormat::kBf16: {
      const int64_t pairs = (p.num_in + 1) / 2;
      const bf16* values = tile_of<bf16>(p.values, tile, 2 * pairs);
      return to_float(values[(i / 2 * kTileOutputs + lane) * 2 + i % 2]);
    }
    case WeightFormat::kMxfp4: {
      const uint8_t pair =
          tile_of<uint8_t>(p.values, tile, p.num_in / 2)[i / 2 * kTileOutputs + lane];
      return e2m1_to_float(static_cast<uint8_t>(i % 2 == 0 ? pair & 0xFU : pair >> 4));
    }
    case WeightFormat::kFp8Channel:
    case WeightFormat::kFp8Block:
    case WeightFormat::kMxfp8:
      return to_float(tile_of<e4m3>(p.values, tile, p.num_in)[i * kTileOutputs + lane]);
  }
  return 0.0F;
}

float packed_scale(const TileProduct& p, int64_t tile, int64_t i, int64_t lane) {
  const int64_t group = weight_scale_group(p.format, p.num_in);
  const int64_t groups = (p.num_in + group - 1) / group;
  const int64_t index = i / group * kTileOutputs + lane;
  if (p.format == WeightFormat::kMxfp8 || p.format == WeightFormat::kMxfp4) {
    return e8m0_to_float(tile_of<uint8_t>(p.scales, tile, groups)[index]);
  }
  return tile_of<float>(p.scales, tile, groups)[index];
}

void expand(const TileProduct& p, int64_t tile, int64_t first, int64_t count, Piece& piece) {
  for (int64_t i = 0; i < count; ++i) {
    for (int64_t lane = 0; lane < kTileOutputs; ++lane) {
      const float value = packed_value(p, tile, first + i, lane);
      piece[static_cast<size_t>(i)][static_cast<size_t>(lane)] =
          p.format == WeightFormat::kBf16 ? value : value * packed_scale(p, tile, first + i, lane);
    }
  }
}

template <class X>
void add_piece(const X* x, int64_t count, const Piece& piece, std::array<float, 16>& sums) {
  for (int64_t i = 0; i < count; ++i) {
    const float value = to_float(x[i]);
    for (size_t lane = 0; lane < kTileOutputs; ++lane) {
      sums[lane] += value * piece[static_cast<size_t>(i)][lane];
    }
  }
}

void store_row(const TileProduct& p, int64_t row, int64_t tile, const std::array<float, 16>& sums) {
  const int64_t count = std::min(kTileOutputs, p.num_out - tile * kTileOutputs);
  const int64_t column = (tile - p.first_tile) * kTileOutputs;
  for (int64_t lane = 0; lane < count; ++lane) {
    const float sum = sums[static_cast<size_t>(lane)];
    const int64_t index = row * p.out_stride + column + lane;
    if (p.out_bf16) {
      static_cast<bf16*>(p.out)[index] = to_bf16(sum);
    } else {
      static_cast<float*>(p.out)[index] = sum;
    }
  }
}

template <class X>
void panel_product(const TileProduct& p, int64_t tile, int64_t first_row, int64_t rows) {
  Panel sums{};
  Piece piece;
  const X* x = static_cast<const X*>(p.x) + first_row * p.x_stride;
  for (int64_t i = 0; i < p.num_in; i += kPiece) {
    const int64_t count = std::min(kPiece, p.num_in - i);
    expand(p, tile, i, count, piece);
    for (int64_t r = 0; r < rows; ++r) {
      add_piece(x + r * p.x_stride + i, count, piece, sums[static_cast<size_t>(r)]);
    }
  }
  for (int64_t r = 0; r < rows; ++r) {
    store_row(p, first_row + r, tile, sums[static_cast<size_t>(r)]);
  }
}

}  // namespace

void tile_product_scalar(const TileProduct& p) {
  for (int64_t tile = p.first_tile; tile < p.first_tile + p.num_tiles; ++tile) {
    for (int64_t row = 0; row < p.num_rows; row += kPanelRows) {
      const int64_t rows = std::min(kPanelRows, p.num_rows - row);
      if (p.x_bf16) {
        panel_product<bf16>(p, tile, row, rows);
      } else {
        panel_product<float>(p, tile, row, rows);
      }
    }
  }
}

}  // namespace talon::ops::cpu
