// Vector kernels on one row, for the fast CPU forms of the small ops. Each gives the bits of the
// plain loops in the op's *_cpu.cc, on every path kPath (kAvx2, kAvx512); see ops/cpu_math.h.
//
// Instances are compiled in row_kernels_avx2.cc and row_kernels_avx512.cc. T and In are float or
// bf16, G (a gain) too. They touch raw pointers only: a template or inline function shared with
// other files must not be compiled there, since the linker keeps one copy of it.
#pragma once

#include <cstdint>

#include "base/check.h"
#include "core/cpu_path.h"
#include "ops/gated_activation.h"

namespace talon::ops::cpu {

struct NormRow {
  int64_t size;
  float eps;
  float offset;  // added to the gain: 1 or 0
};

// out = x / sqrt(mean(x^2) + eps) * (offset + gain); out may be x.
template <CpuPath kPath, class T, class In, class G>
void norm_row(T* out, const In* x, const G* gain, const NormRow& row);

// out = x, rounded.
template <CpuPath kPath>
void round_row(bf16* out, const float* x, int64_t size);

// out = x + y; out may be either.
template <CpuPath kPath, class T, class Y>
void add_row(T* out, const T* x, const Y* y, int64_t size);

struct HeadRow {
  int64_t size;      // D
  int64_t half;      // R / 2
  const float* cos;  // [R / 2]
  const float* sin;  // [R / 2]
  float eps;
};

// The norm of a head with 1 + gain (null gain: none), then the rotation of channels [0, R).
template <CpuPath kPath, class T, class G>
void norm_rope_row(T* out, const T* x, const G* gain, const HeadRow& head);

// out = activation(gate, up).
template <CpuPath kPath, class T, class In>
void gated_row(T* out, const In* gate, const In* up, int64_t size, const Activation& activation);

// sum_i x[i] * gate[i].
template <CpuPath kPath, class T>
float dot_row(const T* x, const float* gate, int64_t size);

// out = 1 / (1 + e^-x); out may be x.
template <CpuPath kPath>
void sigmoid_row(float* out, const float* x, int64_t size);

// The largest of the allowed values that is not NaN; minus infinity if there is none. `allowed`
// null: all are.
template <CpuPath kPath, class T>
float max_row(const T* x, const uint8_t* allowed, int64_t size);

// Calls body.template operator()<kPath>() with the vector path of these kernels that `path` runs.
template <class Body>
decltype(auto) dispatch_vector(CpuPath path, Body&& body) {
  TALON_CHECK(path != CpuPath::kScalar, "the scalar path has plain loops only");
  if (path == CpuPath::kAvx2) {
    return body.template operator()<CpuPath::kAvx2>();
  }
  return body.template operator()<CpuPath::kAvx512>();
}

}  // namespace talon::ops::cpu
