// Checks that the entry points of ops share. A failed one names the op and the operand and ends the
// process: wrong operands are errors of the program (base/check.h).
//
// A step of a small model makes some eighty calls with ten checks each, so what is inline here is
// comparisons only: no copy of a view, no text.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <string_view>

#include "base/check.h"
#include "core/stream.h"
#include "core/tensor_view.h"

namespace talon::ops {

// One op's operands on one stream.
class OpChecks {
 public:
  OpChecks(std::string_view op, Stream stream) : op_(op), device_(stream.device()) {}

  // Dtype, shape and device of an operand, which must be contiguous.
  template <bool kConst>
  void operand(std::string_view name,
               const BasicTensorView<kConst>& view,
               DType dtype,
               std::initializer_list<int64_t> sizes) const {
    strided(name, view, dtype, sizes);
    require_contiguous(name, view);
  }
  template <bool kConst>
  void operand(std::string_view name,
               const BasicTensorView<kConst>& view,
               DType dtype,
               const Shape& shape) const {
    strided(name, view, dtype, shape);
    require_contiguous(name, view);
  }

  // The same for an operand whose outer dimensions may skip memory. Columns have stride 1 by the
  // nature of views.
  template <bool kConst>
  void strided(std::string_view name,
               const BasicTensorView<kConst>& view,
               DType dtype,
               std::initializer_list<int64_t> sizes) const {
    if (!has_sizes(view.shape(), sizes)) [[unlikely]] {
      fail_shape(name, view.shape(), Shape(sizes));
    }
    require_memory(name, view, dtype);
  }
  template <bool kConst>
  void strided(std::string_view name,
               const BasicTensorView<kConst>& view,
               DType dtype,
               const Shape& shape) const {
    if (!(view.shape() == shape)) [[unlikely]] {
      fail_shape(name, view.shape(), shape);
    }
    require_memory(name, view, dtype);
  }

  template <bool kConst>
  void rank(std::string_view name, const BasicTensorView<kConst>& view, int rank) const {
    if (view.rank() != rank) [[unlikely]] {
      fail_rank(name, view.shape(), rank);
    }
  }

  template <bool kConst>
  void activation_dtype(std::string_view name, const BasicTensorView<kConst>& view) const {
    if (view.dtype() != DType::kF32 && view.dtype() != DType::kBf16) [[unlikely]] {
      fail_dtype(name, view.dtype(), "f32 or bf16");
    }
  }

  template <bool kA, bool kB>
  void disjoint(std::string_view a_name,
                const BasicTensorView<kA>& a,
                std::string_view b_name,
                const BasicTensorView<kB>& b) const {
    if (overlap(a, b)) [[unlikely]] {
      fail_overlap(a_name, b_name);
    }
  }

  // `output` against each of some inputs.
  template <class... Inputs>
  void output(std::string_view name, const TensorView& output, const Inputs&... inputs) const {
    (disjoint(name, output, "an input", inputs), ...);
  }

  // As `disjoint`, but the very same elements in the same places are allowed.
  template <bool kA, bool kB>
  void same_or_disjoint(std::string_view a_name,
                        const BasicTensorView<kA>& a,
                        std::string_view b_name,
                        const BasicTensorView<kB>& b) const {
    if (overlap(a, b)) [[unlikely]] {
      const bool same = a.data() == b.data() && a.dtype() == b.dtype() && a.shape() == b.shape() &&
                        a.strides() == b.strides();
      if (!same) {
        fail_overlap(a_name, b_name);
      }
    }
  }

  // Whether two views share a byte. Exact for contiguous views and for columns of one rank-2 array;
  // other strided views count as their whole range.
  template <bool kA, bool kB>
  static bool overlap(const BasicTensorView<kA>& a, const BasicTensorView<kB>& b) {
    const std::byte* a_data = a.data();
    const std::byte* b_data = b.data();
    if (a_data + span_bytes(a) <= b_data || b_data + span_bytes(b) <= a_data) [[likely]] {
      return false;
    }
    return a.shape().num_elements() != 0 && b.shape().num_elements() != 0 && share_columns(a, b);
  }

 private:
  static bool has_sizes(const Shape& shape, std::initializer_list<int64_t> sizes) {
    if (shape.rank() != static_cast<int>(sizes.size())) {
      return false;
    }
    int i = 0;
    for (const int64_t size : sizes) {
      if (shape[i++] != size) {
        return false;
      }
    }
    return true;
  }

  template <bool kConst>
  void require_memory(std::string_view name,
                      const BasicTensorView<kConst>& view,
                      DType dtype) const {
    if (view.dtype() != dtype) [[unlikely]] {
      fail_dtype(name, view.dtype(), dtype_name(dtype));
    }
    if (!(view.device() == device_)) [[unlikely]] {
      fail(name, "is on another device");
    }
    if (view.data() == nullptr && view.shape().num_elements() != 0) [[unlikely]] {
      fail(name, "is missing");
    }
  }

  template <bool kConst>
  void require_contiguous(std::string_view name, const BasicTensorView<kConst>& view) const {
    if (!view.is_contiguous()) [[unlikely]] {
      fail(name, "must be contiguous");
    }
  }

  // Bytes from the first element to the end of the last one; too many if there is none.
  template <bool kConst>
  static int64_t span_bytes(const BasicTensorView<kConst>& view) {
    int64_t last = 0;
    for (int i = 0; i < view.rank(); ++i) {
      last += (view.size(i) - 1) * view.stride(i);
    }
    return (last + 1) * dtype_bytes(view.dtype());
  }

  // For two views whose ranges of memory overlap. In a ring of one row's bytes, the columns of b
  // begin `offset` bytes after those of a.
  static bool share_columns(const ConstTensorView& a, const ConstTensorView& b) {
    if (a.rank() != 2 || b.rank() != 2) {
      return true;
    }
    const int64_t row_bytes = a.stride(0) * dtype_bytes(a.dtype());
    if (row_bytes != b.stride(0) * dtype_bytes(b.dtype())) {
      return true;
    }
    const int64_t distance = b.data() - a.data();
    const int64_t offset = ((distance % row_bytes) + row_bytes) % row_bytes;
    return offset < a.size(1) * dtype_bytes(a.dtype()) ||
           offset + b.size(1) * dtype_bytes(b.dtype()) > row_bytes;
  }

  [[noreturn, gnu::cold, gnu::noinline]] void fail(std::string_view name,
                                                   std::string_view what) const {
    check_failed("operands of an op", fmt::format("{}: {} {}", op_, name, what),
                 std::source_location::current());
  }
  [[noreturn, gnu::cold, gnu::noinline]] void fail_shape(std::string_view name,
                                                         const Shape& actual,
                                                         const Shape& expected) const {
    fail(name, fmt::format("is {}, not {}", to_string(actual), to_string(expected)));
  }
  [[noreturn, gnu::cold, gnu::noinline]] void fail_rank(std::string_view name,
                                                        const Shape& actual,
                                                        int expected) const {
    fail(name, fmt::format("is {}, not of rank {}", to_string(actual), expected));
  }
  [[noreturn, gnu::cold, gnu::noinline]] void fail_dtype(std::string_view name,
                                                         DType actual,
                                                         std::string_view expected) const {
    fail(name, fmt::format("is {}, not {}", dtype_name(actual), expected));
  }
  [[noreturn, gnu::cold, gnu::noinline]] void fail_overlap(std::string_view a,
                                                           std::string_view b) const {
    fail(a, fmt::format("overlaps {}", b));
  }

  std::string_view op_;
  Device device_;
};

}  // namespace talon::ops
