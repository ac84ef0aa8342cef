#include "model/quantisation.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <utility>
#include <vector>

#include "base/checked_int.h"
#include "base/printable.h"

namespace talon {
namespace {

using Found = std::variant<LinearTensors, TensorProblem>;

TensorProblem problem(const CheckpointTensor& tensor, std::string_view text) {
  return {.file_name = tensor.file_name,
          .text = fmt::format("tensor \"{}\": {}", printable(tensor.entry.name), text)};
}

bool has_shape(const CheckpointTensor& tensor, const std::vector<int64_t>& shape) {
  return tensor.entry.shape == shape;
}

TensorProblem wrong_shape(const CheckpointTensor& tensor, const std::vector<int64_t>& expected) {
  return problem(tensor,
                 fmt::format("{} shape {}, expected {}", file_dtype_name(tensor.entry.dtype),
                             shape_text(tensor.entry.shape), shape_text(expected)));
}

// The scales of a quantised weight: exactly one of the names.
std::variant<const CheckpointTensor*, TensorProblem> find_scales(const Checkpoint& checkpoint,
                                                                 const CheckpointTensor& values) {
  const CheckpointTensor* found = nullptr;
  for (const std::string& name : scale_names(values.name)) {
    const CheckpointTensor* scales = checkpoint.find(name);
    if (scales != nullptr && found != nullptr) {
      return problem(*scales, fmt::format("a second scale beside \"{}\"", found->entry.name));
    }
    found = scales != nullptr ? scales : found;
  }
  if (found == nullptr) {
    return problem(values,
                   fmt::format("{} without scales: no \"{}\"", file_dtype_name(values.entry.dtype),
                               scale_names(values.entry.name)[0]));
  }
  return found;
}

bool is_e8m0(const CheckpointTensor& scales) {
  return scales.entry.dtype == FileDType::kU8 || scales.entry.dtype == FileDType::kF8E8M0;
}

// Settles the format of FP8 values by their scales.
Found fp8_format(LinearTensors linear) {
  const CheckpointTensor& scales = *linear.scales;
  const int64_t num_out = linear.num_out;
  const int64_t num_in = linear.num_in;
  if (is_e8m0(scales)) {
    linear.format = WeightFormat::kMxfp8;
    return linear;
  }
  if (scales.entry.dtype != FileDType::kF32) {
    return problem(scales, fmt::format("{} is not a dtype of scales, F32 and U8 are",
                                       file_dtype_name(scales.entry.dtype)));
  }
  const std::vector<int64_t> blocks = {ceil_div(num_out, kFp8Block), ceil_div(num_in, kFp8Block)};
  if (has_shape(scales, {num_out, 1})) {
    linear.format = WeightFormat::kFp8Channel;
  } else if (has_shape(scales, blocks)) {
    linear.format = WeightFormat::kFp8Block;
  } else {
    return problem(
        scales,
        fmt::format("F32 shape {}, expected [{}, 1] (per channel) or {} (blocks of {})",
                    shape_text(scales.entry.shape), num_out, shape_text(blocks), kFp8Block));
  }
  return linear;
}

// MX groups lie along the inputs and may not be cut.
Found check_mx(const LinearTensors& linear) {
  if (linear.num_in % kMxGroup != 0) {
    return problem(*linear.values,
                   fmt::format("{} inputs are not whole groups of {}", linear.num_in, kMxGroup));
  }
  const std::vector<int64_t> expected = {linear.num_out, linear.num_in / kMxGroup};
  if (!has_shape(*linear.scales, expected)) {
    return wrong_shape(*linear.scales, expected);
  }
  return linear;
}

Found quantised(const Checkpoint& checkpoint, LinearTensors linear) {
  auto scales = find_scales(checkpoint, *linear.values);
  if (auto* none = std::get_if<TensorProblem>(&scales)) {
    return std::move(*none);
  }
  linear.scales = std::get<const CheckpointTensor*>(scales);
  if (linear.format == WeightFormat::kMxfp4) {
    if (!is_e8m0(*linear.scales)) {
      return problem(*linear.scales, fmt::format("{} is not the dtype of MXFP4 scales, U8 is",
                                                 file_dtype_name(linear.scales->entry.dtype)));
    }
    return check_mx(linear);
  }
  Found found = fp8_format(linear);
  const auto* settled = std::get_if<LinearTensors>(&found);
  return settled != nullptr && settled->format == WeightFormat::kMxfp8 ? check_mx(*settled) : found;
}

ConstTensorView view_of(const CheckpointTensor& tensor, DType dtype, const Shape& shape) {
  return {tensor.bytes.data(), dtype, shape};
}

}  // namespace

Weight LinearTensors::row_major() const {
  Weight weight{.format = format,
                .layout = WeightLayout::kRowMajor,
                .num_out = num_out,
                .num_in = num_in,
                .values = {},
                .scales = {}};
  switch (format) {
    case WeightFormat::kBf16:
      weight.values = view_of(*values, DType::kBf16, {num_out, num_in});
      break;
    case WeightFormat::kFp8Channel:
      weight.values = view_of(*values, DType::kF8E4M3, {num_out, num_in});
      weight.scales = view_of(*scales, DType::kF32, {num_out, 1});
      break;
    case WeightFormat::kFp8Block:
      weight.values = view_of(*values, DType::kF8E4M3, {num_out, num_in});
      weight.scales = view_of(*scales, DType::kF32,
                              {ceil_div(num_out, kFp8Block), ceil_div(num_in, kFp8Block)});
      break;
    case WeightFormat::kMxfp8:
      weight.values = view_of(*values, DType::kF8E4M3, {num_out, num_in});
      weight.scales = view_of(*scales, DType::kU8, {num_out, num_in / kMxGroup});
      break;
    case WeightFormat::kMxfp4:
      weight.values = view_of(*values, DType::kU8, {num_out, num_in / 2});
      weight.scales = view_of(*scales, DType::kU8, {num_out, num_in / kMxGroup});
      break;
  }
  return weight;
}

std::array<std::string, 3> scale_names(std::string_view weight_name) {
  constexpr std::string_view kSuffix = ".weight";
  TALON_CHECK(weight_name.ends_with(kSuffix), "{} is not the name of a weight", weight_name);
  const std::string stem(weight_name.substr(0, weight_name.size() - kSuffix.size()));
  return {stem + ".weight_scale_inv", stem + ".weight_scale", stem + ".scale"};
}

std::variant<LinearTensors, TensorProblem> find_linear(const Checkpoint& checkpoint,
                                                       std::string_view name,
                                                       int64_t num_out,
                                                       int64_t num_in) {
  const CheckpointTensor* values = checkpoint.find(name);
  if (values == nullptr) {
    return TensorProblem{.file_name = "", .text = fmt::format("tensor \"{}\": missing", name)};
  }
  LinearTensors linear{.format = WeightFormat::kBf16,
                       .values = values,
                       .scales = nullptr,
                       .num_out = num_out,
                       .num_in = num_in};
  std::vector<int64_t> shape = {num_out, num_in};
  switch (values->entry.dtype) {
    case FileDType::kBf16:
      break;
    case FileDType::kF8E4M3:
      linear.format = WeightFormat::kFp8Channel;  // or what the scales say
      break;
    case FileDType::kU8:
      linear.format = WeightFormat::kMxfp4;
      shape[1] = num_in / 2;
      break;
    default:
      return problem(*values,
                     fmt::format("{} is not a dtype of weights, BF16, F8_E4M3 and U8 (MXFP4) are",
                                 file_dtype_name(values->entry.dtype)));
  }
  if (!has_shape(*values, shape)) {
    return wrong_shape(*values, shape);
  }
  if (linear.format != WeightFormat::kBf16) {
    return quantised(checkpoint, linear);
  }
  return linear;
}

std::string shape_text(std::span<const int64_t> shape) {
  return fmt::format("[{}]", fmt::join(shape, ", "));
}

}  // namespace talon
