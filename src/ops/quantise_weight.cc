#include "ops/quantise_weight.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <span>
#include <vector>

#include "base/check.h"
#include "base/checked_int.h"
#include "core/dtype.h"
#include "core/e4m3.h"
#include "core/shape.h"

namespace talon {
namespace {

// Rounding the result to fewer bits is rounding x to them: it is x cut off, and its last bit says
// whether anything was.
float round_to_odd(double x) {
  const auto near = static_cast<float>(x);
  if (static_cast<double>(near) == x) {
    return near;
  }
  uint32_t bits = std::bit_cast<uint32_t>(near);
  if (std::abs(static_cast<double>(near)) > std::abs(x)) {
    --bits;
  }
  return std::bit_cast<float>(bits | 1U);
}

// Thresholds lie between two codes; a tie goes to the even one.
uint8_t to_e2m1(double x) {
  const double m = std::abs(x);
  const int code = static_cast<int>(m > 0.25) + static_cast<int>(m >= 0.75) +
                   static_cast<int>(m > 1.25) + static_cast<int>(m >= 1.75) +
                   static_cast<int>(m > 2.5) + static_cast<int>(m >= 3.5) +
                   static_cast<int>(m > 5.0);
  return static_cast<uint8_t>(code | (std::signbit(x) ? 8 : 0));
}

// Rows of the source as float32. The bytes may be unaligned.
class Rows {
 public:
  explicit Rows(const Weight& weight)
      : weight_(weight), bits_(static_cast<size_t>(weight.num_in)), row_(bits_.size()) {}

  std::span<const float> read(int64_t row) {
    const std::byte* from = weight_.values.data() + row * weight_.values.stride(0) * 2;
    std::memcpy(bits_.data(), from, 2 * bits_.size());
    std::transform(bits_.begin(), bits_.end(), row_.begin(), [](bf16 x) { return to_float(x); });
    return row_;
  }

 private:
  const Weight& weight_;
  std::vector<bf16> bits_;
  std::vector<float> row_;
};

bool is_finite(Rows& rows, int64_t num_rows) {
  for (int64_t row = 0; row < num_rows; ++row) {
    const auto values = rows.read(row);
    if (!std::all_of(values.begin(), values.end(), [](float x) { return std::isfinite(x); })) {
      return false;
    }
  }
  return true;
}

float largest_magnitude(std::span<const float> values) {
  float largest = 0.0F;
  for (const float value : values) {
    largest = std::max(largest, std::abs(value));
  }
  return largest;
}

// Scales of rows [first, first + tile_rows), one for `group` inputs.
void fp8_scales(Rows& rows, int64_t first, int64_t end, int64_t group, std::span<float> scales) {
  std::fill(scales.begin(), scales.end(), 0.0F);
  for (int64_t row = first; row < end; ++row) {
    const std::span<const float> values = rows.read(row);
    for (size_t g = 0; g < scales.size(); ++g) {
      const size_t begin = g * static_cast<size_t>(group);
      const size_t count = std::min(static_cast<size_t>(group), values.size() - begin);
      scales[g] = std::max(scales[g], largest_magnitude(values.subspan(begin, count)));
    }
  }
  for (float& scale : scales) {
    const auto wanted = static_cast<float>(static_cast<double>(scale) / 448.0);
    scale = wanted == 0.0F ? 1.0F : wanted;
  }
}

void quantise_fp8(Rows& rows, const Weight& out, e4m3* codes, float* scales) {
  const int64_t tile_rows = out.format == WeightFormat::kFp8Block ? kFp8Block : 1;
  const int64_t group = weight_scale_group(out.format, out.num_in);
  const int64_t num_groups = out.scales.size(1);
  for (int64_t first = 0; first < out.num_out; first += tile_rows, scales += num_groups) {
    const int64_t end = std::min(out.num_out, first + tile_rows);
    fp8_scales(rows, first, end, group, {scales, static_cast<size_t>(num_groups)});
    for (int64_t row = first; row < end; ++row) {
      const std::span<const float> values = rows.read(row);
      for (int64_t i = 0; i < out.num_in; ++i, ++codes) {
        const auto value = static_cast<double>(values[static_cast<size_t>(i)]);
        *codes = to_e4m3(round_to_odd(value / static_cast<double>(scales[i / group])));
      }
    }
  }
}

void quantise_mxfp4(Rows& rows, const Weight& out, uint8_t* codes, uint8_t* scales) {
  constexpr int kLargestExponent = 2;  // of 6.0
  for (int64_t row = 0; row < out.num_out; ++row) {
    const std::span<const float> values = rows.read(row);
    for (size_t begin = 0; begin < values.size(); begin += kMxGroup, ++scales) {
      const std::span<const float> group = values.subspan(begin, kMxGroup);
      const float largest = largest_magnitude(group);
      const int exponent =
          largest == 0.0F ? 127 : std::clamp(std::ilogb(largest) - kLargestExponent + 127, 0, 254);
      *scales = static_cast<uint8_t>(exponent);
      for (size_t i = 0; i < group.size(); i += 2, ++codes) {
        const auto code = [&](float x) {
          return to_e2m1(std::ldexp(static_cast<double>(x), 127 - exponent));
        };
        *codes = static_cast<uint8_t>(code(group[i]) | (code(group[i + 1]) << 4));
      }
    }
  }
}

}  // namespace

std::optional<QuantisedWeight> QuantisedWeight::make(const Weight& weight, WeightFormat format) {
  TALON_CHECK(weight.format == WeightFormat::kBf16 && weight.layout == WeightLayout::kRowMajor,
              "a {} weight cannot be quantised", weight_format_name(weight.format));
  const bool is_fp4 = format == WeightFormat::kMxfp4;
  TALON_CHECK(is_fp4 || format == WeightFormat::kFp8Channel || format == WeightFormat::kFp8Block,
              "no quantiser for {}", weight_format_name(format));
  TALON_CHECK(!is_fp4 || weight.num_in % kMxGroup == 0, "{} inputs are not whole groups of {}",
              weight.num_in, kMxGroup);
  Rows rows(weight);
  if (!is_finite(rows, weight.num_out)) {
    return std::nullopt;
  }
  const Shape values = {weight.num_out, is_fp4 ? weight.num_in / 2 : weight.num_in};
  const Shape scales =
      is_fp4 ? Shape{weight.num_out, weight.num_in / kMxGroup}
      : format == WeightFormat::kFp8Block
          ? Shape{ceil_div(weight.num_out, kFp8Block), ceil_div(weight.num_in, kFp8Block)}
          : Shape{weight.num_out, 1};
  const DType scale_dtype = is_fp4 ? DType::kU8 : DType::kF32;

  QuantisedWeight quantised;
  quantised.values_ = Buffer(values.num_elements());
  quantised.scales_ = Buffer(scales.num_elements() * dtype_bytes(scale_dtype));
  Weight& out = quantised.weight_;
  out = {.format = format,
         .layout = WeightLayout::kRowMajor,
         .num_out = weight.num_out,
         .num_in = weight.num_in,
         .values = quantised.values_.view(is_fp4 ? DType::kU8 : DType::kF8E4M3, values),
         .scales = quantised.scales_.view(scale_dtype, scales)};
  std::byte* codes = quantised.values_.data();
  std::byte* stored = quantised.scales_.data();
  if (is_fp4) {
    quantise_mxfp4(rows, out, reinterpret_cast<uint8_t*>(codes),
                   reinterpret_cast<uint8_t*>(stored));
  } else {
    quantise_fp8(rows, out, reinterpret_cast<e4m3*>(codes), reinterpret_cast<float*>(stored));
  }
  return quantised;
}

}  // namespace talon
