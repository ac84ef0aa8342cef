#include "ops/qkv_norm_rope_append.h"

#include "base/check.h"
#include "base/ids.h"
#include "core/backend.h"
#include "core/cpu_path.h"
#include "core/dtype.h"
#include "core/profile_range.h"
#include "core/shape.h"
#include "core/stream.h"
#include "core/tensor_view.h"
#include "ops/kv_fp8.h"
#include "ops/op_checks.h"

namespace talon::ops {
namespace {

// A plane [pages, 128, heads, size]; pages may lie apart, what is in one may not.
void check_plane(const OpChecks& check,
                 std::string_view name,
                 const TensorView& plane,
                 DType dtype,
                 const Shape& shape) {
  check.strided(name, plane, dtype, shape);
  TALON_CHECK(plane.stride(1) == shape[2] * shape[3] && plane.stride(2) == shape[3],
              "qkv_norm_rope_append: a page of {} is not contiguous", name);
}

void check_gain(const OpChecks& check,
                std::string_view name,
                const ConstTensorView& gain,
                DType dtype,
                int64_t size) {
  check.activation_dtype(name, gain);
  check.operand(name, gain, dtype, {size});
}

// What heads of some size are stored as: their own type or e4m3.
DType stored_dtype(std::string_view name, const TensorView& plane, DType activation, int64_t size) {
  TALON_CHECK(is_plane_dtype(plane.dtype(), activation), "qkv_norm_rope_append: {} is {}", name,
              dtype_name(plane.dtype()));
  TALON_CHECK(plane.dtype() == activation || size <= kMaxFp8Head,
              "qkv_norm_rope_append: an e4m3 head of {} is over {}", size, kMaxFp8Head);
  return plane.dtype();
}

void check_planes(const OpChecks& check, const QkvNormRopeAppendArgs& args) {
  const int64_t head = args.q.size(2);
  const Shape plane = {args.key_plane.size(0), kPageTokens, args.key_plane.size(2), head};
  const DType stored = stored_dtype("key_plane", args.key_plane, args.q.dtype(), head);
  check_plane(check, "key_plane", args.key_plane, stored, plane);
  check_plane(check, "value_plane", args.value_plane, stored, plane);
  if (stored != DType::kF8E4M3) {
    TALON_CHECK(args.key_scales.empty() && args.value_scales.empty(), "scales of planes of {}",
                dtype_name(stored));
    return;
  }
  const Shape scales = {plane[0], kPageTokens, plane[2], 1};
  check.rank("key_scales", args.key_scales, 4);
  check.rank("value_scales", args.value_scales, 4);
  check_plane(check, "key_scales", args.key_scales, DType::kF32, scales);
  check_plane(check, "value_scales", args.value_scales, DType::kF32, scales);
  check.output("key_scales", args.key_scales, args.qkv, args.cos_sin, args.write_slots);
  check.output("value_scales", args.value_scales, args.qkv, args.cos_sin, args.write_slots);
}

void check_main(const OpChecks& check, const QkvNormRopeAppendArgs& args) {
  const DType dtype = args.q.dtype();
  const int64_t num_rows = args.q.size(0);
  const int64_t head = args.q.size(2);
  check.operand("q", args.q, dtype, {num_rows, args.q.size(1), head});
  check_planes(check, args);
  check.rank("cos_sin", args.cos_sin, 3);
  const int64_t half = args.cos_sin.size(2);
  TALON_CHECK(2 * half <= head, "qkv_norm_rope_append: {} of {} channels", 2 * half, head);
  check.operand("cos_sin", args.cos_sin, DType::kF32, {num_rows, 2, half});
  check.operand("write_slots", args.write_slots, DType::kI64, {num_rows});
  TALON_CHECK(args.q_gain.empty() == args.k_gain.empty(), "one of q and k has a gain");
  if (!args.q_gain.empty()) {
    check_gain(check, "q_gain", args.q_gain, args.q_gain.dtype(), head);
    check_gain(check, "k_gain", args.k_gain, args.q_gain.dtype(), head);
  }
}

void check_index(const OpChecks& check, const QkvNormRopeAppendArgs& args) {
  const DType dtype = args.q.dtype();
  check.rank("index_q", args.index_q, 3);
  check.rank("index_key_plane", args.index_key_plane, 4);
  const int64_t head = args.index_q.size(2);
  const int64_t rotated = 2 * args.cos_sin.size(2);
  TALON_CHECK(rotated <= head, "qkv_norm_rope_append: {} of {} index channels", rotated, head);
  check.operand("index_q", args.index_q, dtype, {args.q.size(0), args.index_q.size(1), head});
  check_plane(check, "index_key_plane", args.index_key_plane,
              stored_dtype("index_key_plane", args.index_key_plane, dtype, head),
              {args.index_key_plane.size(0), kPageTokens, 1, head});
  check.output("index_q", args.index_q, args.qkv, args.cos_sin, args.write_slots);
  check.output("index_key_plane", args.index_key_plane, args.qkv, args.cos_sin, args.write_slots);
  TALON_CHECK(args.index_key_plane.size(0) == args.key_plane.size(0), "planes of unequal pages");
  TALON_CHECK(args.index_q_gain.empty() == args.index_k_gain.empty() &&
                  args.index_q_gain.empty() == args.q_gain.empty(),
              "some of the heads have gains");
  if (!args.index_q_gain.empty()) {
    check_gain(check, "index_q_gain", args.index_q_gain, args.q_gain.dtype(), head);
    check_gain(check, "index_k_gain", args.index_k_gain, args.q_gain.dtype(), head);
  }
}

}  // namespace

void qkv_norm_rope_append(Stream stream, const QkvNormRopeAppendArgs& args) {
  const OpChecks check("qkv_norm_rope_append", stream);
  check.rank("q", args.q, 3);
  check.rank("key_plane", args.key_plane, 4);
  check.activation_dtype("q", args.q);
  check_main(check, args);
  int64_t width = (args.q.size(1) + 2 * args.key_plane.size(2)) * args.q.size(2);
  TALON_CHECK(args.index_q.empty() == args.index_key_plane.empty(), "half an index branch");
  if (!args.index_key_plane.empty()) {
    check_index(check, args);
    width += (args.index_q.size(1) + 1) * args.index_q.size(2);
  }
  check.strided("qkv", args.qkv, args.q.dtype(), {args.q.size(0), width});
  check.output("q", args.q, args.qkv, args.cos_sin, args.write_slots);
  check.output("key_plane", args.key_plane, args.qkv, args.cos_sin, args.write_slots);
  check.output("value_plane", args.value_plane, args.qkv, args.cos_sin, args.write_slots);
  if constexpr (kHasCuda) {
    if (stream.is_cuda()) {
      const ProfileRange range("qkv_norm_rope_append");
      return cuda::qkv_norm_rope_append(stream.cuda(), args);
    }
  }
  if (stream.cpu().path() == CpuPath::kScalar) {
    cpu::qkv_norm_rope_append(stream.cpu(), args);
  } else {
    cpu::qkv_norm_rope_append_fast(stream.cpu(), args);
  }
}

}  // namespace talon::ops
