#include "ops/argmax.h"

#include <bit>
#include <limits>

#include "base/check.h"
#include "core/backend.h"
#include "core/cpu_path.h"
#include "core/dtype.h"
#include "core/profile_range.h"
#include "core/stream.h"
#include "ops/op_checks.h"

namespace talon::ops {

void argmax(Stream stream, const ArgmaxArgs& args) {
  const OpChecks check("argmax", stream);
  check.rank("logits", args.logits, 2);
  check.activation_dtype("logits", args.logits);
  const int64_t num_rows = args.logits.size(0);
  const int64_t vocabulary = args.logits.size(1);
  check.operand("keys", args.keys, DType::kU64, {num_rows});
  check.strided("logits", args.logits, args.logits.dtype(), {num_rows, vocabulary});
  if (!args.allowed.empty()) {
    check.operand("allowed", args.allowed, DType::kU8, {vocabulary});
    check.disjoint("keys", args.keys, "allowed", args.allowed);
  }
  check.disjoint("keys", args.keys, "logits", args.logits);
  constexpr int64_t kMaxId = std::numeric_limits<int32_t>::max();
  TALON_CHECK(args.first_id >= 0 && args.first_id + vocabulary <= kMaxId, "argmax: ids {} + {}",
              args.first_id, vocabulary);
  if constexpr (kHasCuda) {
    if (stream.is_cuda()) {
      const ProfileRange range("argmax");
      return cuda::argmax(stream.cuda(), args);
    }
  }
  if (stream.cpu().path() == CpuPath::kScalar) {
    cpu::argmax(stream.cpu(), args);
  } else {
    cpu::argmax_fast(stream.cpu(), args);
  }
}

uint64_t argmax_key(float logit, int32_t id) {
  // -0 becomes +0, so that equal logits give equal bits; a NaN becomes minus infinity.
  const float value = logit == logit ? logit + 0.0F : -std::numeric_limits<float>::infinity();
  const auto bits = std::bit_cast<uint32_t>(value);
  const uint32_t ordered = (bits >> 31) != 0 ? ~bits : bits | 0x80000000U;
  return (uint64_t{ordered} << 32) | (0xFFFFFFFFU - static_cast<uint32_t>(id));
}

int32_t argmax_key_id(uint64_t key) {
  return static_cast<int32_t>(0xFFFFFFFFU - static_cast<uint32_t>(key));
}

}  // namespace talon::ops
