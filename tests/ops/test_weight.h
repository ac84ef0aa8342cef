// Random weights of every format for the tests of products: the checkpoint's form, the packed form
// and the float32 values that both stand for.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "ops/pack.h"
#include "ops/weight.h"
#include "tests/ops/op_test_util.h"

namespace talon::ops {

inline constexpr WeightFormat kAllFormats[] = {WeightFormat::kBf16, WeightFormat::kFp8Channel,
                                               WeightFormat::kFp8Block, WeightFormat::kMxfp8,
                                               WeightFormat::kMxfp4};

inline bool is_mx(WeightFormat format) {
  return format == WeightFormat::kMxfp8 || format == WeightFormat::kMxfp4;
}

class TestWeight {
 public:
  // Finite values of order 1, scales of order 1/8 (powers of two for MX).
  TestWeight(WeightFormat format, int64_t num_out, int64_t num_in, uint64_t purpose)
      : format_(format),
        num_out_(num_out),
        num_in_(num_in),
        values_(value_dtype(format),
                {num_out, format == WeightFormat::kMxfp4 ? num_in / 2 : num_in}),
        scales_(is_mx(format) ? DType::kU8 : DType::kF32, scale_shape(format, num_out, num_in)) {
    TestRng rng(purpose);
    for (int64_t i = 0; i < values_.num_elements(); ++i) {
      if (format == WeightFormat::kBf16) {
        values_.at<bf16>(i) = to_bf16(rng.uniform(-1.0F, 1.0F));
      } else if (format == WeightFormat::kMxfp4) {
        values_.at<uint8_t>(i) = static_cast<uint8_t>(rng.integer(0, 255));
      } else {  // magnitudes up to 15, subnormals among them
        values_.at<e4m3>(i).bits =
            static_cast<uint8_t>(rng.integer(0, 0x57) | (rng.integer(0, 1) << 7));
      }
    }
    for (int64_t i = 0; i < scales_.num_elements(); ++i) {
      if (is_mx(format)) {
        scales_.at<uint8_t>(i) = static_cast<uint8_t>(rng.integer(121, 125));
      } else {
        scales_.at<float>(i) = rng.uniform(0.02F, 0.25F);
      }
    }
  }

  // Row-major, views into this object.
  Weight weight() const {
    Weight w;
    w.format = format_;
    w.num_out = num_out_;
    w.num_in = num_in_;
    w.values = values_.cview();
    if (format_ != WeightFormat::kBf16) {
      w.scales = scales_.cview();
    }
    return w;
  }
  PackedWeight packed() const { return PackedWeight::pack(weight()); }

  TestTensor& values() { return values_; }
  TestTensor& scales() { return scales_; }

  // All rows, one after the other.
  std::vector<float> dequantised() const {
    std::vector<float> all(static_cast<size_t>(num_out_ * num_in_));
    for (int64_t o = 0; o < num_out_; ++o) {
      dequantise_row(weight(), o, all.data() + o * num_in_);
    }
    return all;
  }

 private:
  static DType value_dtype(WeightFormat format) {
    switch (format) {
      case WeightFormat::kBf16:
        return DType::kBf16;
      case WeightFormat::kMxfp4:
        return DType::kU8;
      default:
        return DType::kF8E4M3;
    }
  }
  static Shape scale_shape(WeightFormat format, int64_t num_out, int64_t num_in) {
    switch (format) {
      case WeightFormat::kBf16:
        return {0, 1};
      case WeightFormat::kFp8Channel:
        return {num_out, 1};
      case WeightFormat::kFp8Block:
        return {(num_out + 127) / 128, (num_in + 127) / 128};
      default:
        return {num_out, num_in / 32};
    }
  }

  WeightFormat format_;
  int64_t num_out_;
  int64_t num_in_;
  TestTensor values_;
  TestTensor scales_;
};

}  // namespace talon::ops
