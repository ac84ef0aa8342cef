#include "ops/pack.h"

#include <cstring>
#include <vector>

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

// Rows of all parts, which must be of a kind.
int64_t check_parts(std::span<const Weight> parts) {
  TALON_CHECK(!parts.empty(), "nothing to stack");
  int64_t num_out = 0;
  for (const Weight& part : parts) {
    TALON_CHECK(part.format == parts[0].format, "{} stacked on {}", weight_format_name(part.format),
                weight_format_name(parts[0].format));
    TALON_CHECK(part.num_in == parts[0].num_in, "{} inputs stacked on {}", part.num_in,
                parts[0].num_in);
    check_part(part);
    num_out += part.num_out;
  }
  return num_out;
}

// Columns of a kCudaRows weight: elements of values and of scales in a row.
struct RowColumns {
  int64_t values;
  int64_t scales;
};

RowColumns row_columns(WeightFormat format, int64_t num_in) {
  const int64_t padded = round_up(num_in, kCudaRowInputs);
  switch (format) {
    case WeightFormat::kBf16:
      return {padded, 0};
    case WeightFormat::kFp8Channel:
      return {padded, 1};
    case WeightFormat::kFp8Block:
      return {padded, ceil_div(num_in, kFp8Block)};
    case WeightFormat::kMxfp8:
      return {padded, padded / kMxGroup};
    case WeightFormat::kMxfp4:
      return {padded / 2, padded / kMxGroup};
  }
  return {};
}

// Values of a part at `to` with `stride` bytes a row.
void upload_values(Uploader& uploader, const Weight& part, std::byte* to, int64_t stride) {
  const int64_t unit = dtype_bytes(part.values.dtype());
  const int64_t row_bytes = part.values.size(1) * unit;
  const int64_t from_stride = part.values.stride(0) * unit;
  if (part.format != WeightFormat::kMxfp4) {
    uploader.write_rows(to, part.values.data(),
                        {.count = part.num_out,
                         .row_bytes = row_bytes,
                         .to_stride = stride,
                         .from_stride = from_stride});
    return;
  }
  std::vector<std::byte> row(static_cast<size_t>(row_bytes));
  for (int64_t o = 0; o < part.num_out; ++o) {
    ops::halve_words(part.values.data() + o * from_stride, row.data(), row_bytes);
    uploader.write(to + o * stride, row.data(), row_bytes);
  }
}

// Scales of a part, by output row, at `to` with `stride` bytes a row.
void upload_scales(Uploader& uploader, const Weight& part, std::byte* to, int64_t stride) {
  const int64_t from_stride = part.scales.stride(0) * dtype_bytes(part.scales.dtype());
  const int64_t row_bytes = part.scales.size(1) * dtype_bytes(part.scales.dtype());
  const bool is_block = part.format == WeightFormat::kFp8Block;
  if (!is_block) {
    uploader.write_rows(to, part.scales.data(),
                        {.count = part.num_out,
                         .row_bytes = row_bytes,
                         .to_stride = stride,
                         .from_stride = from_stride});
    return;
  }
  for (int64_t row = 0; row < part.num_out; ++row) {
    uploader.write(to + row * stride, part.scales.data() + row / kFp8Block * from_stride,
                   row_bytes);
  }
}

}  // namespace

PackedWeight PackedWeight::stack_rows(std::span<const Weight> parts, Uploader& uploader) {
  const int64_t num_out = check_parts(parts);
  const WeightFormat format = parts[0].format;
  const int64_t num_in = parts[0].num_in;
  const RowColumns columns = row_columns(format, num_in);
  const DType scale_dtype = is_mx(format) ? DType::kU8 : DType::kF32;
  const int64_t value_bytes = columns.values * dtype_bytes(value_dtype(format));
  const int64_t scale_bytes = columns.scales * dtype_bytes(scale_dtype);

  PackedWeight packed;
  packed.values_ = Buffer::zeroed(num_out * value_bytes, uploader.device());
  packed.scales_ = Buffer::zeroed(num_out * scale_bytes, uploader.device());
  int64_t out = 0;
  for (const Weight& part : parts) {
    upload_values(uploader, part, packed.values_.data() + out * value_bytes, value_bytes);
    if (columns.scales > 0) {
      upload_scales(uploader, part, packed.scales_.data() + out * scale_bytes, scale_bytes);
    }
    out += part.num_out;
  }
  packed.weight_ = {.format = format,
                    .layout = WeightLayout::kCudaRows,
                    .num_out = num_out,
                    .num_in = num_in,
                    .values = packed.values_.view(value_dtype(format), {num_out, columns.values}),
                    .scales = {}};
  if (columns.scales > 0) {
    packed.weight_.scales = packed.scales_.view(scale_dtype, {num_out, columns.scales});
  }
  return packed;
}

Weight weight_rows(const Weight& weight, int64_t first, int64_t count) {
  TALON_CHECK(weight.layout == WeightLayout::kCudaRows, "rows of a weight in tiles");
  Weight rows = weight;
  rows.num_out = count;
  rows.values = weight.values.rows(first, count);
  if (!weight.scales.empty()) {
    rows.scales = weight.scales.rows(first, count);
  }
  return rows;
}

PackedWeight PackedWeight::stack(std::span<const Weight> parts) {
  const int64_t num_out = check_parts(parts);
  const WeightFormat format = parts[0].format;
  const int64_t num_in = parts[0].num_in;
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
