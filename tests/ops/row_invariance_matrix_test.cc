// Row invariance of the products, attention and selection, for every dtype and weight format. The
// bits of a row may not depend on its neighbours, on their number or on threads (row_invariance.h).
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <memory>
#include <string>
#include <vector>

#include "core/arena.h"
#include "ops/attention.h"
#include "ops/index_topk.h"
#include "ops/linear.h"
#include "ops/moe_experts.h"
#include "tests/ops/plane_types.h"
#include "tests/ops/row_invariance.h"
#include "tests/ops/test_weight.h"

namespace talon::ops {
namespace {

constexpr int64_t kRows = kRowInvarianceRows;

RowInvarianceCase linear_case(WeightFormat format, DType dtype, int64_t num_out, int64_t num_in) {
  const auto weight = std::make_shared<TestWeight>(format, num_out, num_in, 41);
  const auto packed = std::make_shared<PackedWeight>(weight->packed());
  const auto x = std::make_shared<TestTensor>(TestTensor::random(dtype, {kRows, num_in}, 42));
  const std::string name = "linear " + std::string(weight_format_name(format)) + " " +
                           std::string(dtype_name(dtype)) + " " + std::to_string(num_out) + " x " +
                           std::to_string(num_in);
  return {
      name, [=](Stream stream, int64_t first, int64_t count) {
        TestTensor out(dtype, {count, packed->weight().num_out});
        linear(stream,
               {.out = out.view(), .x = x->cview().rows(first, count), .weight = packed->weight()});
        return rows_of({&out}, count);
      }};
}

TEST(RowInvarianceMatrixTest, Linear) {
  TALON_TRACE_SEED();
  for (const WeightFormat format : kAllFormats) {
    for (const DType dtype : {DType::kF32, DType::kBf16}) {
      expect_row_invariant(linear_case(format, dtype, 100, 160));
      expect_row_invariant(linear_case(format, dtype, 336, 64));
    }
  }
  for (const DType dtype : {DType::kF32, DType::kBf16}) {
    expect_row_invariant(linear_case(WeightFormat::kBf16, dtype, 50, 331));
    expect_row_invariant(linear_case(WeightFormat::kFp8Channel, dtype, 50, 331));
  }
}

struct MoeData {
  MoeData(WeightFormat format, DType dtype)
      : x(TestTensor::random(dtype, {kRows, kHidden}, 43)),
        ids(DType::kI32, {kRows, kPerToken}),
        weights(TestTensor::random(DType::kF32, {kRows, kPerToken}, 44)) {
    for (uint64_t e = 0; e <= kExperts; ++e) {  // the last is shared
      const int64_t width = e == kExperts ? kSharedWidth : kWidth;
      packed.push_back(TestWeight(format, 2 * width, kHidden, 50 + 2 * e).packed());
      packed.push_back(TestWeight(format, kHidden, width, 51 + 2 * e).packed());
      experts.push_back({.gate_up = packed[2 * e].weight(), .down = packed[2 * e + 1].weight()});
    }
    shared = experts.back();
    experts.pop_back();
    TestRng rng(45);
    for (int64_t t = 0; t < kRows; ++t) {
      const auto first = static_cast<int32_t>(rng.integer(0, kExperts - 1));
      const auto step = static_cast<int32_t>(rng.integer(1, kExperts - 1));
      ids.at<int32_t>(2 * t) = t % 11 == 5 ? -1 : first;
      ids.at<int32_t>(2 * t + 1) = t % 11 == 5 ? -1 : (first + step) % kExperts;
    }
  }

  static constexpr int64_t kHidden = 96;
  static constexpr int64_t kPerToken = 2;
  static constexpr int64_t kExperts = 7;
  static constexpr int64_t kWidth = 64;
  static constexpr int64_t kSharedWidth = 160;
  TestTensor x;
  TestTensor ids;
  TestTensor weights;
  std::vector<PackedWeight> packed;
  std::vector<Expert> experts;
  Expert shared;
};

TEST(RowInvarianceMatrixTest, MoeExperts) {
  TALON_TRACE_SEED();
  for (const WeightFormat format : kAllFormats) {
    for (const DType dtype : {DType::kF32, DType::kBf16}) {
      const auto data = std::make_shared<MoeData>(format, dtype);
      expect_row_invariant(
          {"moe_experts " + std::string(weight_format_name(format)) + " " +
               std::string(dtype_name(dtype)),
           [data](Stream stream, int64_t first, int64_t count) {
             Arena arena(moe_experts_scratch_bytes(count, MoeData::kPerToken, MoeData::kHidden,
                                                   MoeData::kWidth, MoeData::kSharedWidth));
             TestTensor out(data->x.dtype(), {count, MoeData::kHidden});
             moe_experts(stream, arena,
                         {.out = out.view(),
                          .x = data->x.cview().rows(first, count),
                          .expert_ids = data->ids.cview().rows(first, count),
                          .weights = data->weights.cview().rows(first, count),
                          .experts = data->experts,
                          .shared = &data->shared,
                          .activation = {}});
             return rows_of({&out}, count);
           }});
    }
  }
}

// Rows of three sequences, among them a prefill chunk, verify steps and dead rows.
struct AttentionData {
  AttentionData(PlaneTypes types, int64_t heads, int64_t groups, int64_t dim)
      : q(TestTensor::random(types.rows, {kRows, heads, dim}, 61, 3.0F)),
        index_q(TestTensor::random(types.rows, {kRows, groups, dim}, 62)),
        keys(random_plane(types.planes, {kPages, 128, groups, dim}, 63)),
        values(random_plane(types.planes, {kPages, 128, groups, dim}, 64)),
        key_scales(TestTensor::random(DType::kF32, {kPages, 128, groups, 1}, 66)),
        value_scales(TestTensor::random(DType::kF32, {kPages, 128, groups, 1}, 67)),
        index_keys(random_plane(types.planes, {kPages, 128, 1, dim}, 65)),
        page_table(DType::kI32, {3, 6}),
        sequence(DType::kI32, {kRows}),
        position(DType::kI32, {kRows}) {
    for (int32_t i = 0; i < 18; ++i) {
      page_table.at<int32_t>(i) = 1 + (7 * i) % (kPages - 1);
    }
    for (int32_t t = 0; t < kRows; ++t) {
      sequence.at<int32_t>(t) = t < 90 ? 0 : 1 + t % 2;
      position.at<int32_t>(t) = t % 13 == 7 ? -1 : t < 90 ? 200 + t : 4 * t + t % 2;
    }
  }

  static constexpr int32_t kPages = 20;
  TestTensor q;
  TestTensor index_q;
  TestTensor keys;
  TestTensor values;
  TestTensor key_scales;
  TestTensor value_scales;
  TestTensor index_keys;
  TestTensor page_table;
  TestTensor sequence;
  TestTensor position;
};

std::vector<std::vector<std::byte>> choose_and_attend(
    const AttentionData& data, bool sparse, Stream stream, int64_t first, int64_t count) {
  const int64_t groups = data.index_q.shape()[1];
  TestTensor blocks(DType::kI32, {count, groups, 3});
  TestTensor out(data.q.dtype(), {count, data.q.shape()[1] * data.q.shape()[2]});
  index_topk(stream, {.blocks = blocks.view(),
                      .index_q = data.index_q.cview().rows(first, count),
                      .index_key_plane = data.index_keys.cview(),
                      .page_table = data.page_table.cview(),
                      .row_sequence = data.sequence.cview().rows(first, count),
                      .positions = data.position.cview().rows(first, count)});
  const bool is_scaled = data.keys.dtype() == DType::kF8E4M3;
  attention(stream, {.out = out.view(),
                     .q = data.q.cview().rows(first, count),
                     .key_plane = data.keys.cview(),
                     .value_plane = data.values.cview(),
                     .key_scales = is_scaled ? data.key_scales.cview() : ConstTensorView{},
                     .value_scales = is_scaled ? data.value_scales.cview() : ConstTensorView{},
                     .page_table = data.page_table.cview(),
                     .row_sequence = data.sequence.cview().rows(first, count),
                     .positions = data.position.cview().rows(first, count),
                     .blocks = sparse ? blocks.cview() : ConstTensorView{},
                     .scale = 0.2F});
  return rows_of({&blocks, &out}, count);
}

TEST(RowInvarianceMatrixTest, AttentionAndIndexTopk) {
  TALON_TRACE_SEED();
  struct Heads {
    int64_t heads;
    int64_t groups;
    int64_t dim;
  };
  for (const Heads& heads : {Heads{8, 2, 32}, {7, 1, 16}, {4, 2, 24}}) {
    for (const PlaneTypes types : kPlaneTypes) {
      const auto data =
          std::make_shared<AttentionData>(types, heads.heads, heads.groups, heads.dim);
      for (const bool sparse : {false, true}) {
        expect_row_invariant({"attention " + types.name() + " dim " + std::to_string(heads.dim) +
                                  (sparse ? " sparse" : " dense"),
                              [data, sparse](Stream stream, int64_t first, int64_t count) {
                                return choose_and_attend(*data, sparse, stream, first, count);
                              }});
      }
    }
  }
}

}  // namespace
}  // namespace talon::ops
