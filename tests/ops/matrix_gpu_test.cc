// Products with weights, CUDA against the CPU, in every format; and the bits of a row alone.
// Covers: core/tensor_map
#include <gtest/gtest.h>

#include <cmath>
#include <memory>
#include <string>
#include <vector>

#include "ops/linear.h"
#include "ops/linear_kernels.h"
#include "ops/moe_experts.h"
#include "ops/route.h"
#include "tests/ops/cuda_run.h"

namespace talon::ops {
namespace {

struct LinearCase {
  int64_t num_out;
  int64_t num_in;
  int64_t rows;
};
constexpr LinearCase kLinear[] = {{1, 1, 1},      {16, 32, 1},    {17, 3, 2},     {48, 33, 5},
                                  {100, 130, 4},  {448, 256, 7},  {256, 64, 33},  {64, 96, 70},
                                  {5, 1024, 6},   {33, 32, 0},    {80, 160, 16},  {24, 31, 17},
                                  {4096, 256, 1}, {256, 768, 64}, {640, 6144, 3}, {512, 3072, 130}};

// A sum of n products of order 1 x 1/4: the mma rounds its partial sums in its own way, by some
// 2^-22 of the terms' size each.
double sum_bound(int64_t num_in) { return 0x1p-21 * std::sqrt(static_cast<double>(num_in)) * 64.0; }

Bound product_bound(DType out, int64_t num_in) {
  return {out == DType::kBf16 ? 0x1p-8 : 0x1p-20, sum_bound(num_in)};
}

TEST(CudaLinearTest, EveryFormatIsTheCpusProduct) {
  TALON_TRACE_SEED();
  for (const LinearCase& c : kLinear) {
    for (const WeightFormat format : kAllFormats) {
      if (is_mx(format) && c.num_in % 32 != 0) {
        continue;
      }
      const TestWeight weight(format, c.num_out, c.num_in, 1);
      const StackedWeight stack({&weight});
      for (const auto& [x_type, out_type] : {std::pair{DType::kF32, DType::kF32},
                                             {DType::kBf16, DType::kBf16},
                                             {DType::kBf16, DType::kF32}}) {
        SCOPED_TRACE(std::string(weight_format_name(format)) + " [" + std::to_string(c.num_out) +
                     ", " + std::to_string(c.num_in) + "], rows " + std::to_string(c.rows) + ", " +
                     std::string(dtype_name(x_type)) + " to " + std::string(dtype_name(out_type)));
        const int64_t padding = c.num_in % 2 == 0 ? 8 : 3;
        const auto x = TestTensor::random(x_type, {c.rows, c.num_in}, 2, 1.0F, padding);
        const TestTensor out(out_type, {c.rows, c.num_out}, /*padding=*/5);
        expect_cuda_near(
            [&](Place& place) {
              const Weight w = place.weights(stack)[0];
              linear(place.stream(), {.out = place.out(out), .x = place.in(x), .weight = w});
            },
            {product_bound(out_type, c.num_in)});
      }
    }
  }
}

// Drafting changes no text only if a row's bits are its own.
TEST(CudaLinearTest, ARowsBitsDoNotDependOnTheOthers) {
  TALON_TRACE_SEED();
  for (const WeightFormat format : kAllFormats) {
    for (const DType dtype : {DType::kF32, DType::kBf16}) {
      const TestWeight weight(format, 96, 1536, 3);
      const StackedWeight stack({&weight});
      const auto x = TestTensor::random(dtype, {67, 1536}, 4);
      const auto run = [&](int64_t first, int64_t count) {
        const TestTensor out(dtype, {count, 96});
        return run_on_cuda([&](Place& place) {
          const Weight w = place.weights(stack)[0];
          linear(place.stream(),
                 {.out = place.out(out), .x = place.in(x).rows(first, count), .weight = w});
        })[0];
      };
      const TestTensor all = run(0, 67);
      for (const auto& [first, count] :
           {std::pair<int64_t, int64_t>{0, 1}, {5, 8}, {30, 9}, {33, 34}}) {
        EXPECT_EQ(run(first, count).row_bytes(0, count), all.row_bytes(first, count))
            << weight_format_name(format) << ", rows " << first << " + " << count;
      }
    }
  }
}

// Rows of all sizes of numbers, so that what an addition drops matters.
TestTensor random_of_many_sizes(int64_t rows, int64_t columns) {
  TestTensor x = TestTensor::random(DType::kBf16, {rows, columns}, 20);
  TestRng rng(21);
  for (int64_t i = 0; i < rows * columns; ++i) {
    x.set(i, std::ldexp(static_cast<float>(x.value(i)), static_cast<int>(rng.integer(-12, 12))));
  }
  return x;
}

// Which kernel multiplies is chosen by the number of rows, so all must give the same bits.
TEST(CudaLinearTest, EveryKernelHasTheSameBits) {
  TALON_TRACE_SEED();
  if (CudaContext(cuda_device(0)).info().capability_major != 9) {
    GTEST_SKIP() << "the other kernels are Hopper's";
  }
  const auto x = random_of_many_sizes(300, 3072);
  for (const auto& [num_out, num_in] :
       {std::pair<int64_t, int64_t>{64, 1024}, {200, 1536}, {130, 3072}, {9, 1024}}) {
    const TestWeight weight(WeightFormat::kBf16, num_out, num_in, 22);
    const StackedWeight stack({&weight});
    const auto run = [&](TestTensor& out, LinearConfig config) {
      return run_on_cuda([&](Place& place) {
        cuda::linear(place.stream().cuda(),
                     {.out = place.out(out),
                      .x = place.in(x).rows(0, out.view().size(0)).columns(0, num_in),
                      .weight = place.weights(stack)[0]},
                     config);
      })[0];
    };
    for (const int64_t rows : {1, 7, 8, 9, 33, 64, 65, 129, 300}) {
      for (const DType dtype : {DType::kF32, DType::kBf16}) {
        TestTensor out(dtype, {rows, num_out}, /*padding=*/3);
        const TestTensor expected = run(out, {LinearKernel::kTiles, 32});
        for (const LinearConfig config : {LinearConfig{LinearKernel::kCluster, 8},
                                          {LinearKernel::kCluster, 16},
                                          {LinearKernel::kCluster, 32},
                                          {LinearKernel::kCluster, 64},
                                          {LinearKernel::kCluster, 128},
                                          {LinearKernel::kWide, 128}}) {
          EXPECT_EQ(run(out, config).row_bytes(0, rows), expected.row_bytes(0, rows))
              << "[" << num_out << ", " << num_in << "], rows " << rows << ", " << dtype_name(dtype)
              << ", rows a block " << config.rows_per_block;
        }
      }
    }
  }
}

TEST(CudaLinearTest, NanAndInfinityStayInTheirRow) {
  const TestWeight weight(WeightFormat::kBf16, 40, 64, 5);
  const StackedWeight stack({&weight});
  for (const DType dtype : {DType::kF32, DType::kBf16}) {
    TestTensor x = TestTensor::random(dtype, {6, 64}, 6);
    x.set(2 * 64 + 17, std::nanf(""));
    x.set(4 * 64 + 63, INFINITY);
    const TestTensor out(DType::kF32, {6, 40});
    expect_cuda_near(
        [&](Place& place) {
          const Weight w = place.weights(stack)[0];
          linear(place.stream(), {.out = place.out(out), .x = place.in(x), .weight = w});
        },
        {product_bound(DType::kF32, 64)});
  }
}

// Scales at the ends of E8M0, where one product would overflow bf16.
TEST(CudaLinearTest, ExtremeScalesAreExact) {
  for (const WeightFormat format : {WeightFormat::kMxfp8, WeightFormat::kMxfp4}) {
    for (const int scale : {1, 20, 127, 129, 135, 240, 255}) {
      SCOPED_TRACE(scale);
      TestWeight weight(format, 16, 32, 7);
      for (int64_t i = 0; i < weight.scales().num_elements(); ++i) {
        weight.scales().at<uint8_t>(i) = static_cast<uint8_t>(scale);
      }
      const StackedWeight stack({&weight});
      TestTensor x(DType::kF32, {1, 32});
      x.fill(0.0F);
      x.set(5, 1.0F);
      const TestTensor out(DType::kF32, {1, 16});
      expect_cuda_near(
          [&](Place& place) {
            const Weight w = place.weights(stack)[0];
            linear(place.stream(), {.out = place.out(out), .x = place.in(x), .weight = w});
          },
          {{0x1p-22, 1e-37}});
    }
  }
}

struct MoeCase {
  int64_t rows;
  int64_t experts;
  int64_t per_token;
  int64_t hidden;
  int64_t width;
  int64_t shared_width;
};
constexpr MoeCase kMoe[] = {{1, 16, 4, 256, 64, 128},  {7, 16, 4, 256, 64, 128},
                            {40, 16, 4, 256, 64, 128}, {3, 8, 2, 512, 192, 0},
                            {130, 4, 2, 128, 64, 64},  {9, 128, 4, 256, 64, 64}};

struct MoeProblem {
  std::vector<std::unique_ptr<TestWeight>> owned;
  std::vector<const TestWeight*> gate_up;
  std::vector<const TestWeight*> down;
  TestTensor x;
  TestTensor ids;
  TestTensor weights;

  MoeProblem(const MoeCase& c, WeightFormat format, DType dtype)
      : x(TestTensor::random(dtype, {c.rows, c.hidden}, 8)),
        ids(DType::kI32, {c.rows, c.per_token}),
        weights(TestTensor::random(DType::kF32, {c.rows, c.per_token}, 9)) {
    TestRng rng(10);
    for (int64_t t = 0; t < c.rows; ++t) {
      const int64_t first = rng.integer(0, c.experts - 1);
      for (int64_t m = 0; m < c.per_token; ++m) {
        const int64_t id = t % 5 == 4 ? -1 : (first + m * m) % c.experts;  // some rows are dead
        ids.at<int32_t>(t * c.per_token + m) = static_cast<int32_t>(id);
      }
    }
    for (int64_t e = 0; e < c.experts; ++e) {
      const auto purpose = static_cast<uint64_t>(100 + 2 * e);
      gate_up.push_back(make(format, 2 * c.width, c.hidden, purpose));
      down.push_back(make(format, c.hidden, c.width, purpose + 1));
    }
  }

  const TestWeight* make(WeightFormat format, int64_t out, int64_t in, uint64_t purpose) {
    owned.push_back(std::make_unique<TestWeight>(format, out, in, purpose));
    return owned.back().get();
  }
};

TestTensor run_moe(const MoeCase& c, WeightFormat format, DType dtype, bool on_cuda) {
  MoeProblem problem(c, format, dtype);
  const StackedWeight gate_up(problem.gate_up);
  const StackedWeight down(problem.down);
  const bool has_shared = c.shared_width > 0;
  const int64_t shared_width = has_shared ? c.shared_width : 64;
  const StackedWeight shared_gate_up({problem.make(format, 2 * shared_width, c.hidden, 11)});
  const StackedWeight shared_down({problem.make(format, c.hidden, shared_width, 12)});
  const TestTensor out(dtype, {c.rows, c.hidden}, 8);
  const auto call = [&](Place& place) {
    const auto first = place.weights(gate_up);
    const auto second = place.weights(down);
    std::vector<Expert> experts;
    for (size_t e = 0; e < first.size(); ++e) {
      experts.push_back({.gate_up = first[e], .down = second[e]});
    }
    const Expert shared = {.gate_up = place.weights(shared_gate_up)[0],
                           .down = place.weights(shared_down)[0]};
    moe_experts(place.stream(), place.arena(),
                {.out = place.out(out),
                 .x = place.in(problem.x),
                 .expert_ids = place.in(problem.ids),
                 .weights = place.in(problem.weights),
                 .experts = experts,
                 .shared = has_shared ? &shared : nullptr,
                 .activation = {}});
    EXPECT_LE(place.arena().high_water(), kTestArenaBytes);
  };
  return on_cuda ? run_on_cuda(call)[0] : run_on_cpu(call)[0];
}

// The activation is rounded to bf16 between the products, and a last bit there is 2^-8 of a term.
TEST(CudaMoeExpertsTest, EveryFormatIsTheCpus) {
  TALON_TRACE_SEED();
  for (const MoeCase& c : kMoe) {
    for (const WeightFormat format : kAllFormats) {
      for (const DType dtype : {DType::kF32, DType::kBf16}) {
        SCOPED_TRACE(std::string(weight_format_name(format)) + ", rows " + std::to_string(c.rows) +
                     ", " + std::to_string(c.experts) + " experts, " +
                     std::string(dtype_name(dtype)));
        const TestTensor expected = run_moe(c, format, dtype, /*on_cuda=*/false);
        const TestTensor actual = run_moe(c, format, dtype, /*on_cuda=*/true);

        double largest = 0.0;
        for (const double value : expected.values()) {
          largest = std::max(largest, std::abs(value));
        }
        const Bound bound = dtype == DType::kBf16 ? Bound{0x1p-8, 0x1p-9 * largest}
                                                  : Bound{0x1p-18, 0x1p-17 * largest};
        EXPECT_TRUE(is_near(actual, expected.values(), bound));
      }
    }
  }
}

TEST(CudaRouteTest, ChoosesTheCpusExperts) {
  TALON_TRACE_SEED();
  struct Case {
    int64_t rows, experts, chosen, hidden;
  };
  for (const Case& c :
       {Case{1, 16, 4, 256}, {9, 128, 4, 6144}, {3, 512, 8, 100}, {17, 5, 5, 33}, {0, 8, 2, 64}}) {
    for (const DType dtype : {DType::kF32, DType::kBf16}) {
      SCOPED_TRACE(std::to_string(c.rows) + " rows, " + std::to_string(c.experts) + " experts");
      const auto x = TestTensor::random(dtype, {c.rows, c.hidden}, 13, 1.0F, 8);
      const auto gate = TestTensor::random(DType::kF32, {c.experts, c.hidden}, 14, 0.1F);
      const auto bias = TestTensor::random(DType::kF32, {c.experts}, 15);
      std::vector<int32_t> list(static_cast<size_t>(c.rows), 3);
      if (c.rows > 1) {
        list[1] = -1;
      }
      const TestTensor positions = TestTensor::of_i32(list);
      const TestTensor ids(DType::kI32, {c.rows, c.chosen});
      const TestTensor weights(DType::kF32, {c.rows, c.chosen});
      expect_cuda_near(
          [&](Place& place) {
            route(place.stream(), {.expert_ids = place.out(ids),
                                   .weights = place.out(weights),
                                   .x = place.in(x),
                                   .gate = place.in(gate),
                                   .bias = place.in(bias),
                                   .positions = place.in(positions),
                                   .scale = 2.0F});
          },
          {{0.0, 0.0}, {0x1p-18, 2e-6}});
    }
  }
}

// Equal scores: all experts alike. NaN counts as nothing, and still M different ones are chosen.
TEST(CudaRouteTest, TiesAndNanGoToTheLowerExpert) {
  TestTensor x(DType::kF32, {2, 64});
  x.fill(1.0F);
  x.set(64, std::nanf(""));
  TestTensor gate(DType::kF32, {20, 64});
  gate.fill(0.01F);
  TestTensor bias(DType::kF32, {20});
  bias.fill(0.5F);
  const TestTensor positions = TestTensor::of_i32({0, 0});
  const TestTensor ids(DType::kI32, {2, 3});
  const TestTensor weights(DType::kF32, {2, 3});
  auto outputs = run_on_cuda([&](Place& place) {
    route(place.stream(), {.expert_ids = place.out(ids),
                           .weights = place.out(weights),
                           .x = place.in(x),
                           .gate = place.in(gate),
                           .bias = place.in(bias),
                           .positions = place.in(positions),
                           .scale = 2.0F});
  });

  for (int32_t i = 0; i < 6; ++i) {
    EXPECT_EQ(outputs[0].at<int32_t>(i), i % 3);
  }
  EXPECT_TRUE(std::isnan(outputs[1].value(3)));
}

}  // namespace
}  // namespace talon::ops
