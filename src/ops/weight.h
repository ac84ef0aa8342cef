// A weight matrix [out, in] of a linear layer in one of the checkpoint formats, as views.
//
// A Weight is a value that owns nothing: `values` and `scales` show memory of the loader (a mapped
// file) or of a PackedWeight (ops/pack.h), which must outlive it. What the numbers mean is decided
// by `format`; the order in memory by `layout`. A kernel that receives a layout it does not know
// fails a check.
//
// Element [o, i] is (spec/minimax_m3.md 4.1-4.4; multiply by the scale in every format)
//   kBf16        values bf16 [out, in]
//   kFp8Channel  values e4m3 [out, in]    * scales f32 [out, 1]
//   kFp8Block    values e4m3 [out, in]    * scales f32 [ceil(out/128), ceil(in/128)]
//   kMxfp8       values e4m3 [out, in]    * 2^(scales u8 [out, in/32] - 127)
//   kMxfp4       values u8   [out, in/2]  * 2^(scales u8 [out, in/32] - 127); the low nibble is
//                the even input channel, a nibble is a sign bit and an E2M1 magnitude
// and its float32 value is the exact product rounded once, subnormals kept, 255 is NaN.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "core/tensor_view.h"

namespace talon {

enum class WeightFormat : uint8_t { kBf16, kFp8Channel, kFp8Block, kMxfp8, kMxfp4 };

enum class WeightLayout : uint8_t {
  kRowMajor,  // as in the checkpoint, shapes as above
  kCpuTiles,  // the CPU kernels' order, see ops/pack.h
  kCudaRows,  // the CUDA kernels' order: rows as in the checkpoint, below
};

// kCudaRows: what the checkpoint has, in device memory, but for three things that a loader settles.
// A row is padded with zeros to P = round_up(in, kCudaRowInputs) inputs, so that it can be read in
// whole pieces of 16 bytes; values and scales begin at a multiple of 16 bytes. Of each 8 values of
// kMxfp4 the even ones are moved to the low half of their 32-bit word and the odd ones to the high
// half, each in rising order, so that a kernel moves two at once. Scales stand by output row in
// every format, so that matrices may be stacked at any row:
//   kBf16        values bf16 [out, P]
//   kFp8Channel  values e4m3 [out, P]      scales f32 [out, 1]
//   kFp8Block    values e4m3 [out, P]      scales f32 [out, ceil(in/128)]
//   kMxfp8       values e4m3 [out, P]      scales u8 [out, P/32]
//   kMxfp4       values u8   [out, P/2]    scales u8 [out, P/32]
// M3's sizes are multiples of 64, so its values are the checkpoint's bytes but for kMxfp4. The code
// 0x7F of e4m3, which is NaN and stands in no checkpoint, counts as 480 on CUDA.
inline constexpr int64_t kCudaRowInputs = 64;

inline constexpr int64_t kMxGroup = 32;    // input channels that share an E8M0 scale
inline constexpr int64_t kFp8Block = 128;  // rows and columns that share a block scale

struct Weight {
  WeightFormat format = WeightFormat::kBf16;
  WeightLayout layout = WeightLayout::kRowMajor;
  int64_t num_out = 0;
  int64_t num_in = 0;
  ConstTensorView values;
  ConstTensorView scales;  // empty for kBf16
};

std::string_view weight_format_name(WeightFormat format);

// Input channels that share a scale of `format`: 32, 128, or all of num_in. 0 for kBf16.
int64_t weight_scale_group(WeightFormat format, int64_t num_in);

// Bytes of values and scales of a [num_out, num_in] weight in the checkpoint's form.
int64_t weight_bytes(WeightFormat format, int64_t num_out, int64_t num_in);

namespace ops {

// Ends the process, naming the op, unless the arrays are those of a kCudaRows weight.
void check_cuda_rows(std::string_view op, const Weight& weight);

// A row of kMxfp4 values, as in the checkpoint, in the order of kCudaRows. `num_bytes` is a
// multiple of 8.
void halve_words(const std::byte* from, std::byte* to, int64_t num_bytes);

// Row `row` of a row-major weight as float32, out[num_in]. The definition that every kernel and
// layout is tested against.
void dequantise_row(const Weight& weight, int64_t row, float* out);

}  // namespace ops
}  // namespace talon
