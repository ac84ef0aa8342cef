// A bf16 matrix in a quantised format, bit for bit what an offline conversion of the checkpoint
// holds (tools/make_quantised_checkpoint.py): for loading only, scalar, one thread.
//
//   kFp8Channel, kFp8Block   scale = f32(largest magnitude of the row or 128 x 128 block / 448), 1
//                            for zeros; code = e4m3(value / scale)
//   kMxfp4                   of 32 inputs: exponent of the largest magnitude less 2, in 0..254, 127
//                            for zeros; code = e2m1(value / 2^(exponent - 127))
//
// Codes are the nearest to the exact quotient, ties to the even code, saturating.
#pragma once

#include <optional>

#include "core/buffer.h"
#include "ops/weight.h"

namespace talon {

class QuantisedWeight {
 public:
  // `weight` is kBf16, row-major, and may be unaligned; `format` is one of those above, and kMxfp4
  // needs num_in to be a multiple of 32. Nothing if a value is not finite.
  static std::optional<QuantisedWeight> make(const Weight& weight, WeightFormat format);

  // Row-major, of memory that this owns.
  const Weight& weight() const { return weight_; }

 private:
  QuantisedWeight() = default;

  Buffer values_;
  Buffer scales_;
  Weight weight_;
};

}  // namespace talon
