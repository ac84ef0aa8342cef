#include "ops/gather_rows.h"

#include <cstring>

#include "base/check.h"
#include "core/cpu_context.h"
#include "core/dtype.h"
#include "ops/cpu_loop.h"

namespace talon::ops::cpu {

void gather_rows(CpuContext& context, const GatherRowsArgs& args) {
  const int64_t element = dtype_bytes(args.x.dtype());
  const auto row_bytes = static_cast<size_t>(args.x.size(1) * element);
  const int32_t* rows = args.rows.empty() ? nullptr : args.rows.as<int32_t>();
  for_rows(context, args.out.size(0), args.x.size(1), [&](int64_t begin, int64_t end) {
    for (int64_t r = begin; r < end; ++r) {
      std::byte* out = args.out.data() + r * args.out.stride(0) * element;
      const int64_t from = rows == nullptr ? r : rows[r];
      TALON_CHECK(from < args.x.size(0), "row {} of {}", from, args.x.size(0));
      if (row_bytes == 0) {
        continue;  // there may be no array at all
      }
      if (from < 0) {
        std::memset(out, 0, row_bytes);
      } else {
        std::memcpy(out, args.x.data() + from * args.x.stride(0) * element, row_bytes);
      }
    }
  });
}

}  // namespace talon::ops::cpu
