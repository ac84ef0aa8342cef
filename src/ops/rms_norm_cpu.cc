#include "ops/rms_norm.h"

#include <cmath>

#include "core/cpu_context.h"
#include "core/dtype.h"
#include "ops/cpu_loop.h"
#include "ops/cpu_math.h"
#include "ops/norm_types.h"
#include "ops/row_kernels.h"

namespace talon::ops::cpu {
namespace {

template <class T, class In, class G>
void plain_norm_row(T* out, const In* x, const G* gain, const NormRow& row) {
  const float sum = lane_sum(row.size, [x](int64_t c) { return to_float(x[c]) * to_float(x[c]); });
  const float inverse = 1.0F / std::sqrt(sum / static_cast<float>(row.size) + row.eps);
  for (int64_t c = 0; c < row.size; ++c) {
    out[c] = from_float<T>((to_float(x[c]) * inverse) * (row.offset + to_float(gain[c])));
  }
}

template <class T, class Y>
void plain_add_row(T* out, const T* x, const Y* y, int64_t size) {
  for (int64_t c = 0; c < size; ++c) {
    out[c] = from_float<T>(to_float(x[c]) + to_float(y[c]));
  }
}

NormRow norm_row_of(int64_t size, float eps, GainForm form) {
  return {.size = size, .eps = eps, .offset = form == GainForm::kZeroCentred ? 1.0F : 0.0F};
}

}  // namespace

void rms_norm(CpuContext& context, const RmsNormArgs& args) {
  const int64_t size = args.out.size(1);
  const NormRow row = norm_row_of(size, args.eps, args.form);
  const DType in = args.x.dtype();
  dispatch_norm_types(args.out.dtype(), in, args.gain.dtype(), [&]<class T, class In, class G>() {
    const G* gain = args.gain.as<G>();
    for_rows(context, args.out.size(0), size, [&](int64_t begin, int64_t end) {
      for (int64_t t = begin; t < end; ++t) {
        plain_norm_row(args.out.row<T>(t), args.x.row<In>(t), gain, row);
      }
    });
  });
}

void add_rms_norm(CpuContext& context, const AddRmsNormArgs& args) {
  const int64_t size = args.out.size(1);
  const NormRow row = norm_row_of(size, args.eps, args.form);
  const DType in = args.residual.dtype();
  dispatch_norm_types(args.out.dtype(), in, args.gain.dtype(), [&]<class T, class In, class G>() {
    const G* gain = args.gain.as<G>();
    for_rows(context, args.out.size(0), size, [&](int64_t begin, int64_t end) {
      for (int64_t t = begin; t < end; ++t) {
        In* residual = args.residual.row<In>(t);
        plain_add_row(residual, residual, args.delta.row<T>(t), size);
        plain_norm_row(args.out.row<T>(t), residual, gain, row);
      }
    });
  });
}

void add(CpuContext& context, const AddArgs& args) {
  const int64_t size = args.out.size(1);
  dispatch_float(args.out.dtype(), [&]<class T>() {
    for_rows(context, args.out.size(0), size, [&](int64_t begin, int64_t end) {
      for (int64_t t = begin; t < end; ++t) {
        plain_add_row(args.out.row<T>(t), args.x.row<T>(t), args.y.row<T>(t), size);
      }
    });
  });
}

}  // namespace talon::ops::cpu
