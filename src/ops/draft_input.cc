#include "ops/draft_input.h"

#include "core/backend.h"
#include "core/cpu_path.h"
#include "core/dtype.h"
#include "core/profile_range.h"
#include "core/shape.h"
#include "core/stream.h"
#include "ops/op_checks.h"

namespace talon::ops {

void group_norm(Stream stream, const GroupNormArgs& args) {
  const OpChecks check("group_norm", stream);
  check.rank("taps", args.taps, 2);
  check.rank("gains", args.gains, 2);
  check.activation_dtype("out", args.out);
  check.activation_dtype("gains", args.gains);
  const int64_t width = args.gains.size(0) * args.gains.size(1);
  const Shape shape = {args.taps.size(0), width};
  check.strided("out", args.out, args.out.dtype(), shape);
  check.strided("taps", args.taps, args.out.dtype(), shape);
  check.operand("gains", args.gains, args.gains.dtype(), args.gains.shape());
  check.same_or_disjoint("out", args.out, "taps", args.taps);
  check.disjoint("out", args.out, "gains", args.gains);
  if constexpr (kHasCuda) {
    if (stream.is_cuda()) {
      const ProfileRange range("group_norm");
      return cuda::group_norm(stream.cuda(), args);
    }
  }
  if (stream.cpu().path() == CpuPath::kScalar) {
    cpu::group_norm(stream.cpu(), args);
  } else {
    cpu::group_norm_fast(stream.cpu(), args);
  }
}

void embed_norm_concat(Stream stream, const EmbedNormConcatArgs& args) {
  const OpChecks check("embed_norm_concat", stream);
  check.rank("ids", args.ids, 1);
  check.rank("table", args.table, 2);
  check.activation_dtype("out", args.out);
  check.activation_dtype("embed_gain", args.embed_gain);
  const int64_t num_rows = args.ids.size(0);
  const int64_t hidden = args.table.size(1);
  check.strided("out", args.out, args.out.dtype(), {num_rows, 2 * hidden});
  check.operand("ids", args.ids, DType::kI32, {num_rows});
  check.operand("table", args.table, DType::kBf16, {args.table.size(0), hidden});
  check.strided("hidden", args.hidden, args.out.dtype(), {num_rows, hidden});
  check.operand("embed_gain", args.embed_gain, args.embed_gain.dtype(), {hidden});
  check.operand("hidden_gain", args.hidden_gain, args.embed_gain.dtype(), {hidden});
  check.output("out", args.out, args.ids, args.table, args.hidden, args.embed_gain,
               args.hidden_gain);
  if constexpr (kHasCuda) {
    if (stream.is_cuda()) {
      const ProfileRange range("embed_norm_concat");
      return cuda::embed_norm_concat(stream.cuda(), args);
    }
  }
  if (stream.cpu().path() == CpuPath::kScalar) {
    cpu::embed_norm_concat(stream.cpu(), args);
  } else {
    cpu::embed_norm_concat_fast(stream.cpu(), args);
  }
}

}  // namespace talon::ops
