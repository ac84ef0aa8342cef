// A non-owning view of a dense array: pointer, dtype, device, shape of rank <= 4 and strides in
// elements. Trivially copyable; it never outlives the memory it shows, and a class that stores one
// says whose memory it is. The innermost dimension always has stride 1. `as<T>()` checks the dtype
// and gives the typed pointer; `row<T>(i)` gives the start of index i of the outermost dimension.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <type_traits>

#include "base/check.h"
#include "core/device.h"
#include "core/dtype.h"
#include "core/shape.h"

namespace talon {

template <bool kConst>
class BasicTensorView {
 public:
  using Bytes = std::conditional_t<kConst, const std::byte, std::byte>;
  template <class T>
  using Element = std::conditional_t<kConst, const T, T>;

  BasicTensorView() = default;

  // A contiguous view.
  BasicTensorView(Bytes* data, DType dtype, const Shape& shape, Device device = kCpuDevice)
      : data_(data), dtype_(dtype), device_(device), shape_(shape) {
    int64_t stride = 1;
    for (int i = shape.rank() - 1; i >= 0; --i) {
      strides_[static_cast<size_t>(i)] = stride;
      stride *= shape[i];
    }
  }

  template <class T>
    requires(!std::is_same_v<std::remove_const_t<T>, std::byte>)
  BasicTensorView(T* data, const Shape& shape, Device device = kCpuDevice)
      : BasicTensorView(
            reinterpret_cast<Bytes*>(data), dtype_of<std::remove_const_t<T>>(), shape, device) {}

  // A mutable view shows as a const one.
  template <bool kOther>
    requires(kConst && !kOther)
  BasicTensorView(const BasicTensorView<kOther>& other)  // NOLINT(google-explicit-constructor)
      : data_(other.data()),
        dtype_(other.dtype()),
        device_(other.device()),
        shape_(other.shape()),
        strides_(other.strides()) {}

  Bytes* data() const { return data_; }
  DType dtype() const { return dtype_; }
  Device device() const { return device_; }
  const Shape& shape() const { return shape_; }
  const std::array<int64_t, kMaxRank>& strides() const { return strides_; }
  int rank() const { return shape_.rank(); }
  int64_t size(int i) const { return shape_[i]; }
  int64_t stride(int i) const { return strides_[static_cast<size_t>(i)]; }
  bool empty() const { return data_ == nullptr; }  // no array at all, as for an optional operand

  bool is_contiguous() const {
    int64_t stride = 1;
    for (int i = rank() - 1; i >= 0; --i) {
      if (size(i) != 1 && this->stride(i) != stride) {
        return false;
      }
      stride *= size(i);
    }
    return true;
  }

  template <class T>
  Element<T>* as() const {
    TALON_CHECK(dtype_of<T>() == dtype_, "a {} array read as another type", dtype_name(dtype_));
    return reinterpret_cast<Element<T>*>(data_);
  }

  template <class T>
  Element<T>* row(int64_t i) const {
    TALON_DCHECK(i >= 0 && i < size(0), "row {} of {}", i, size(0));
    return as<T>() + i * strides_[0];
  }

  // Indices [begin, begin + count) of the outermost dimension.
  BasicTensorView rows(int64_t begin, int64_t count) const {
    TALON_CHECK(begin >= 0 && count >= 0 && begin + count <= size(0), "rows {} + {} of {}", begin,
                count, size(0));
    BasicTensorView part = *this;
    part.data_ = data_ + begin * strides_[0] * dtype_bytes(dtype_);
    part.shape_ = with_size(0, count);
    return part;
  }

  // Index i of the outermost dimension, one rank lower.
  BasicTensorView at(int64_t i) const {
    TALON_CHECK(rank() >= 1 && i >= 0 && i < size(0), "index {} of {}", i, to_string(shape_));
    BasicTensorView part = *this;
    part.data_ = data_ + i * strides_[0] * dtype_bytes(dtype_);
    part.shape_ = drop_first();
    for (int d = 0; d + 1 < kMaxRank; ++d) {
      part.strides_[static_cast<size_t>(d)] = strides_[static_cast<size_t>(d) + 1];
    }
    return part;
  }

  // Columns [begin, begin + count) of a rank-2 view; rows keep their stride.
  BasicTensorView columns(int64_t begin, int64_t count) const {
    TALON_CHECK(rank() == 2 && begin >= 0 && count >= 0 && begin + count <= size(1),
                "columns {} + {} of {}", begin, count, to_string(shape_));
    BasicTensorView part = *this;
    part.data_ = data_ + begin * dtype_bytes(dtype_);
    part.shape_ = Shape{size(0), count};
    return part;
  }

  // The same elements of a contiguous view under another shape.
  BasicTensorView reshaped(const Shape& shape) const {
    TALON_CHECK(is_contiguous() && shape.num_elements() == shape_.num_elements(),
                "{} cannot be seen as {}", to_string(shape_), to_string(shape));
    return BasicTensorView(data_, dtype_, shape, device_);
  }

 private:
  Shape with_size(int dim, int64_t value) const {
    std::array<int64_t, kMaxRank> s{};
    for (int i = 0; i < rank(); ++i) {
      s[static_cast<size_t>(i)] = i == dim ? value : size(i);
    }
    return make_shape(s, 0, rank());
  }
  Shape drop_first() const {
    std::array<int64_t, kMaxRank> s{};
    for (int i = 0; i < rank(); ++i) {
      s[static_cast<size_t>(i)] = size(i);
    }
    return make_shape(s, 1, rank());
  }
  static Shape make_shape(const std::array<int64_t, kMaxRank>& s, int first, int last) {
    switch (last - first) {
      case 0:
        return Shape{};
      case 1:
        return Shape{s[static_cast<size_t>(first)]};
      case 2:
        return Shape{s[static_cast<size_t>(first)], s[static_cast<size_t>(first) + 1]};
      case 3:
        return Shape{s[static_cast<size_t>(first)], s[static_cast<size_t>(first) + 1],
                     s[static_cast<size_t>(first) + 2]};
      default:
        return Shape{s[0], s[1], s[2], s[3]};
    }
  }

  Bytes* data_ = nullptr;
  DType dtype_ = DType::kF32;
  Device device_{};
  Shape shape_{};
  std::array<int64_t, kMaxRank> strides_{};
};

using TensorView = BasicTensorView<false>;
using ConstTensorView = BasicTensorView<true>;

}  // namespace talon
