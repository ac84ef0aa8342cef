// Planes of keys and values in the tests of ops: which types go together, and elements of e4m3,
// which a TestTensor has no value for.
#pragma once

#include <cstdint>
#include <string>

#include "core/dtype.h"
#include "core/e4m3.h"
#include "tests/ops/op_test_util.h"

namespace talon::ops {

// What activations and the planes of a cache may be together.
struct PlaneTypes {
  DType rows;
  DType planes;

  std::string name() const {
    return std::string(dtype_name(rows)) + " on " + std::string(dtype_name(planes));
  }
};
inline constexpr PlaneTypes kPlaneTypes[] = {{DType::kF32, DType::kF32},
                                             {DType::kBf16, DType::kBf16},
                                             {DType::kF32, DType::kF8E4M3},
                                             {DType::kBf16, DType::kF8E4M3}};

inline double plane_value(const TestTensor& plane, int64_t i) {
  if (plane.dtype() != DType::kF8E4M3) {
    return plane.value(i);
  }
  return static_cast<double>(to_float(plane.cview().as<e4m3>()[i]));
}

// Rounds to the plane's dtype.
inline void set_plane(TestTensor& plane, int64_t i, float x) {
  if (plane.dtype() == DType::kF8E4M3) {
    plane.at<e4m3>(i) = to_e4m3(x);
  } else {
    plane.set(i, x);
  }
}

inline TestTensor random_plane(DType dtype, const Shape& shape, uint64_t purpose) {
  TestTensor plane(dtype, shape);
  TestRng rng(purpose);
  for (int64_t i = 0; i < plane.num_elements(); ++i) {
    set_plane(plane, i, rng.uniform(-1.0F, 1.0F));
  }
  return plane;
}

// The same as float32, unpadded.
inline TestTensor widened(const TestTensor& plane) {
  TestTensor wide(DType::kF32, plane.shape());
  for (int64_t i = 0; i < plane.num_elements(); ++i) {
    wide.set(i, static_cast<float>(plane_value(plane, i)));
  }
  return wide;
}

}  // namespace talon::ops
