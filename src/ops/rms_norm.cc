#include "ops/rms_norm.h"

#include "core/backend.h"
#include "core/cpu_path.h"
#include "core/profile_range.h"
#include "core/shape.h"
#include "core/stream.h"
#include "ops/op_checks.h"

namespace talon::ops {
namespace {

// The dtype that rows of `view` must have beside results of `out`: theirs, or float32.
template <bool kConst>
DType stream_dtype(const BasicTensorView<kConst>& view, const TensorView& out) {
  return view.dtype() == DType::kF32 ? DType::kF32 : out.dtype();
}

bool is_scalar(Stream stream) { return stream.cpu().path() == CpuPath::kScalar; }

}  // namespace

void rms_norm(Stream stream, const RmsNormArgs& args) {
  const OpChecks check("rms_norm", stream);
  check.rank("out", args.out, 2);
  check.activation_dtype("out", args.out);
  check.activation_dtype("gain", args.gain);
  const Shape& shape = args.out.shape();
  check.strided("out", args.out, args.out.dtype(), shape);
  check.strided("x", args.x, stream_dtype(args.x, args.out), shape);
  check.operand("gain", args.gain, args.gain.dtype(), {shape[1]});
  check.same_or_disjoint("out", args.out, "x", args.x);
  check.disjoint("out", args.out, "gain", args.gain);
  if constexpr (kHasCuda) {
    if (stream.is_cuda()) {
      const ProfileRange range("rms_norm");
      return cuda::rms_norm(stream.cuda(), args);
    }
  }
  is_scalar(stream) ? cpu::rms_norm(stream.cpu(), args) : cpu::rms_norm_fast(stream.cpu(), args);
}

void add_rms_norm(Stream stream, const AddRmsNormArgs& args) {
  const OpChecks check("add_rms_norm", stream);
  check.rank("out", args.out, 2);
  check.activation_dtype("out", args.out);
  check.activation_dtype("gain", args.gain);
  const Shape& shape = args.out.shape();
  check.strided("out", args.out, args.out.dtype(), shape);
  check.strided("residual", args.residual, stream_dtype(args.residual, args.out), shape);
  check.strided("delta", args.delta, args.out.dtype(), shape);
  check.operand("gain", args.gain, args.gain.dtype(), {shape[1]});
  check.disjoint("out", args.out, "residual", args.residual);
  check.same_or_disjoint("out", args.out, "delta", args.delta);
  check.disjoint("residual", args.residual, "delta", args.delta);
  check.disjoint("out", args.out, "gain", args.gain);
  check.disjoint("residual", args.residual, "gain", args.gain);
  if constexpr (kHasCuda) {
    if (stream.is_cuda()) {
      const ProfileRange range("add_rms_norm");
      return cuda::add_rms_norm(stream.cuda(), args);
    }
  }
  is_scalar(stream) ? cpu::add_rms_norm(stream.cpu(), args)
                    : cpu::add_rms_norm_fast(stream.cpu(), args);
}

void add(Stream stream, const AddArgs& args) {
  const OpChecks check("add", stream);
  check.rank("out", args.out, 2);
  check.activation_dtype("out", args.out);
  const Shape& shape = args.out.shape();
  check.strided("out", args.out, args.out.dtype(), shape);
  check.strided("x", args.x, args.out.dtype(), shape);
  check.strided("y", args.y, args.out.dtype(), shape);
  check.same_or_disjoint("out", args.out, "x", args.x);
  check.same_or_disjoint("out", args.out, "y", args.y);
  if constexpr (kHasCuda) {
    if (stream.is_cuda()) {
      const ProfileRange range("add");
      return cuda::add(stream.cuda(), args);
    }
  }
  is_scalar(stream) ? cpu::add(stream.cpu(), args) : cpu::add_fast(stream.cpu(), args);
}

}  // namespace talon::ops
