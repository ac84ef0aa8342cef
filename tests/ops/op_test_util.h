// What the tests of ops share: arrays with guard bytes that start as NaN, random contents by seed,
// the contexts to run on, and comparisons that treat NaN and infinity exactly.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <limits>
#include <string>
#include <vector>

#include "base/check.h"
#include "base/rng.h"
#include "core/cpu_context.h"
#include "core/cpu_path.h"
#include "core/dtype.h"
#include "core/shape.h"
#include "core/stream.h"
#include "core/tensor_view.h"

namespace talon::ops {

// The seed of the randomised tests; TALON_TEST_SEED replaces it. Failures print it.
inline uint64_t test_seed() {
  static const uint64_t kTestSeed = [] {
    const char* text = std::getenv("TALON_TEST_SEED");
    return text == nullptr ? uint64_t{20260401} : std::strtoull(text, nullptr, 10);
  }();
  return kTestSeed;
}

// Place in a test that draws: the seed appears with every failure below.
#define TALON_TRACE_SEED() \
  SCOPED_TRACE("TALON_TEST_SEED=" + std::to_string(::talon::ops::test_seed()))

// A stream of draws, different for each `purpose` number within one seed.
class TestRng {
 public:
  explicit TestRng(uint64_t purpose) : seed_(test_seed() * 1000003U + purpose) {}

  float uniform(float low, float high) {
    return low + (high - low) * uniform_float(seed_, next_++, RngPurpose::kTest);
  }
  // Uniform in [low, high].
  int64_t integer(int64_t low, int64_t high) {
    const auto bits =
        philox4x32({static_cast<uint32_t>(next_++), 0, 0, 7},
                   {static_cast<uint32_t>(seed_), static_cast<uint32_t>(seed_ >> 32)});
    const uint64_t word = (uint64_t{bits[0]} << 32) | bits[1];
    return low + static_cast<int64_t>(word % static_cast<uint64_t>(high - low + 1));
  }

 private:
  uint64_t seed_;
  uint64_t next_ = 0;
};

// An array that owns its bytes. Each row (of the innermost dimension but one, flattened) may be
// followed by `padding` unused elements, and guard bytes stand at both ends. Everything starts as
// 0xFF bytes, which is NaN in f32, bf16 and e4m3 and -1 in integers; `guards_intact` tells whether
// padding and guards still hold it.
class TestTensor {
 public:
  TestTensor(DType dtype, const Shape& shape, int64_t padding = 0)
      : dtype_(dtype), shape_(shape), padding_(padding) {
    columns_ = shape.rank() == 0 ? 1 : shape[shape.rank() - 1];
    rows_ = columns_ == 0 ? 0 : shape.num_elements() / columns_;
    const int64_t bytes = rows_ * (columns_ + padding_) * dtype_bytes(dtype_);
    bytes_.assign(static_cast<size_t>(bytes + 2 * kGuardBytes), std::byte{0xFF});
  }

  // Uniform in [low, high], rounded to the dtype (f32 or bf16).
  static TestTensor random(DType dtype,
                           const Shape& shape,
                           uint64_t purpose,
                           float amplitude = 1.0F,
                           int64_t padding = 0) {
    TestTensor tensor(dtype, shape, padding);
    TestRng rng(purpose);
    for (int64_t i = 0; i < tensor.num_elements(); ++i) {
      tensor.set(i, rng.uniform(-amplitude, amplitude));
    }
    return tensor;
  }

  template <class T>
  static TestTensor of(const std::vector<T>& values, const Shape& shape) {
    TestTensor tensor(dtype_of<T>(), shape);
    TALON_CHECK(static_cast<int64_t>(values.size()) == shape.num_elements(), "values and shape");
    for (size_t i = 0; i < values.size(); ++i) {
      tensor.at<T>(static_cast<int64_t>(i)) = values[i];
    }
    return tensor;
  }
  static TestTensor of_i32(const std::vector<int32_t>& values) {
    return of(values, Shape{static_cast<int64_t>(values.size())});
  }

  DType dtype() const { return dtype_; }
  const Shape& shape() const { return shape_; }
  int64_t num_elements() const { return shape_.num_elements(); }
  int64_t num_columns() const { return columns_; }

  // Element i of the flattened array, padding not counted.
  template <class T>
  T& at(int64_t i) {
    TALON_CHECK(dtype_of<T>() == dtype_, "read as another type");
    return *reinterpret_cast<T*>(element(i));
  }
  double value(int64_t i) const {
    const std::byte* p = const_cast<TestTensor*>(this)->element(i);
    switch (dtype_) {
      case DType::kF32:
        return static_cast<double>(*reinterpret_cast<const float*>(p));
      case DType::kBf16:
        return static_cast<double>(to_float(*reinterpret_cast<const bf16*>(p)));
      case DType::kI32:
        return *reinterpret_cast<const int32_t*>(p);
      case DType::kI64:
        return static_cast<double>(*reinterpret_cast<const int64_t*>(p));
      default:
        TALON_CHECK(false, "no value of {}", dtype_name(dtype_));
    }
  }
  std::vector<double> values() const {
    std::vector<double> all(static_cast<size_t>(num_elements()));
    for (int64_t i = 0; i < num_elements(); ++i) {
      all[static_cast<size_t>(i)] = value(i);
    }
    return all;
  }
  // Rounds to the dtype (f32 or bf16).
  void set(int64_t i, float x) {
    if (dtype_ == DType::kF32) {
      at<float>(i) = x;
    } else {
      at<bf16>(i) = to_bf16(x);
    }
  }
  void fill(float x) {
    for (int64_t i = 0; i < num_elements(); ++i) {
      set(i, x);
    }
  }

  // With padding the view must be of rank 2; its rows are then strided.
  TensorView view() { return view_of_copy(bytes_.data(), kCpuDevice); }
  // The same view of a copy of all bytes, guards included, that lies on another device.
  TensorView view_of_copy(std::byte* bytes, Device device) const {
    std::byte* data = bytes + kGuardBytes;
    if (padding_ == 0) {
      return TensorView(data, dtype_, shape_, device);
    }
    TALON_CHECK(shape_.rank() == 2, "padded rows of rank {}", shape_.rank());
    return TensorView(data, dtype_, Shape{rows_, columns_ + padding_}, device).columns(0, columns_);
  }
  std::vector<std::byte>& all_bytes() { return bytes_; }
  const std::vector<std::byte>& all_bytes() const { return bytes_; }
  ConstTensorView cview() const { return const_cast<TestTensor*>(this)->view(); }

  bool guards_intact() const {
    const auto is_guard = [](std::byte b) { return b == std::byte{0xFF}; };
    const int64_t size = dtype_bytes(dtype_);
    const std::byte* p = bytes_.data();
    bool intact = std::all_of(p, p + kGuardBytes, is_guard);
    p += kGuardBytes;
    for (int64_t r = 0; r < rows_; ++r) {
      p += columns_ * size;
      intact = intact && std::all_of(p, p + padding_ * size, is_guard);
      p += padding_ * size;
    }
    return intact && std::all_of(p, p + kGuardBytes, is_guard);
  }

  // The bytes of `count` innermost rows from `first`, without padding.
  std::vector<std::byte> row_bytes(int64_t first, int64_t count = 1) const {
    std::vector<std::byte> bytes;
    const int64_t size = columns_ * dtype_bytes(dtype_);
    for (int64_t r = first; r < first + count; ++r) {
      const std::byte* p = const_cast<TestTensor*>(this)->element(r * columns_);
      bytes.insert(bytes.end(), p, p + size);
    }
    return bytes;
  }

 private:
  static constexpr int64_t kGuardBytes = 128;

  std::byte* element(int64_t i) {
    const int64_t row = i / columns_;
    const int64_t place = row * (columns_ + padding_) + i % columns_;
    return bytes_.data() + kGuardBytes + place * dtype_bytes(dtype_);
  }

  DType dtype_;
  Shape shape_;
  int64_t padding_;
  int64_t columns_ = 0;
  int64_t rows_ = 0;
  std::vector<std::byte> bytes_;
};

// One way to run an op on this machine.
struct CpuRun {
  CpuPath path;
  int num_threads;

  std::string name() const {
    return std::string(cpu_path_name(path)) + ", threads " + std::to_string(num_threads);
  }
};

// Every path this processor has, with 1 and 2 threads. The first is the reference.
inline std::vector<CpuRun> cpu_runs() {
  std::vector<CpuRun> runs;
  for (const CpuPath path : {CpuPath::kScalar, CpuPath::kAvx2, CpuPath::kAvx512, CpuPath::kAmx}) {
    if (cpu_path_available(path)) {
      runs.push_back({path, 1});
      runs.push_back({path, 2});
    }
  }
  return runs;
}

// Calls body(stream) on every run, each on a pool of its own, under a trace that names it.
inline void for_each_run(const std::function<void(Stream)>& body) {
  for (const CpuRun& run : cpu_runs()) {
    SCOPED_TRACE(run.name());
    CpuContext context(run.num_threads, run.path, /*pin=*/false);
    body(Stream(context));
  }
}

// How far a result may be from the exact value: |actual - exact| <= relative * |exact| + absolute,
// and for bf16 one half of a bf16 unit in the last place of the exact value more, being the
// correctly rounded result. One bf16 ulp in all is relative = 0x1p-9.
struct Bound {
  double relative;
  double absolute = 0.0;
};

inline double half_bf16_ulp(double exact) {
  int exponent = 0;
  std::frexp(exact, &exponent);  // 2^(exponent - 1) <= |exact|; 8 significant bits
  return std::ldexp(0.5, std::max(exponent - 8, -133));
}

// NaN where and only where NaN is expected, infinities equal, the rest within the bound.
inline ::testing::AssertionResult is_near(const TestTensor& actual,
                                          const std::vector<double>& exact,
                                          Bound bound) {
  if (!actual.guards_intact()) {
    return ::testing::AssertionFailure() << "guard bytes or padding were written";
  }
  if (static_cast<int64_t>(exact.size()) != actual.num_elements()) {
    return ::testing::AssertionFailure() << "expected " << exact.size() << " values";
  }
  for (int64_t i = 0; i < actual.num_elements(); ++i) {
    const double a = actual.value(i);
    const double e = exact[static_cast<size_t>(i)];
    double allowed = bound.relative * std::abs(e) + bound.absolute;
    if (actual.dtype() == DType::kBf16) {
      allowed += half_bf16_ulp(e);
    }
    const bool same_kind = std::isnan(e) ? std::isnan(a) : std::isinf(e) ? a == e : true;
    if (!same_kind || (std::isfinite(e) && !(std::abs(a - e) <= allowed))) {
      return ::testing::AssertionFailure()
             << "element " << i << " (row " << i / actual.num_columns() << ", column "
             << i % actual.num_columns() << "): " << a << ", expected " << e << " +- " << allowed;
    }
  }
  return ::testing::AssertionSuccess();
}

// The same bits, but for what a NaN carries; guards intact.
inline ::testing::AssertionResult same_bits(const TestTensor& actual, const TestTensor& expected) {
  if (!actual.guards_intact()) {
    return ::testing::AssertionFailure() << "guard bytes or padding were written";
  }
  if (actual.dtype() != expected.dtype() || !(actual.shape() == expected.shape())) {
    return ::testing::AssertionFailure() << "other dtype or shape";
  }
  const bool is_float = actual.dtype() == DType::kF32 || actual.dtype() == DType::kBf16;
  const int64_t columns = actual.num_columns();
  const int64_t num_rows = columns == 0 ? 0 : actual.num_elements() / columns;
  for (int64_t row = 0; row < num_rows; ++row) {
    if (actual.row_bytes(row) == expected.row_bytes(row)) {
      continue;
    }
    for (int64_t i = row * columns; i < (row + 1) * columns; ++i) {
      const double a = is_float ? actual.value(i) : 0.0;
      const double e = is_float ? expected.value(i) : 0.0;
      const bool both_nan = std::isnan(a) && std::isnan(e);
      const bool equal = a == e && std::signbit(a) == std::signbit(e);
      if (!is_float || (!both_nan && !equal)) {
        return ::testing::AssertionFailure()
               << "row " << row << ", column " << i % columns << ": " << a << " and " << e;
      }
    }
  }
  return ::testing::AssertionSuccess();
}

}  // namespace talon::ops
