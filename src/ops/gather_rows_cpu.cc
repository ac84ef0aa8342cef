#include "ops/gather_rows.h"

#include <algorithm>
#include <cstring>

#include "base/check.h"
#include "core/cpu_context.h"
#include "core/dtype.h"
#include "ops/cpu_loop.h"
#include "ops/row_kernels.h"

namespace talon::ops::cpu {
namespace {

void round_row(CpuPath path, bf16* out, const float* x, int64_t size) {
  if (path == CpuPath::kScalar) {
    std::transform(x, x + size, out, [](float value) { return from_float<bf16>(value); });
    return;
  }
  dispatch_vector(path, [&]<CpuPath kPath>() { cpu::round_row<kPath>(out, x, size); });
}

}  // namespace

void gather_rows(CpuContext& context, const GatherRowsArgs& args) {
  const int64_t size = args.x.size(1);
  const int64_t element = dtype_bytes(args.x.dtype());
  const int64_t out_element = dtype_bytes(args.out.dtype());
  const bool rounds = args.out.dtype() != args.x.dtype();
  const int32_t* rows = args.rows.empty() ? nullptr : args.rows.as<int32_t>();
  for_rows(context, args.out.size(0), size, [&](int64_t begin, int64_t end) {
    for (int64_t r = begin; r < end; ++r) {
      std::byte* out = args.out.data() + r * args.out.stride(0) * out_element;
      const int64_t from = rows == nullptr ? r : rows[r];
      TALON_CHECK(from < args.x.size(0), "row {} of {}", from, args.x.size(0));
      if (size == 0) {
        continue;  // there may be no array at all
      }
      if (from < 0) {
        std::memset(out, 0, static_cast<size_t>(size * out_element));
      } else if (rounds) {
        round_row(context.path(), args.out.row<bf16>(r), args.x.row<float>(from), size);
      } else {
        std::memcpy(out, args.x.data() + from * args.x.stride(0) * element,
                    static_cast<size_t>(size * element));
      }
    }
  });
}

}  // namespace talon::ops::cpu
