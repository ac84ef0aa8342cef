// The bodies of ops/row_kernels.h over a vector type V (ops/cpu_math_avx2.h,
// ops/cpu_math_avx512.h). Included by row_kernels_<path>.cc only, which defines `VectorOf<kPath>`
// and instantiates.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>

#include "core/cpu_path.h"
#include "core/dtype.h"
#include "ops/cpu_math.h"
#include "ops/row_kernels.h"

// NOLINTBEGIN(clang-analyzer-optin.performance.Padding): lambdas hold registers; none is stored.
namespace talon::ops::cpu {
namespace {

// Calls step(i, load, store) over [0, size), the last, partial vector with masked accesses.
template <class V, class Step>
TALON_ALWAYS_INLINE void for_vectors(int64_t size, const Step& step) {
  int64_t i = 0;
  for (; i + V::kWidth <= size; i += V::kWidth) {
    step(
        i, [](const auto* p) TALON_ALWAYS_INLINE_LAMBDA { return V::load(p); },
        [](auto* p, typename V::F x) TALON_ALWAYS_INLINE_LAMBDA { V::store(p, x); });
  }
  if (i < size) {
    const int64_t rest = size - i;
    step(
        i, [rest](const auto* p) TALON_ALWAYS_INLINE_LAMBDA { return V::load_first(p, rest); },
        [rest](auto* p, typename V::F x)
            TALON_ALWAYS_INLINE_LAMBDA { V::store_first(p, x, rest); });
  }
}

// sum_i product(i) in the fixed cut; product(i, load) gives the vector at i. The lanes past the end
// hold zeros, which leave a partial sum as it is.
template <class V, class Product>
TALON_ALWAYS_INLINE float vector_sum(int64_t size, const Product& product) {
  typename V::Sum sum;
  const auto load = [](const auto* p) TALON_ALWAYS_INLINE_LAMBDA { return V::load(p); };
  int64_t i = 0;
  for (; i + kSumLanes <= size; i += kSumLanes) {
#pragma GCC unroll 4
    for (int64_t r = 0; r < V::kSumRegisters; ++r) {
      sum.parts[r] = V::add(sum.parts[r], product(i + r * V::kWidth, load));
    }
  }
#pragma GCC unroll 4
  for (int64_t r = 0; r < V::kSumRegisters; ++r) {
    const int64_t begin = i + r * V::kWidth;
    if (begin + V::kWidth <= size) {
      sum.parts[r] = V::add(sum.parts[r], product(begin, load));
    } else if (begin < size) {
      const int64_t rest = size - begin;
      const auto load_rest = [rest](const auto* p)
                                 TALON_ALWAYS_INLINE_LAMBDA { return V::load_first(p, rest); };
      sum.parts[r] = V::add(sum.parts[r], product(begin, load_rest));
    }
  }
  return sum.total();
}

// 1 / sqrt(mean(x^2) + eps).
template <class V, class In>
TALON_ALWAYS_INLINE float inverse_rms(const In* x, int64_t size, float eps) {
  const float sum = vector_sum<V>(size, [x](int64_t i, auto load) TALON_ALWAYS_INLINE_LAMBDA {
    const typename V::F v = load(x + i);
    return V::mul(v, v);
  });
  return 1.0F / std::sqrt(sum / static_cast<float>(size) + eps);
}

}  // namespace

template <CpuPath kPath, class T, class In, class G>
void norm_row(T* out, const In* x, const G* gain, const NormRow& row) {
  using V = VectorOf<kPath>;
  const auto inverse = V::set1(inverse_rms<V>(x, row.size, row.eps));
  const auto offset = V::set1(row.offset);
  for_vectors<V>(row.size, [=](int64_t i, auto load, auto store) TALON_ALWAYS_INLINE_LAMBDA {
    store(out + i, V::mul(V::mul(load(x + i), inverse), V::add(offset, load(gain + i))));
  });
}

template <CpuPath kPath>
void round_row(bf16* out, const float* x, int64_t size) {
  using V = VectorOf<kPath>;
  for_vectors<V>(size, [=](int64_t i, auto load, auto store)
                           TALON_ALWAYS_INLINE_LAMBDA { store(out + i, load(x + i)); });
}

template <CpuPath kPath, class T, class Y>
void add_row(T* out, const T* x, const Y* y, int64_t size) {
  using V = VectorOf<kPath>;
  for_vectors<V>(size, [=](int64_t i, auto load, auto store) TALON_ALWAYS_INLINE_LAMBDA {
    store(out + i, V::add(load(x + i), load(y + i)));
  });
}

template <CpuPath kPath, class T, class G>
void norm_rope_row(T* out, const T* x, const G* gain, const HeadRow& head) {
  using V = VectorOf<kPath>;
  const bool has_norm = gain != nullptr;
  const auto one = V::set1(1.0F);
  const auto inverse = has_norm ? V::set1(inverse_rms<V>(x, head.size, head.eps)) : one;
  const auto normed = [=](int64_t i, auto load) TALON_ALWAYS_INLINE_LAMBDA {
    const auto v = load(x + i);
    return has_norm ? V::mul(V::mul(v, inverse), V::add(one, load(gain + i))) : v;
  };
  const int64_t half = head.half;
  const float* cos = head.cos;
  const float* sin = head.sin;
  for_vectors<V>(half, [=](int64_t i, auto load, auto store) TALON_ALWAYS_INLINE_LAMBDA {
    const auto a = normed(i, load);
    const auto b = normed(half + i, load);
    const auto c = load(cos + i);
    const auto s = load(sin + i);
    store(out + i, V::sub(V::mul(a, c), V::mul(b, s)));
    store(out + half + i, V::add(V::mul(b, c), V::mul(a, s)));
  });
  const int64_t passed = 2 * half;
  for_vectors<V>(head.size - passed,
                 [=](int64_t i, auto load, auto store) TALON_ALWAYS_INLINE_LAMBDA {
                   store(out + passed + i, normed(passed + i, load));
                 });
}

template <CpuPath kPath, class T, class In>
void gated_row(T* out, const In* gate, const In* up, int64_t size, const Activation& activation) {
  using V = VectorOf<kPath>;
  if (activation.kind == ActivationKind::kSilu) {
    for_vectors<V>(size, [=](int64_t i, auto load, auto store) TALON_ALWAYS_INLINE_LAMBDA {
      const auto g = load(gate + i);
      store(out + i, V::mul(V::mul(g, V::sigmoid(g)), load(up + i)));
    });
    return;
  }
  const auto alpha = V::set1(activation.alpha);
  const auto high = V::set1(activation.limit);
  const auto low = V::set1(-activation.limit);
  const auto one = V::set1(1.0F);
  for_vectors<V>(size, [=](int64_t i, auto load, auto store) TALON_ALWAYS_INLINE_LAMBDA {
    const auto g = V::min(high, load(gate + i));
    const auto u = V::max(low, V::min(high, load(up + i)));
    store(out + i, V::mul(V::mul(V::add(u, one), g), V::sigmoid(V::mul(alpha, g))));
  });
}

template <CpuPath kPath, class T>
float dot_row(const T* x, const float* gate, int64_t size) {
  using V = VectorOf<kPath>;
  return vector_sum<V>(size, [=](int64_t i, auto load) TALON_ALWAYS_INLINE_LAMBDA {
    return V::mul(load(x + i), load(gate + i));
  });
}

template <CpuPath kPath>
void sigmoid_row(float* out, const float* x, int64_t size) {
  using V = VectorOf<kPath>;
  for_vectors<V>(size, [=](int64_t i, auto load, auto store)
                           TALON_ALWAYS_INLINE_LAMBDA { store(out + i, V::sigmoid(load(x + i))); });
}

template <CpuPath kPath, class T>
float max_row(const T* x, const uint8_t* allowed, int64_t size) {
  using V = VectorOf<kPath>;
  constexpr float kLowest = -std::numeric_limits<float>::infinity();
  const auto lowest = V::set1(kLowest);
  auto best = lowest;
  int64_t i = 0;
  for (; i + V::kWidth <= size; i += V::kWidth) {
    auto v = V::load(x + i);
    if (allowed != nullptr) {
      v = V::where_byte(allowed + i, v, lowest);
    }
    best = V::max(v, best);  // a NaN in v leaves `best`
  }
  float result = V::max_of(best);
  for (; i < size; ++i) {
    const float v = to_float(x[i]);
    if ((allowed == nullptr || allowed[i] != 0) && v > result) {
      result = v;
    }
  }
  return result;
}

// NOLINTEND(clang-analyzer-optin.performance.Padding)

// All instances of one path.
// NOLINTBEGIN(bugprone-macro-parentheses): the arguments are types and template values.
#define TALON_ROW_KERNELS_GAIN(kPath, T, In, G) \
  template void norm_row<kPath, T, In, G>(T*, const In*, const G*, const NormRow&);
#define TALON_ROW_KERNELS_TYPE(kPath, T)                                                    \
  TALON_ROW_KERNELS_GAIN(kPath, T, T, float)                                                \
  TALON_ROW_KERNELS_GAIN(kPath, T, T, bf16)                                                 \
  template void add_row<kPath, T, T>(T*, const T*, const T*, int64_t);                      \
  template void norm_rope_row<kPath, T, float>(T*, const T*, const float*, const HeadRow&); \
  template void norm_rope_row<kPath, T, bf16>(T*, const T*, const bf16*, const HeadRow&);   \
  template void gated_row<kPath, T, T>(T*, const T*, const T*, int64_t, const Activation&); \
  template float dot_row<kPath, T>(const T*, const float*, int64_t);                        \
  template float max_row<kPath, T>(const T*, const uint8_t*, int64_t);
#define TALON_ROW_KERNELS(kPath)                                                          \
  TALON_ROW_KERNELS_TYPE(kPath, float)                                                    \
  TALON_ROW_KERNELS_TYPE(kPath, bf16)                                                     \
  TALON_ROW_KERNELS_GAIN(kPath, float, bf16, float)                                       \
  TALON_ROW_KERNELS_GAIN(kPath, float, bf16, bf16)                                        \
  TALON_ROW_KERNELS_GAIN(kPath, bf16, float, float)                                       \
  TALON_ROW_KERNELS_GAIN(kPath, bf16, float, bf16)                                        \
  template void add_row<kPath, float, bf16>(float*, const float*, const bf16*, int64_t);  \
  template void gated_row<kPath, bf16, float>(bf16*, const float*, const float*, int64_t, \
                                              const Activation&);                         \
  template void sigmoid_row<kPath>(float*, const float*, int64_t);                        \
  template void round_row<kPath>(bf16*, const float*, int64_t);
// NOLINTEND(bugprone-macro-parentheses)

}  // namespace talon::ops::cpu
