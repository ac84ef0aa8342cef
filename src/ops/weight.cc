#include "ops/weight.h"

#include <cstring>

#include "base/check.h"
#include "base/checked_int.h"
#include "core/dtype.h"
#include "core/shape.h"
#include "core/tensor_view.h"

namespace talon {
namespace {

int64_t value_bytes_per_row(WeightFormat format, int64_t num_in) {
  switch (format) {
    case WeightFormat::kBf16:
      return 2 * num_in;
    case WeightFormat::kMxfp4:
      return ceil_div(num_in, 2);
    case WeightFormat::kFp8Channel:
    case WeightFormat::kFp8Block:
    case WeightFormat::kMxfp8:
      return num_in;
  }
  return 0;
}

int64_t scale_bytes(WeightFormat format, int64_t num_out, int64_t num_in) {
  switch (format) {
    case WeightFormat::kBf16:
      return 0;
    case WeightFormat::kFp8Channel:
      return 4 * num_out;
    case WeightFormat::kFp8Block:
      return 4 * ceil_div(num_out, kFp8Block) * ceil_div(num_in, kFp8Block);
    case WeightFormat::kMxfp8:
    case WeightFormat::kMxfp4:
      return num_out * ceil_div(num_in, kMxGroup);
  }
  return 0;
}

// The scale of channel `i` of a row. A float product of two floats is the exact product rounded
// once, so kernels and this file multiply in float32.
float scale_at(const Weight& weight, int64_t row, int64_t i) {
  switch (weight.format) {
    case WeightFormat::kBf16:
      return 1.0F;
    case WeightFormat::kFp8Channel:
      return weight.scales.row<float>(row)[0];
    case WeightFormat::kFp8Block:
      return weight.scales.row<float>(row / kFp8Block)[i / kFp8Block];
    case WeightFormat::kMxfp8:
    case WeightFormat::kMxfp4:
      return e8m0_to_float(weight.scales.row<uint8_t>(row)[i / kMxGroup]);
  }
  return 0.0F;
}

float value_at(const Weight& weight, int64_t row, int64_t i) {
  switch (weight.format) {
    case WeightFormat::kBf16:
      return to_float(weight.values.row<bf16>(row)[i]);
    case WeightFormat::kFp8Channel:
    case WeightFormat::kFp8Block:
    case WeightFormat::kMxfp8:
      return to_float(weight.values.row<e4m3>(row)[i]);
    case WeightFormat::kMxfp4: {
      const uint8_t pair = weight.values.row<uint8_t>(row)[i / 2];
      return e2m1_to_float(static_cast<uint8_t>(i % 2 == 0 ? pair & 0xFU : pair >> 4));
    }
  }
  return 0.0F;
}

}  // namespace

std::string_view weight_format_name(WeightFormat format) {
  switch (format) {
    case WeightFormat::kBf16:
      return "bf16";
    case WeightFormat::kFp8Channel:
      return "fp8_channel";
    case WeightFormat::kFp8Block:
      return "fp8_block";
    case WeightFormat::kMxfp8:
      return "mxfp8";
    case WeightFormat::kMxfp4:
      return "mxfp4";
  }
  return "?";
}

int64_t weight_scale_group(WeightFormat format, int64_t num_in) {
  switch (format) {
    case WeightFormat::kBf16:
      return 0;
    case WeightFormat::kFp8Channel:
      return num_in;
    case WeightFormat::kFp8Block:
      return kFp8Block;
    case WeightFormat::kMxfp8:
    case WeightFormat::kMxfp4:
      return kMxGroup;
  }
  return 0;
}

int64_t weight_bytes(WeightFormat format, int64_t num_out, int64_t num_in) {
  return num_out * value_bytes_per_row(format, num_in) + scale_bytes(format, num_out, num_in);
}

namespace ops {
namespace {

// Columns of the arrays of a kCudaRows weight.
int64_t cuda_value_columns(const Weight& weight) {
  const int64_t padded = round_up(weight.num_in, kCudaRowInputs);
  return weight.format == WeightFormat::kMxfp4 ? padded / 2 : padded;
}

int64_t cuda_scale_columns(const Weight& weight) {
  const bool is_block = weight.format == WeightFormat::kFp8Block;
  return weight.format == WeightFormat::kFp8Channel
             ? 1
             : (is_block ? ceil_div(weight.num_in, kFp8Block)
                         : round_up(weight.num_in, kCudaRowInputs) / kMxGroup);
}

bool is_aligned(const ConstTensorView& view) {
  return reinterpret_cast<uintptr_t>(view.data()) % 16 == 0;
}

}  // namespace

void halve_words(const std::byte* from, std::byte* to, int64_t num_bytes) {
  TALON_CHECK(num_bytes % 8 == 0, "{} bytes of pairs of words", num_bytes);
  // Of both words the nibbles whose place is even, in the low half; those of `words >> 4` are the
  // others.
  const auto even = [](uint64_t words) {
    words &= 0x0F0F0F0F0F0F0F0FU;
    words = (words | (words >> 4)) & 0x00FF00FF00FF00FFU;
    return (words | (words >> 8)) & 0x0000FFFF0000FFFFU;
  };
  for (int64_t i = 0; i < num_bytes; i += 8) {
    uint64_t words = 0;
    std::memcpy(&words, from + i, 8);
    words = even(words) | (even(words >> 4) << 16);
    std::memcpy(to + i, &words, 8);
  }
}

void check_cuda_rows(std::string_view op, const Weight& weight) {
  TALON_CHECK(weight.layout == WeightLayout::kCudaRows, "{}: the CUDA product needs kCudaRows", op);
  const Shape values = {weight.num_out, cuda_value_columns(weight)};
  TALON_CHECK(
      weight.values.shape() == values && weight.values.is_contiguous() && is_aligned(weight.values),
      "{}: values of a {} weight are {}, not {} at a multiple of 16", op,
      weight_format_name(weight.format), to_string(weight.values.shape()), to_string(values));
  if (weight.format == WeightFormat::kBf16) {
    return;
  }
  const Shape scales = {weight.num_out, cuda_scale_columns(weight)};
  TALON_CHECK(
      weight.scales.shape() == scales && weight.scales.is_contiguous() && is_aligned(weight.scales),
      "{}: scales of a {} weight are {}, not {} at a multiple of 16", op,
      weight_format_name(weight.format), to_string(weight.scales.shape()), to_string(scales));
}

void dequantise_row(const Weight& weight, int64_t row, float* out) {
  TALON_CHECK(weight.layout == WeightLayout::kRowMajor, "a packed weight read as row-major");
  TALON_CHECK(row >= 0 && row < weight.num_out, "row {} of {}", row, weight.num_out);
  for (int64_t i = 0; i < weight.num_in; ++i) {
    const float value = value_at(weight, row, i);
    out[i] = weight.format == WeightFormat::kBf16 ? value : value * scale_at(weight, row, i);
  }
}

}  // namespace ops
}  // namespace talon
