// The vector kernels directly against the scalar blocks of cpu_math.h, at every length of a tail.
// What ops make of them is tested op by op.
#include "ops/row_kernels.h"

#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>
#include <vector>

#include "core/cpu_path.h"
#include "core/dtype.h"
#include "ops/cpu_math.h"
#include "tests/ops/op_test_util.h"

namespace talon::ops {
namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();
constexpr float kNan = std::numeric_limits<float>::quiet_NaN();

// Calls body(path, P) for every vector path of this processor.
template <class Body>
void for_each_vector_path(const Body& body) {
  for (const CpuPath path : {CpuPath::kAvx2, CpuPath::kAvx512, CpuPath::kAmx}) {
    if (cpu_path_available(path)) {
      SCOPED_TRACE(std::string(cpu_path_name(path)));
      cpu::dispatch_vector(path, body);
    }
  }
}

TEST(RowKernelsTest, SigmoidHasTheBitsOfTheScalarForm) {
  // Each 30011st float: all exponents, NaN and infinities.
  std::vector<float> x;
  for (uint64_t bits = 0; bits <= 0xFFFFFFFFU; bits += 30011) {
    x.push_back(std::bit_cast<float>(static_cast<uint32_t>(bits)));
  }
  x.insert(x.end(), {kInfinity, -kInfinity, kNan, 0.0F, -0.0F});
  for_each_vector_path([&]<CpuPath P>() {
    for (size_t drop = 0; drop < 17; ++drop) {
      const auto size = static_cast<int64_t>(drop == 0 ? x.size() : drop);
      TestTensor out(DType::kF32, {size});
      cpu::sigmoid_row<P>(out.view().as<float>(), x.data() + x.size() - size, size);

      ASSERT_TRUE(out.guards_intact());
      for (int64_t i = 0; i < size; ++i) {
        const float expected = cpu_sigmoid(x[x.size() - static_cast<size_t>(size - i)]);
        const float actual = out.at<float>(i);
        ASSERT_TRUE(std::isnan(expected)
                        ? std::isnan(actual)
                        : std::bit_cast<uint32_t>(actual) == std::bit_cast<uint32_t>(expected))
            << actual << " and " << expected;
      }
    }
  });
}

TEST(RowKernelsTest, DotIsTheFixedCutOfTheSum) {
  TALON_TRACE_SEED();
  auto gate = TestTensor::random(DType::kF32, {1000}, 1);
  const auto* g = gate.view().as<float>();
  const auto check = [&]<class T>() {
    auto x = TestTensor::random(dtype_of<T>(), {1000}, 2);
    const T* values = x.view().template as<T>();
    for_each_vector_path([&]<CpuPath P>() {
      for (int64_t size = 0; size <= 100; ++size) {
        const float expected =
            lane_sum(size, [&](int64_t i) { return to_float(values[i]) * g[i]; });

        const float actual = cpu::dot_row<P, T>(values, g, size);

        ASSERT_EQ(std::bit_cast<uint32_t>(actual), std::bit_cast<uint32_t>(expected)) << size;
      }
    });
  };
  dispatch_float(DType::kF32, check);
  dispatch_float(DType::kBf16, check);
}

TEST(RowKernelsTest, MaxSkipsNanAndWhatIsNotAllowed) {
  TALON_TRACE_SEED();
  TestRng rng(3);
  for_each_vector_path([&]<CpuPath P>() {
    for (int64_t size = 0; size <= 70; ++size) {
      std::vector<float> x(static_cast<size_t>(size));
      std::vector<uint8_t> allowed(x.size());
      float expected = -kInfinity;
      float expected_allowed = -kInfinity;
      for (size_t i = 0; i < x.size(); ++i) {
        const int64_t kind = rng.integer(0, 5);
        x[i] = kind == 0 ? kNan : kind == 1 ? -kInfinity : rng.uniform(-9.0F, -1.0F);
        allowed[i] = static_cast<uint8_t>(rng.integer(0, 2) == 0 ? 0 : rng.integer(1, 255));
        if (x[i] > expected) {
          expected = x[i];
        }
        if (allowed[i] != 0 && x[i] > expected_allowed) {
          expected_allowed = x[i];
        }
      }

      ASSERT_EQ((cpu::max_row<P, float>(x.data(), nullptr, size)), expected) << size;
      ASSERT_EQ((cpu::max_row<P, float>(x.data(), allowed.data(), size)), expected_allowed);
    }
  });
}

}  // namespace
}  // namespace talon::ops
