// Row invariance of the small ops: the norms, the gates, the router, the head's argmax and the
// integers of a round. Sizes are odd where they may be, so that vector tails take part.
#include <gtest/gtest.h>

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "core/dtype.h"
#include "core/stream.h"
#include "ops/argmax.h"
#include "ops/draft_input.h"
#include "ops/embedding.h"
#include "ops/gated_activation.h"
#include "ops/gather_rows.h"
#include "ops/qkv_norm_rope_append.h"
#include "ops/rms_norm.h"
#include "ops/rope.h"
#include "ops/round_metadata.h"
#include "ops/route.h"
#include "tests/ops/op_test_util.h"
#include "tests/ops/plane_types.h"
#include "tests/ops/row_invariance.h"

namespace talon::ops {
namespace {

constexpr int64_t kRows = kRowInvarianceRows;
constexpr float kEps = 1e-6F;

TestTensor integers(int64_t low, int64_t high, uint64_t purpose) {
  TestTensor array(DType::kI32, {kRows});
  TestRng rng(purpose);
  for (int64_t t = 0; t < kRows; ++t) {
    array.at<int32_t>(t) = static_cast<int32_t>(rng.integer(low, high));
  }
  return array;
}

RowInvarianceCase norm_case(DType dtype, int64_t size) {
  const auto x = TestTensor::random(dtype, {kRows, size}, 1, 2.0F, /*padding=*/3);
  const auto gain = TestTensor::random(DType::kBf16, {size}, 2);
  return {"rms_norm", [=](Stream stream, int64_t first, int64_t count) {
            TestTensor out(dtype, {count, size}, 5);
            rms_norm(stream, {.out = out.view(),
                              .x = x.cview().rows(first, count),
                              .gain = gain.cview(),
                              .eps = kEps,
                              .form = GainForm::kZeroCentred});
            return rows_of({&out}, count);
          }};
}

RowInvarianceCase add_norm_case(DType dtype, int64_t size) {
  const auto before = TestTensor::random(dtype, {kRows, size}, 3, 2.0F);
  const auto delta = TestTensor::random(dtype, {kRows, size}, 4, 2.0F);
  const auto gain = TestTensor::random(DType::kF32, {size}, 5);
  return {"add_rms_norm and add", [=](Stream stream, int64_t first, int64_t count) {
            TestTensor residual = before;
            TestTensor out(dtype, {count, size});
            TestTensor sum(dtype, {count, size});
            add(stream, {.out = sum.view(),
                         .x = before.cview().rows(first, count),
                         .y = delta.cview().rows(first, count)});
            add_rms_norm(stream, {.out = out.view(),
                                  .residual = residual.view().rows(first, count),
                                  .delta = delta.cview().rows(first, count),
                                  .gain = gain.cview(),
                                  .eps = kEps,
                                  .form = GainForm::kPlain});
            return rows_of({&out, &sum}, count);
          }};
}

RowInvarianceCase float_stream_case(int64_t size) {
  const auto before = TestTensor::random(DType::kF32, {kRows, size}, 40);
  const auto delta = TestTensor::random(DType::kBf16, {kRows, size}, 41);
  const auto gain = TestTensor::random(DType::kF32, {size}, 42);
  return {"a float32 stream beside bf16", [=](Stream stream, int64_t first, int64_t count) {
            TestTensor residual = before;
            TestTensor out(DType::kBf16, {count, size});
            TestTensor tap(DType::kBf16, {count, size});
            const TensorView rows = residual.view().rows(first, count);
            add_rms_norm(stream, {.out = out.view(),
                                  .residual = rows,
                                  .delta = delta.cview().rows(first, count),
                                  .gain = gain.cview(),
                                  .eps = kEps,
                                  .form = GainForm::kPlain});
            gather_rows(stream, {.out = tap.view(), .x = rows, .rows = {}});
            return rows_of({&out, &tap}, count);
          }};
}

RowInvarianceCase draft_input_case(DType dtype, int64_t size) {
  const auto taps = TestTensor::random(dtype, {kRows, 3 * size}, 6);
  const auto gains = TestTensor::random(DType::kBf16, {3, size}, 7);
  const auto table = TestTensor::random(DType::kBf16, {20, size}, 8);
  const TestTensor ids = integers(-1, 19, 9);
  return {"draft_input", [=](Stream stream, int64_t first, int64_t count) {
            TestTensor grouped(dtype, {count, 3 * size});
            TestTensor concat(dtype, {count, 2 * size});
            group_norm(stream, {.out = grouped.view(),
                                .taps = taps.cview().rows(first, count),
                                .gains = gains.cview(),
                                .eps = kEps});
            embed_norm_concat(stream,
                              {.out = concat.view(),
                               .ids = ids.cview().rows(first, count),
                               .table = table.cview(),
                               .hidden = taps.cview().rows(first, count).columns(size, size),
                               .embed_gain = gains.cview().at(0),
                               .hidden_gain = gains.cview().at(1),
                               .eps = kEps});
            return rows_of({&grouped, &concat}, count);
          }};
}

RowInvarianceCase copy_case(DType dtype) {
  const auto table = TestTensor::random(DType::kBf16, {50, 999}, 10);
  const auto x = TestTensor::random(dtype, {60, 999}, 11);
  const TestTensor ids = integers(-1, 50, 12);
  const TestTensor rows = integers(-1, 59, 13);
  return {"embedding and gather_rows", [=](Stream stream, int64_t first, int64_t count) {
            TestTensor embedded(dtype, {count, 999});
            TestTensor gathered(dtype, {count, 999});
            embedding(stream, {.out = embedded.view(),
                               .ids = ids.cview().rows(first, count),
                               .table = table.cview()});
            gather_rows(
                stream,
                {.out = gathered.view(), .x = x.cview(), .rows = rows.cview().rows(first, count)});
            return rows_of({&embedded, &gathered}, count);
          }};
}

RowInvarianceCase gate_case(DType out_dtype, DType in_dtype, ActivationKind kind) {
  const auto gate_up = TestTensor::random(in_dtype, {kRows, 2 * 777}, 14, 9.0F);
  return {"gated_activation", [=](Stream stream, int64_t first, int64_t count) {
            TestTensor out(out_dtype, {count, 777});
            gated_activation(stream, {.out = out.view(),
                                      .gate_up = gate_up.cview().rows(first, count),
                                      .activation = {.kind = kind}});
            return rows_of({&out}, count);
          }};
}

RowInvarianceCase route_case(DType dtype) {
  const auto x = TestTensor::random(dtype, {kRows, 523}, 15);
  const auto gate = TestTensor::random(DType::kF32, {128, 523}, 16);
  const auto bias = TestTensor::random(DType::kF32, {128}, 17, 0.2F);
  const TestTensor positions = integers(-1, 3, 18);
  return {"route", [=](Stream stream, int64_t first, int64_t count) {
            TestTensor ids(DType::kI32, {count, 4});
            TestTensor weights(DType::kF32, {count, 4});
            route(stream, {.expert_ids = ids.view(),
                           .weights = weights.view(),
                           .x = x.cview().rows(first, count),
                           .gate = gate.cview(),
                           .bias = bias.cview(),
                           .positions = positions.cview().rows(first, count),
                           .scale = 2.0F});
            return rows_of({&ids, &weights}, count);
          }};
}

RowInvarianceCase argmax_case(DType dtype) {
  const auto logits = TestTensor::random(dtype, {kRows, 20011}, 19);
  return {"argmax", [=](Stream stream, int64_t first, int64_t count) {
            TestTensor keys(DType::kU64, {count, 1});
            argmax(stream, {.keys = keys.view().reshaped({count}),
                            .logits = logits.cview().rows(first, count),
                            .allowed = {}});
            return rows_of({&keys}, count);
          }};
}

RowInvarianceCase metadata_case() {
  const TestTensor positions = integers(-1, 700, 20);
  const TestTensor sequences = integers(0, 2, 21);
  TestTensor table(DType::kI32, {3, 5});
  for (int64_t i = 0; i < 15; ++i) {
    table.at<int32_t>(i) = static_cast<int32_t>(i % 4 == 3 ? 0 : i + 1);
  }
  const TestTensor inv_freq = TestTensor::of(rope_inv_freq(5e6, 50), {25});
  return {"write_slots and rope_table", [=](Stream stream, int64_t first, int64_t count) {
            TestTensor slots(DType::kI64, {count, 1});
            TestTensor cos_sin(DType::kF32, {count, 2, 25});
            write_slots(stream, {.slots = slots.view().reshaped({count}),
                                 .positions = positions.cview().rows(first, count),
                                 .row_sequence = sequences.cview().rows(first, count),
                                 .page_table = table.cview(),
                                 .context_limit = 650});
            rope_table(stream, {.cos_sin = cos_sin.view(),
                                .positions = positions.cview().rows(first, count),
                                .inv_freq = inv_freq.cview()});
            return rows_of({&slots, &cos_sin}, count);
          }};
}

// Row t writes to token t of page 1; its row of the result is what stands there.
RowInvarianceCase qkv_case(PlaneTypes types) {
  constexpr int64_t kHeads = 6;
  constexpr int64_t kKeyHeads = 2;
  constexpr int64_t kSize = 36;
  constexpr int64_t kIndexSize = 44;
  const int64_t width = (kHeads + 2 * kKeyHeads) * kSize + 3 * kIndexSize;
  const auto qkv = TestTensor::random(types.rows, {kRows, width}, 22);
  const auto gain = TestTensor::random(DType::kBf16, {kSize}, 23);
  const auto index_gain = TestTensor::random(DType::kBf16, {kIndexSize}, 24);
  const auto cos_sin = TestTensor::random(DType::kF32, {kRows, 2, 15}, 25);
  TestTensor slots(DType::kI64, {kRows});
  for (int64_t t = 0; t < kRows; ++t) {
    slots.at<int64_t>(t) = 128 + t;
  }
  return {"qkv_norm_rope_append", [=](Stream stream, int64_t first, int64_t count) {
            const bool is_scaled = types.planes == DType::kF8E4M3;
            TestTensor q(types.rows, {count, kHeads, kSize});
            TestTensor index_q(types.rows, {count, 2, kIndexSize});
            TestTensor keys(types.planes, {2, 128, kKeyHeads, kSize});
            TestTensor values(types.planes, {2, 128, kKeyHeads, kSize});
            TestTensor key_scales(DType::kF32, {2, 128, kKeyHeads, 1});
            TestTensor value_scales(DType::kF32, {2, 128, kKeyHeads, 1});
            TestTensor index_keys(types.planes, {2, 128, 1, kIndexSize});
            qkv_norm_rope_append(stream,
                                 {.q = q.view(),
                                  .index_q = index_q.view(),
                                  .key_plane = keys.view(),
                                  .value_plane = values.view(),
                                  .key_scales = is_scaled ? key_scales.view() : TensorView{},
                                  .value_scales = is_scaled ? value_scales.view() : TensorView{},
                                  .index_key_plane = index_keys.view(),
                                  .qkv = qkv.cview().rows(first, count),
                                  .q_gain = gain.cview(),
                                  .k_gain = gain.cview(),
                                  .index_q_gain = index_gain.cview(),
                                  .index_k_gain = index_gain.cview(),
                                  .cos_sin = cos_sin.cview().rows(first, count),
                                  .write_slots = slots.cview().rows(first, count),
                                  .eps = kEps});
            auto rows = rows_of({&q, &index_q}, count);
            for (int64_t r = 0; r < count; ++r) {
              const int64_t token = 128 + first + r;
              for (const auto& bytes : {keys.row_bytes(token * kKeyHeads, kKeyHeads),
                                        values.row_bytes(token * kKeyHeads, kKeyHeads),
                                        key_scales.row_bytes(token * kKeyHeads, kKeyHeads),
                                        value_scales.row_bytes(token * kKeyHeads, kKeyHeads),
                                        index_keys.row_bytes(token)}) {
                auto& row = rows[static_cast<size_t>(r)];
                row.insert(row.end(), bytes.begin(), bytes.end());
              }
            }
            return rows;
          }};
}

TEST(RowInvarianceSmallTest, NormsAndSums) {
  TALON_TRACE_SEED();
  for (const int64_t size : {67, 1536}) {
    expect_row_invariant(float_stream_case(size));
  }
  for (const DType dtype : {DType::kF32, DType::kBf16}) {
    for (const int64_t size : {67, 1536}) {
      expect_row_invariant(norm_case(dtype, size));
      expect_row_invariant(add_norm_case(dtype, size));
      expect_row_invariant(draft_input_case(dtype, size));
    }
  }
}

TEST(RowInvarianceSmallTest, CopiesAndIntegers) {
  TALON_TRACE_SEED();
  expect_row_invariant(copy_case(DType::kF32));
  expect_row_invariant(copy_case(DType::kBf16));
  expect_row_invariant(metadata_case());
}

TEST(RowInvarianceSmallTest, Gates) {
  TALON_TRACE_SEED();
  for (const ActivationKind kind : {ActivationKind::kSwigluOai, ActivationKind::kSilu}) {
    expect_row_invariant(gate_case(DType::kF32, DType::kF32, kind));
    expect_row_invariant(gate_case(DType::kBf16, DType::kF32, kind));
    expect_row_invariant(gate_case(DType::kBf16, DType::kBf16, kind));
  }
}

TEST(RowInvarianceSmallTest, RouterAndArgmax) {
  TALON_TRACE_SEED();
  for (const DType dtype : {DType::kF32, DType::kBf16}) {
    expect_row_invariant(route_case(dtype));
    expect_row_invariant(argmax_case(dtype));
  }
}

TEST(RowInvarianceSmallTest, HeadsOfAttention) {
  TALON_TRACE_SEED();
  for (const PlaneTypes types : kPlaneTypes) {
    expect_row_invariant(qkv_case(types));
  }
}

}  // namespace
}  // namespace talon::ops
