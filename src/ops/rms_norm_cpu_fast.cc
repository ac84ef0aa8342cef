#include "ops/rms_norm.h"

#include "core/cpu_context.h"
#include "core/cpu_path.h"
#include "core/dtype.h"
#include "ops/cpu_loop.h"
#include "ops/norm_types.h"
#include "ops/row_kernels.h"

namespace talon::ops::cpu {
namespace {

NormRow norm_row_of(int64_t size, float eps, GainForm form) {
  return {.size = size, .eps = eps, .offset = form == GainForm::kZeroCentred ? 1.0F : 0.0F};
}

// Calls body.operator()<kPath, T, In, G>() with the path and the types of dispatch_norm_types.
template <class Body>
void dispatch(CpuContext& context, DType out, DType in, DType gain, const Body& body) {
  dispatch_vector(context.path(), [&]<CpuPath kPath>() {
    dispatch_norm_types(out, in, gain, [&]<class T, class In, class G>() {
      body.template operator()<kPath, T, In, G>();
    });
  });
}

}  // namespace

void rms_norm_fast(CpuContext& context, const RmsNormArgs& args) {
  const int64_t size = args.out.size(1);
  const NormRow row = norm_row_of(size, args.eps, args.form);
  const auto run = [&]<CpuPath kPath, class T, class In, class G>() {
    const G* gain = args.gain.as<G>();
    for_rows(context, args.out.size(0), size, [&](int64_t begin, int64_t end) {
      for (int64_t t = begin; t < end; ++t) {
        norm_row<kPath, T, In, G>(args.out.row<T>(t), args.x.row<In>(t), gain, row);
      }
    });
  };
  dispatch(context, args.out.dtype(), args.x.dtype(), args.gain.dtype(), run);
}

void add_rms_norm_fast(CpuContext& context, const AddRmsNormArgs& args) {
  const int64_t size = args.out.size(1);
  const NormRow row = norm_row_of(size, args.eps, args.form);
  const auto run = [&]<CpuPath kPath, class T, class In, class G>() {
    const G* gain = args.gain.as<G>();
    for_rows(context, args.out.size(0), size, [&](int64_t begin, int64_t end) {
      for (int64_t t = begin; t < end; ++t) {
        In* residual = args.residual.row<In>(t);
        add_row<kPath, In, T>(residual, residual, args.delta.row<T>(t), size);
        norm_row<kPath, T, In, G>(args.out.row<T>(t), residual, gain, row);
      }
    });
  };
  dispatch(context, args.out.dtype(), args.residual.dtype(), args.gain.dtype(), run);
}

void add_fast(CpuContext& context, const AddArgs& args) {
  const int64_t size = args.out.size(1);
  dispatch_vector(context.path(), [&]<CpuPath kPath>() {
    dispatch_float(args.out.dtype(), [&]<class T>() {
      for_rows(context, args.out.size(0), size, [&](int64_t begin, int64_t end) {
        for (int64_t t = begin; t < end; ++t) {
          add_row<kPath, T, T>(args.out.row<T>(t), args.x.row<T>(t), args.y.row<T>(t), size);
        }
      });
    });
  });
}

}  // namespace talon::ops::cpu
