// The ops that work on single rows, CUDA against the CPU: norms, copies, rotation, gates.
// Covers: core/launch
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "core/cuda/device.h"
#include "ops/draft_input.h"
#include "ops/embedding.h"
#include "ops/gated_activation.h"
#include "ops/gather_rows.h"
#include "ops/qkv_norm_rope_append.h"
#include "ops/rms_norm.h"
#include "ops/rope.h"
#include "tests/ops/cuda_run.h"

namespace talon::ops {
namespace {

constexpr DType kDTypes[] = {DType::kF32, DType::kBf16};
constexpr Bound kExact = {0.0, 0.0};

struct RowsCase {
  int64_t rows;
  int64_t size;
  int64_t padding = 0;
};
constexpr RowsCase kRows[] = {{1, 256}, {3, 6144}, {5, 40, 24}, {2, 33},
                              {0, 64},  {65, 96},  {4, 1, 3},   {7, 256, 8}};

template <class Body>
void for_each_rows(const Body& body) {
  TALON_TRACE_SEED();
  for (const RowsCase& c : kRows) {
    for (const DType dtype : kDTypes) {
      SCOPED_TRACE(std::to_string(c.rows) + " x " + std::to_string(c.size) + " " +
                   std::string(dtype_name(dtype)));
      body(c, dtype);
    }
  }
}

TEST(CudaRmsNormTest, IsTheCpusToARounding) {
  for_each_rows([](const RowsCase& c, DType dtype) {
    for (const DType gain_dtype : kDTypes) {
      const auto x = TestTensor::random(dtype, {c.rows, c.size}, 1, 2.0F, c.padding);
      const auto gain = TestTensor::random(gain_dtype, {c.size}, 2);
      const TestTensor out(dtype, {c.rows, c.size}, c.padding);
      for (const GainForm form : {GainForm::kZeroCentred, GainForm::kPlain}) {
        expect_cuda_near(
            [&](Place& place) {
              rms_norm(place.stream(), {.out = place.out(out),
                                        .x = place.in(x),
                                        .gain = place.in(gain),
                                        .eps = 1e-6F,
                                        .form = form});
            },
            {rounding_bound(dtype)});
      }
    }
  });
}

TEST(CudaAddRmsNormTest, RoundsTheResidualAsTheCpuDoes) {
  for_each_rows([](const RowsCase& c, DType dtype) {
    const auto residual = TestTensor::random(dtype, {c.rows, c.size}, 3, 2.0F, c.padding);
    const auto delta = TestTensor::random(dtype, {c.rows, c.size}, 4);
    const auto gain = TestTensor::random(DType::kBf16, {c.size}, 5);
    const TestTensor out(dtype, {c.rows, c.size}, c.padding);
    expect_cuda_near(
        [&](Place& place) {
          add_rms_norm(place.stream(), {.out = place.out(out),
                                        .residual = place.out(residual),
                                        .delta = place.in(delta),
                                        .gain = place.in(gain),
                                        .eps = 1e-6F,
                                        .form = GainForm::kZeroCentred});
        },
        {rounding_bound(dtype), kExact});
  });
}

TEST(CudaAddRmsNormTest, TakesAFloatStreamBesideBf16) {
  for_each_rows([](const RowsCase& c, DType gain_dtype) {
    const auto residual = TestTensor::random(DType::kF32, {c.rows, c.size}, 22, 2.0F, c.padding);
    const auto delta = TestTensor::random(DType::kBf16, {c.rows, c.size}, 23);
    const auto gain = TestTensor::random(gain_dtype, {c.size}, 24);
    const TestTensor normed(DType::kBf16, {c.rows, c.size}, c.padding);
    const TestTensor added(DType::kBf16, {c.rows, c.size}, c.padding);
    expect_cuda_near(
        [&](Place& place) {
          rms_norm(place.stream(), {.out = place.out(normed),
                                    .x = place.in(residual),
                                    .gain = place.in(gain),
                                    .eps = 1e-6F,
                                    .form = GainForm::kZeroCentred});
          add_rms_norm(place.stream(), {.out = place.out(added),
                                        .residual = place.out(residual),
                                        .delta = place.in(delta),
                                        .gain = place.in(gain),
                                        .eps = 1e-6F,
                                        .form = GainForm::kZeroCentred});
        },
        {rounding_bound(DType::kBf16), rounding_bound(DType::kBf16), kExact});
  });
}

TEST(CudaAddTest, IsExact) {
  for_each_rows([](const RowsCase& c, DType dtype) {
    const auto x = TestTensor::random(dtype, {c.rows, c.size}, 6, 2.0F, c.padding);
    const auto y = TestTensor::random(dtype, {c.rows, c.size}, 7);
    const TestTensor out(dtype, {c.rows, c.size}, c.padding);
    expect_cuda_near(
        [&](Place& place) {
          add(place.stream(), {.out = place.out(out), .x = place.in(x), .y = place.in(y)});
        },
        {kExact});
  });
}

TEST(CudaLaunchTest, SynchronousLaunchesChangeNothing) {
  CudaPlace place;
  const auto x = TestTensor::random(DType::kF32, {3, 64}, 21);
  const TestTensor out(DType::kF32, {3, 64});
  talon::cuda::set_synchronous_launches(true);
  const ConstTensorView both = place.in(x);
  add(place.stream(), {.out = place.out(out), .x = both, .y = both});
  talon::cuda::set_synchronous_launches(false);

  EXPECT_EQ(place.outputs()[0].value(5), 2.0 * x.value(5));
}

std::vector<int32_t> some_ids(int64_t count, int64_t limit) {
  TestRng rng(8);
  std::vector<int32_t> ids;
  for (int64_t i = 0; i < count; ++i) {
    ids.push_back(static_cast<int32_t>(i == 1 ? -1 : rng.integer(0, limit - 1)));
  }
  return ids;
}

TEST(CudaEmbeddingTest, CopiesRowsAndZerosForNoId) {
  for_each_rows([](const RowsCase& c, DType dtype) {
    const auto table = TestTensor::random(DType::kBf16, {50, c.size}, 9);
    auto list = some_ids(c.rows, 50);
    if (c.rows > 2) {
      list[2] = 50;
    }
    const TestTensor ids = TestTensor::of_i32(list);
    const TestTensor out(dtype, {c.rows, c.size}, c.padding);
    expect_cuda_near(
        [&](Place& place) {
          embedding(place.stream(),
                    {.out = place.out(out), .ids = place.in(ids), .table = place.in(table)});
        },
        {kExact});
  });
}

// Rows of a list, and all of them without one.
void expect_gathered(const RowsCase& c, DType dtype, DType out_dtype) {
  const auto x = TestTensor::random(dtype, {9, c.size}, 10, 1.0F, c.padding);
  const TestTensor rows = TestTensor::of_i32(some_ids(c.rows, 9));
  const TestTensor out(out_dtype, {c.rows, c.size}, c.padding);
  const TestTensor all(out_dtype, {9, c.size});
  expect_cuda_near(
      [&](Place& place) {
        const ConstTensorView from = place.in(x);
        gather_rows(place.stream(), {.out = place.out(out), .x = from, .rows = place.in(rows)});
        gather_rows(place.stream(), {.out = place.out(all), .x = from, .rows = {}});
      },
      {kExact, kExact});
}

TEST(CudaGatherRowsTest, CopiesRowsOfAnyDtype) {
  for_each_rows([](const RowsCase& c, DType dtype) { expect_gathered(c, dtype, dtype); });
}

TEST(CudaGatherRowsTest, RoundsFloatRowsToBf16) {
  for_each_rows([](const RowsCase& c, DType) { expect_gathered(c, DType::kF32, DType::kBf16); });
}

TEST(CudaRopeTableTest, IsExactToFloat32) {
  const std::vector<float> list = rope_inv_freq(5e6, 64);
  const TestTensor inv_freq = TestTensor::of(list, Shape{32});
  const TestTensor positions = TestTensor::of_i32({0, 1, -1, 127, 8191, 1048575, 77777});
  const TestTensor out(DType::kF32, {7, 2, 32});
  expect_cuda_near(
      [&](Place& place) {
        rope_table(place.stream(), {.cos_sin = place.out(out),
                                    .positions = place.in(positions),
                                    .inv_freq = place.in(inv_freq)});
      },
      {{0x1p-23, 0x1p-60}});
}

struct QkvCase {
  int64_t rows;
  int64_t heads;
  int64_t groups;
  int64_t size;
  int64_t half;
  int64_t index_heads;
  int64_t index_size;
};
constexpr QkvCase kQkv[] = {{5, 8, 2, 32, 8, 2, 32},      // talon-tiny
                            {4, 16, 1, 128, 32, 4, 128},  // a TP4 rank of M3
                            {3, 64, 4, 128, 32, 4, 128},
                            {2, 6, 2, 24, 5, 0, 0},
                            {1, 4, 4, 256, 128, 0, 0}};

// A call on planes of e4m3. `is_plain`: no gains, and angles of zero.
OpCall fp8_call(const QkvCase& c, DType dtype, bool is_plain) {
  return [c, dtype, is_plain](Place& place) {
    const int64_t width = (c.heads + 2 * c.groups) * c.size +
                          (c.index_heads > 0 ? (c.index_heads + 1) : 0) * c.index_size;
    const auto qkv = TestTensor::random(dtype, {c.rows, width}, 17, 2.0F);
    const auto gain = TestTensor::random(DType::kBf16, {c.size}, 18);
    const auto index_gain =
        TestTensor::random(DType::kBf16, {std::max<int64_t>(1, c.index_size)}, 19);
    auto cos_sin = TestTensor::random(DType::kF32, {c.rows, 2, c.half}, 20);
    for (int64_t i = 0; is_plain && i < cos_sin.num_elements(); ++i) {
      cos_sin.set(i, i / c.half % 2 == 0 ? 1.0F : 0.0F);
    }
    std::vector<int64_t> list = {300, 5, 5, 383, 128};
    list.resize(static_cast<size_t>(c.rows));
    const TestTensor slots = TestTensor::of(list, Shape{c.rows});
    const TestTensor q(dtype, {c.rows, c.heads, c.size});
    const TestTensor plane(DType::kF8E4M3, {3, 128, c.groups, c.size});
    const TestTensor scales(DType::kF32, {3, 128, c.groups, 1});
    const TestTensor index_q(dtype, {c.rows, c.index_heads, c.index_size});
    const TestTensor index_plane(DType::kF8E4M3, {3, 128, 1, c.index_size});
    QkvNormRopeAppendArgs args = {.q = place.out(q),
                                  .key_plane = place.out(plane),
                                  .value_plane = place.out(plane),
                                  .key_scales = place.out(scales),
                                  .value_scales = place.out(scales),
                                  .qkv = place.in(qkv),
                                  .cos_sin = place.in(cos_sin),
                                  .write_slots = place.in(slots),
                                  .eps = 1e-6F};
    if (c.index_heads > 0) {
      args.index_q = place.out(index_q);
      args.index_key_plane = place.out(index_plane);
    }
    if (!is_plain) {
      args.q_gain = place.in(gain);
      args.k_gain = place.in(gain);
    }
    if (!is_plain && c.index_heads > 0) {
      args.index_q_gain = place.in(index_gain);
      args.index_k_gain = place.in(index_gain);
    }
    qkv_norm_rope_append(place.stream(), args);
  };
}

// In the order of its outputs; values are quantised from what both read.
std::vector<Bound> fp8_bounds(const QkvCase& c, Bound heads, Bound codes) {
  std::vector<Bound> bounds = {heads, codes, kExact, heads, kExact};
  if (c.index_heads > 0) {
    bounds.insert(bounds.end(), {heads, codes});
  }
  return bounds;
}

// Rows 1 and 2, if there are any, go to the null page, which must stay as it is.
TEST(CudaQkvNormRopeAppendTest, WritesHeadsAndPagesLikeTheCpu) {
  TALON_TRACE_SEED();
  for (const QkvCase& c : kQkv) {
    for (const DType dtype : kDTypes) {
      SCOPED_TRACE(std::to_string(c.heads) + " heads of " + std::to_string(c.size) + " " +
                   std::string(dtype_name(dtype)));
      const int64_t width = (c.heads + 2 * c.groups) * c.size +
                            (c.index_heads > 0 ? (c.index_heads + 1) : 0) * c.index_size;
      const auto qkv = TestTensor::random(dtype, {c.rows, width}, 11, 2.0F, 8);
      const auto gain = TestTensor::random(DType::kBf16, {c.size}, 12);
      const auto index_gain =
          TestTensor::random(DType::kBf16, {std::max<int64_t>(1, c.index_size)}, 13);
      const auto cos_sin = TestTensor::random(DType::kF32, {c.rows, 2, c.half}, 14);
      std::vector<int64_t> list = {300, 5, 5, 383, 128};
      list.resize(static_cast<size_t>(c.rows));
      const TestTensor slots = TestTensor::of(list, Shape{c.rows});
      const TestTensor q(dtype, {c.rows, c.heads, c.size});
      const TestTensor plane(dtype, {3, 128, c.groups, c.size});
      const TestTensor index_q(dtype, {c.rows, c.index_heads, c.index_size});
      const TestTensor index_plane(dtype, {3, 128, 1, c.index_size});
      const auto call = [&](Place& place) {
        QkvNormRopeAppendArgs args = {.q = place.out(q),
                                      .key_plane = place.out(plane),
                                      .value_plane = place.out(plane),
                                      .qkv = place.in(qkv),
                                      .cos_sin = place.in(cos_sin),
                                      .write_slots = place.in(slots),
                                      .eps = 1e-6F};
        args.q_gain = place.in(gain);
        args.k_gain = place.in(gain);
        if (c.index_heads > 0) {
          args.index_q = place.out(index_q);
          args.index_key_plane = place.out(index_plane);
          args.index_q_gain = place.in(index_gain);
          args.index_k_gain = place.in(index_gain);
        }
        qkv_norm_rope_append(place.stream(), args);
      };
      Bound near = rounding_bound(dtype);
      near.absolute = dtype == DType::kBf16 ? 0x1p-9 : 2e-6;  // differences of products
      std::vector<Bound> bounds = {near, near, kExact};
      if (c.index_heads > 0) {
        bounds.insert(bounds.end(), {near, near});
      }
      expect_cuda_near(call, bounds);
    }
  }
}

// With angles of zero and no gains the heads are the inputs: codes and scales are exact.
TEST(CudaQkvNormRopeAppendTest, QuantisesHeadsToTheCpusBits) {
  TALON_TRACE_SEED();
  for (const QkvCase& c : kQkv) {
    for (const DType dtype : kDTypes) {
      SCOPED_TRACE(std::to_string(c.heads) + " heads of " + std::to_string(c.size) + " " +
                   std::string(dtype_name(dtype)));
      expect_cuda_near(fp8_call(c, dtype, /*is_plain=*/true), fp8_bounds(c, kExact, kExact));
    }
  }
}

// Where the heads differ in a rounding, a code may be the next one, and a scale is the largest
// magnitude's.
TEST(CudaQkvNormRopeAppendTest, QuantisesNormedHeadsLikeTheCpu) {
  TALON_TRACE_SEED();
  for (const QkvCase& c : kQkv) {
    for (const DType dtype : kDTypes) {
      SCOPED_TRACE(std::to_string(c.heads) + " heads of " + std::to_string(c.size) + " " +
                   std::string(dtype_name(dtype)));
      Bound near = rounding_bound(dtype);
      near.absolute = dtype == DType::kBf16 ? 0x1p-9 : 2e-6;
      const std::vector<Bound> bounds = fp8_bounds(c, near, {0x1p-3, 0x1p-8});
      expect_cuda_near(fp8_call(c, dtype, /*is_plain=*/false), bounds);
    }
  }
}

TEST(CudaGatedActivationTest, IsTheCpusToARounding) {
  for_each_rows([](const RowsCase& c, DType dtype) {
    for (const DType in_dtype : {DType::kF32, dtype}) {
      const auto gate_up = TestTensor::random(in_dtype, {c.rows, 2 * c.size}, 15, 9.0F, c.padding);
      const TestTensor out(dtype, {c.rows, c.size});
      for (const ActivationKind kind : {ActivationKind::kSwigluOai, ActivationKind::kSilu}) {
        Bound bound = rounding_bound(dtype);
        bound.relative += 4e-6;
        expect_cuda_near(
            [&](Place& place) {
              gated_activation(place.stream(), {.out = place.out(out),
                                                .gate_up = place.in(gate_up),
                                                .activation = {.kind = kind}});
            },
            {bound});
      }
    }
  });
}

TEST(CudaDraftInputTest, NormsTapsAndTheConcatenation) {
  for_each_rows([](const RowsCase& c, DType dtype) {
    const auto taps = TestTensor::random(dtype, {c.rows, 3 * c.size}, 16, 2.0F, c.padding);
    const auto gains = TestTensor::random(DType::kBf16, {3, c.size}, 17);
    const TestTensor normed(dtype, {c.rows, 3 * c.size});
    const auto table = TestTensor::random(DType::kBf16, {50, c.size}, 18);
    const TestTensor ids = TestTensor::of_i32(some_ids(c.rows, 50));
    const auto hidden = TestTensor::random(dtype, {c.rows, c.size}, 19, 2.0F, c.padding);
    const auto gain = TestTensor::random(DType::kBf16, {c.size}, 20);
    const TestTensor both(dtype, {c.rows, 2 * c.size});
    expect_cuda_near(
        [&](Place& place) {
          group_norm(place.stream(), {.out = place.out(normed),
                                      .taps = place.in(taps),
                                      .gains = place.in(gains),
                                      .eps = 1e-6F});
          embed_norm_concat(place.stream(), {.out = place.out(both),
                                             .ids = place.in(ids),
                                             .table = place.in(table),
                                             .hidden = place.in(hidden),
                                             .embed_gain = place.in(gain),
                                             .hidden_gain = place.in(gain),
                                             .eps = 1e-6F});
        },
        {rounding_bound(dtype), rounding_bound(dtype)});
  });
}

}  // namespace
}  // namespace talon::ops
