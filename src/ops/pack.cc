#include "ops/pack.h"

#include <cstring>

#include "base/check.h"
#include "base/checked_int.h"
#include "core/dtype.h"
#include "core/shape.h"
#include "core/tensor_view.h"
#include "ops/weight.h"

namespace talon {
namespace {

bool is_mx(WeightFormat format) {
  return format == WeightFormat::kMxfp8 || format == WeightFormat::kMxfp4;
}

DType value_dtype(WeightFormat format) {
  switch (format) {
    case WeightFormat::kBf16:
      return DType::kBf16;
    case WeightFormat::kMxfp4:
      return DType::kU8;
    default:
      return DType::kF8E4M3;
  }
}

void check_shape(const ConstTensorView& view, DType dtype, const Shape& shape) {
  TALON_CHECK(view.dtype() == dtype, "a weight array is {}", dtype_name(view.dtype()));
  TALON_CHECK(view.shape() == shape, "a weight array is {}, not {}", to_string(view.shape()),
              to_string(shape));
}

void check_part(const Weight& part) {
  TALON_CHECK(part.layout == WeightLayout::kRowMajor, "a packed weight cannot be packed again");
  TALON_CHECK(!is_mx(part.format) || part.num_in % kMxGroup == 0,
              "{} inputs are not whole groups of {}", part.num_in, kMxGroup);
  const int64_t columns = part.format == WeightFormat::kMxfp4 ? part.num_in / 2 : part.num_in;
  check_shape(part.values, value_dtype(part.format), {part.num_out, columns});
  switch (part.format) {
    case WeightFormat::kBf16:
      break;
    case WeightFormat::kFp8Channel:
      check_shape(part.scales, DType::kF32, {part.num_out, 1});
      break;
    case WeightFormat::kFp8Block:
      check_shape(part.scales, DType::kF32,
                  {ceil_div(part.num_out, kFp8Block), ceil_div(part.num_in, kFp8Block)});
      break;
    case WeightFormat::kMxfp8:
    case WeightFormat::kMxfp4:
      check_shape(part.scales, DType::kU8, {part.num_out, part.num_in / kMxGroup});
      break;
  }
}

// Writes one row of `columns` units of `unit` bytes into its lane of a tile [columns][16] units.
void scatter_row(std::byte* tile, const std::byte* row, int64_t columns, int64_t unit) {
  for (int64_t i = 0; i < columns; ++i) {
    std::memcpy(tile + i * kTileOutputs * unit, row + i * unit, static_cast<size_t>(unit));
  }
}

struct Geometry {
  int64_t row_bytes;  // of a row-major row of values
  int64_t unit;       // bytes that stay together
  int64_t columns;    // units in a packed row, padding included
  int64_t groups;     // scales of an output
  int64_t scale_bytes;
};

Geometry geometry_of(WeightFormat format, int64_t num_in) {
  Geometry g{};
  g.unit = format == WeightFormat::kBf16 ? 4 : 1;  // a pair of bf16 or a byte
  g.row_bytes = weight_bytes(WeightFormat::kBf16, 1, num_in);
  if (format != WeightFormat::kBf16) {
    g.row_bytes = format == WeightFormat::kMxfp4 ? num_in / 2 : num_in;
    g.groups = num_in == 0 ? 0 : ceil_div(num_in, weight_scale_group(format, num_in));
    g.scale_bytes = is_mx(format) ? 1 : 4;
  }
  g.columns = ceil_div(g.row_bytes, g.unit);
  return g;
}

void pack_values(const Geometry& g, const Weight& part, int64_t row, std::byte* lane) {
  const std::byte* source =
      part.values.data() + row * part.values.stride(0) * dtype_bytes(part.values.dtype());
  const int64_t whole = g.row_bytes / g.unit;
  scatter_row(lane, source, whole, g.unit);
  if (whole < g.columns) {  // the half pair of an odd input count; its other half stays zero
    std::memcpy(lane + whole * kTileOutputs * g.unit, source + whole * g.unit,
                static_cast<size_t>(g.row_bytes - whole * g.unit));
  }
}

void pack_scales(const Geometry& g, const Weight& part, int64_t row, std::byte* lane) {
  const int64_t scale_row = part.format == WeightFormat::kFp8Block ? row / kFp8Block : row;
  const std::byte* source = part.scales.data() + scale_row * part.scales.stride(0) * g.scale_bytes;
  scatter_row(lane, source, g.groups, g.scale_bytes);
}

}  // namespace

PackedWeight PackedWeight::stack(std::span<const Weight> parts) {
  TALON_CHECK(!parts.empty(), "nothing to stack");
  const WeightFormat format = parts[0].format;
  const int64_t num_in = parts[0].num_in;
  int64_t num_out = 0;
  for (const Weight& part : parts) {
    TALON_CHECK(part.format == format, "{} stacked on {}", weight_format_name(part.format),
                weight_format_name(format));
    TALON_CHECK(part.num_in == num_in, "{} inputs stacked on {}", part.num_in, num_in);
    check_part(part);
    num_out += part.num_out;
  }
  const Geometry g = geometry_of(format, num_in);
  const int64_t tiles = ceil_div(num_out, kTileOutputs);
  const int64_t tile_bytes = g.columns * kTileOutputs * g.unit;
  const int64_t tile_scale_bytes = g.groups * kTileOutputs * g.scale_bytes;

  PackedWeight packed;
  packed.values_ = Buffer::zeroed(tiles * tile_bytes);
  packed.scales_ = Buffer::zeroed(tiles * tile_scale_bytes);
  int64_t out = 0;
  for (const Weight& part : parts) {
    for (int64_t row = 0; row < part.num_out; ++row, ++out) {
      const int64_t tile = out / kTileOutputs;
      const int64_t lane = out % kTileOutputs;
      pack_values(g, part, row, packed.values_.data() + tile * tile_bytes + lane * g.unit);
      if (g.groups > 0) {
        pack_scales(g, part, row,
                    packed.scales_.data() + tile * tile_scale_bytes + lane * g.scale_bytes);
      }
    }
  }
  packed.weight_ = {.format = format,
                    .layout = WeightLayout::kCpuTiles,
                    .num_out = num_out,
                    .num_in = num_in,
                    .values = {},
                    .scales = {}};
  const Shape values = format == WeightFormat::kBf16 ? Shape{tiles, g.columns, kTileOutputs, 2}
                                                     : Shape{tiles, g.columns, kTileOutputs};
  packed.weight_.values = packed.values_.view(value_dtype(format), values);
  if (g.groups > 0) {
    packed.weight_.scales = packed.scales_.view(is_mx(format) ? DType::kU8 : DType::kF32,
                                                {tiles, g.groups, kTileOutputs});
  }
  return packed;
}

}  // namespace talon
