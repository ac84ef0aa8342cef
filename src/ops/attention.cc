#include "ops/attention.h"

#include <algorithm>
#include <cstring>

#include "base/check.h"
#include "core/backend.h"
#include "core/cpu_path.h"
#include "core/dtype.h"
#include "core/profile_range.h"
#include "core/stream.h"
#include "core/tensor_view.h"
#include "ops/attention_row.h"
#include "ops/kv_fp8.h"
#include "ops/op_checks.h"

namespace talon::ops {
namespace {

// A parallel region costs one to two microseconds, the time of about this many multiply-adds.
constexpr int64_t kMinWork = int64_t{64} * 1024;

void check_planes(const OpChecks& checks, const AttentionArgs& args) {
  checks.rank("key_plane", args.key_plane, 4);
  const DType stored = args.key_plane.dtype();
  TALON_CHECK(is_plane_dtype(stored, args.q.dtype()), "attention: key_plane is {}",
              dtype_name(stored));
  const Shape plane = {args.key_plane.size(0), cpu::kPageTokens, args.key_plane.size(2),
                       args.q.size(2)};
  checks.strided("key_plane", args.key_plane, stored, plane);
  checks.strided("value_plane", args.value_plane, stored, plane);
  if (stored != DType::kF8E4M3) {
    TALON_CHECK(args.key_scales.empty() && args.value_scales.empty(), "scales of planes of {}",
                dtype_name(stored));
    return;
  }
  const Shape scales = {plane[0], plane[1], plane[2], 1};
  checks.strided("key_scales", args.key_scales, DType::kF32, scales);
  checks.strided("value_scales", args.value_scales, DType::kF32, scales);
}

void check_args(Stream stream, const AttentionArgs& args) {
  const OpChecks checks("attention", stream);
  checks.activation_dtype("q", args.q);
  checks.rank("q", args.q, 3);
  const int64_t rows = args.q.size(0);
  const int64_t heads = args.q.size(1);
  const int64_t dim = args.q.size(2);
  checks.operand("q", args.q, args.q.dtype(), {rows, heads, dim});
  checks.strided("out", args.out, args.q.dtype(), {rows, heads * dim});
  check_planes(checks, args);
  checks.rank("page_table", args.page_table, 2);
  checks.strided("page_table", args.page_table, DType::kI32, args.page_table.shape());
  checks.operand("row_sequence", args.row_sequence, DType::kI32, {rows});
  checks.operand("positions", args.positions, DType::kI32, {rows});
  const int64_t groups = args.key_plane.size(2);
  TALON_CHECK(groups > 0 && heads % groups == 0, "{} heads on {} KV heads", heads, groups);
  TALON_CHECK(dim <= cpu::kMaxHeadDim, "a head of {} is over {}", dim, cpu::kMaxHeadDim);
  if (!args.blocks.empty()) {
    checks.rank("blocks", args.blocks, 3);
    checks.operand("blocks", args.blocks, DType::kI32, {rows, groups, args.blocks.size(2)});
  }
  checks.disjoint("out", args.out, "q", args.q);
}

// A row may look at pages of its sequence only, and at none past its own.
void check_row(const AttentionArgs& args, int64_t t) {
  const int32_t sequence = args.row_sequence.as<int32_t>()[t];
  const int32_t position = args.positions.as<int32_t>()[t];
  TALON_CHECK(sequence >= 0 && sequence < args.page_table.size(0), "row {} is of sequence {} of {}",
              t, sequence, args.page_table.size(0));
  TALON_CHECK(position / cpu::kPageTokens < args.page_table.size(1),
              "row {} at position {} has {} pages", t, position, args.page_table.size(1));
}

cpu::PlaneAtHead plane_at(const ConstTensorView& plane, int64_t group) {
  return {.data = plane.data() + group * plane.stride(2) * dtype_bytes(plane.dtype()),
          .page_stride = plane.stride(0),
          .token_stride = plane.stride(1)};
}

template <class T>
void attend(const AttentionArgs& args, cpu::AttentionRowKernel kernel, int64_t t, int64_t g) {
  const int64_t groups = args.key_plane.size(2);
  const int64_t heads = args.q.size(1) / groups;
  const int64_t dim = args.q.size(2);
  T* out = args.out.row<T>(t) + g * heads * dim;
  const int32_t position = args.positions.as<int32_t>()[t];
  if (position < 0) {
    std::fill_n(out, heads * dim, T{});
    return;
  }
  cpu::AttentionRow row;
  row.q = args.q.row<T>(t) + g * heads * dim;
  row.out = out;
  row.keys = plane_at(args.key_plane, g);
  row.values = plane_at(args.value_plane, g);
  if (!args.key_scales.empty()) {
    row.key_scales = plane_at(args.key_scales, g);
    row.value_scales = plane_at(args.value_scales, g);
  }
  row.pages = args.page_table.row<int32_t>(args.row_sequence.as<int32_t>()[t]);
  if (!args.blocks.empty()) {
    row.num_blocks = args.blocks.size(2);
    row.blocks = args.blocks.row<int32_t>(t) + g * row.num_blocks;
  }
  row.num_heads = heads;
  row.head_dim = dim;
  row.position = position;
  row.scale = args.scale;
  kernel(row);
}

// P is what the planes hold.
template <class T, class P>
cpu::AttentionRowKernel kernel_for(CpuPath path, int64_t dim) {
  if (path == CpuPath::kScalar || dim % cpu::kVectorHeadDim != 0) {
    return cpu::attention_row_scalar<T, P>;
  }
  return path == CpuPath::kAvx2 ? cpu::attention_row_avx2<T, P> : cpu::attention_row_avx512<T, P>;
}

// Multiply-adds of all rows.
int64_t work_of(const AttentionArgs& args) {
  const int64_t most = args.blocks.empty() ? args.page_table.size(1) : args.blocks.size(2);
  int64_t tokens = 0;
  for (int64_t t = 0; t < args.q.size(0); ++t) {
    const int64_t position = args.positions.as<int32_t>()[t];
    tokens += std::min(position + 1, most * cpu::kPageTokens);
  }
  return 2 * tokens * args.q.size(1) * args.q.size(2);
}

}  // namespace

void attention(Stream stream, const AttentionArgs& args) {
  check_args(stream, args);
  if constexpr (kHasCuda) {
    if (stream.is_cuda()) {
      const ProfileRange range("attention");
      return cuda::attention(stream.cuda(), args);
    }
  }
  const int64_t rows = args.q.size(0);
  for (int64_t t = 0; t < rows; ++t) {
    if (args.positions.as<int32_t>()[t] >= 0) {
      check_row(args, t);
    }
  }
  const int64_t groups = args.key_plane.size(2);
  const int64_t items = rows * groups;
  if (items == 0) {
    return;
  }
  const int64_t grain =
      std::max<int64_t>(1, kMinWork * items / std::max<int64_t>(1, work_of(args)));
  dispatch_plane(args.q.dtype(), args.key_plane.dtype(), [&]<class T, class P>() {
    const auto kernel = kernel_for<T, P>(stream.cpu().path(), args.q.size(2));
    stream.cpu().pool().parallel_for(items, grain, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) {
        attend<T>(args, kernel, i / groups, i % groups);
      }
    });
  });
}

}  // namespace talon::ops
