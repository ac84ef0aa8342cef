#include "ops/rope.h"

#include <cmath>

#include "base/check.h"
#include "core/backend.h"
#include "core/dtype.h"
#include "core/profile_range.h"
#include "core/stream.h"
#include "ops/op_checks.h"

namespace talon::ops {

std::vector<float> rope_inv_freq(double theta, int64_t rotary_dim) {
  TALON_CHECK(theta > 0.0 && rotary_dim >= 0 && rotary_dim % 2 == 0, "theta {}, rotary_dim {}",
              theta, rotary_dim);
  std::vector<float> inv_freq(static_cast<size_t>(rotary_dim / 2));
  for (size_t i = 0; i < inv_freq.size(); ++i) {
    const double exponent = -2.0 * static_cast<double>(i) / static_cast<double>(rotary_dim);
    inv_freq[i] = static_cast<float>(std::pow(theta, exponent));
  }
  return inv_freq;
}

void rope_table(Stream stream, const RopeTableArgs& args) {
  const OpChecks check("rope_table", stream);
  check.rank("positions", args.positions, 1);
  check.rank("inv_freq", args.inv_freq, 1);
  const int64_t num_rows = args.positions.size(0);
  const int64_t half = args.inv_freq.size(0);
  check.operand("cos_sin", args.cos_sin, DType::kF32, {num_rows, 2, half});
  check.operand("positions", args.positions, DType::kI32, {num_rows});
  check.operand("inv_freq", args.inv_freq, DType::kF32, {half});
  check.disjoint("cos_sin", args.cos_sin, "positions", args.positions);
  check.disjoint("cos_sin", args.cos_sin, "inv_freq", args.inv_freq);
  if constexpr (kHasCuda) {
    if (stream.is_cuda()) {
      const ProfileRange range("rope_table");
      return cuda::rope_table(stream.cuda(), args);
    }
  }
  cpu::rope_table(stream.cpu(), args);
}

}  // namespace talon::ops
