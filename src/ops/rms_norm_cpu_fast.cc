#include "ops/rms_norm.h"

#include "core/cpu_context.h"
#include "core/cpu_path.h"
#include "core/dtype.h"
#include "ops/cpu_loop.h"
#include "ops/row_kernels.h"

namespace talon::ops::cpu {
namespace {

NormRow norm_row_of(int64_t size, float eps, GainForm form) {
  return {.size = size, .eps = eps, .offset = form == GainForm::kZeroCentred ? 1.0F : 0.0F};
}

// Calls body.operator()<kPath, T, G>() with the path and the types of the rows and of the gain.
template <class Body>
void dispatch(CpuContext& context, DType rows, DType gain, const Body& body) {
  dispatch_vector(context.path(), [&]<CpuPath kPath>() {
    dispatch_float(rows, [&]<class T>() {
      dispatch_float(gain, [&]<class G>() { body.template operator()<kPath, T, G>(); });
    });
  });
}

}  // namespace

void rms_norm_fast(CpuContext& context, const RmsNormArgs& args) {
  const int64_t size = args.out.size(1);
  const NormRow row = norm_row_of(size, args.eps, args.form);
  dispatch(context, args.out.dtype(), args.gain.dtype(), [&]<CpuPath kPath, class T, class G>() {
    const G* gain = args.gain.as<G>();
    for_rows(context, args.out.size(0), size, [&](int64_t begin, int64_t end) {
      for (int64_t t = begin; t < end; ++t) {
        norm_row<kPath, T, T, G>(args.out.row<T>(t), args.x.row<T>(t), gain, row);
      }
    });
  });
}

void add_rms_norm_fast(CpuContext& context, const AddRmsNormArgs& args) {
  const int64_t size = args.out.size(1);
  const NormRow row = norm_row_of(size, args.eps, args.form);
  dispatch(context, args.out.dtype(), args.gain.dtype(), [&]<CpuPath kPath, class T, class G>() {
    const G* gain = args.gain.as<G>();
    for_rows(context, args.out.size(0), size, [&](int64_t begin, int64_t end) {
      for (int64_t t = begin; t < end; ++t) {
        T* residual = args.residual.row<T>(t);
        add_row<kPath, T>(residual, residual, args.delta.row<T>(t), size);
        norm_row<kPath, T, T, G>(args.out.row<T>(t), residual, gain, row);
      }
    });
  });
}

void add_fast(CpuContext& context, const AddArgs& args) {
  const int64_t size = args.out.size(1);
  dispatch(context, args.out.dtype(), DType::kF32, [&]<CpuPath kPath, class T, class>() {
    for_rows(context, args.out.size(0), size, [&](int64_t begin, int64_t end) {
      for (int64_t t = begin; t < end; ++t) {
        add_row<kPath, T>(args.out.row<T>(t), args.x.row<T>(t), args.y.row<T>(t), size);
      }
    });
  });
}

}  // namespace talon::ops::cpu
