// Sampled drafts against the naive formulas of choose_fixture.h: laws over the target's ids, drawn
// tokens, what is left alone, and the noise that is shared with the target or not.
#include "ops/draw_draft.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstdint>
#include <limits>
#include <vector>

#include "ops/token_noise.h"
#include "tests/ops/choose_fixture.h"
#include "tests/ops/op_test_util.h"
#include "tests/ops/row_invariance.h"

namespace talon::ops {
namespace {

constexpr int64_t kVocab = 12;
constexpr int64_t kDraftVocab = 7;
constexpr int32_t kNumber = 2;
const std::vector<int32_t> kMap = {1, 2, 4, 5, 8, 9, 11};
const std::vector<uint8_t> kAllowed = {1, 1, 0, 1, 1, 1, 1};

// Four sequences in slots 3, 1, 0, 2: sampled, sampled, greedy, inactive.
struct Step {
  TestTensor tokens = TestTensor::of(std::vector<int32_t>{100, 101, 102, 103}, {4, 1});
  TestTensor laws{DType::kF32, {4, kVocab}, 5};
};

Step run(Stream stream, const TestTensor& logits, bool with_laws) {
  Step step;
  const TestTensor allowed = TestTensor::of(kAllowed, {kDraftVocab});
  const TestTensor map = TestTensor::of_i32(kMap);
  const TestTensor slots = TestTensor::of_i32({3, 1, 0, 2});
  const TestTensor active = TestTensor::of_i32({1, 1, 1, 0});
  const TestTensor kv_len = TestTensor::of_i32({40, 41, 42, 43});
  const TestTensor seeds = TestTensor::of(std::vector<int64_t>{11, -12, 13, 14}, {4});
  const TestTensor temperature = TestTensor::of(std::vector<float>{0.0F, 0.5F, 1.0F, 2.0F}, {4});
  draw_draft(stream, {.tokens = step.tokens.view(),
                      .laws = with_laws ? step.laws.view() : TensorView{},
                      .logits = logits.cview(),
                      .allowed = allowed.cview(),
                      .map = map.cview(),
                      .slots = slots.cview(),
                      .active = active.cview(),
                      .kv_len = kv_len.cview(),
                      .seeds = seeds.cview(),
                      .temperature = temperature.cview(),
                      .number = kNumber});
  EXPECT_TRUE(step.tokens.guards_intact());
  EXPECT_TRUE(step.laws.guards_intact());
  return step;
}

// The law of a sequence over target ids.
std::vector<double> naive(const TestTensor& logits, int64_t sequence, double temperature) {
  std::vector<double> law(kVocab, 0.0);
  double total = 0.0;
  for (int64_t c = 0; c < kDraftVocab; ++c) {
    const double logit = logits.value(sequence * kDraftVocab + c);
    const auto column = static_cast<size_t>(c);
    law[static_cast<size_t>(kMap[column])] =
        kAllowed[column] != 0 && !std::isnan(logit) ? std::exp(logit / temperature) : 0.0;
    total += law[static_cast<size_t>(kMap[column])];
  }
  for (double& share : law) {
    share /= total;
  }
  return law;
}

// The draw with the noise of part `part` of an index.
int32_t draw(const std::vector<double>& law, int64_t seed, int64_t index, int32_t part) {
  TokenNoise noise(seed, index, RngPurpose::kToken, part);
  int32_t best = -1;
  double best_score = -std::numeric_limits<double>::infinity();
  for (int32_t id = 0; id < kVocab; ++id) {
    const double score = std::log(law[static_cast<size_t>(id)]) + noise.gumbel(id);
    if (score > best_score) {
      best = id;
      best_score = score;
    }
  }
  return best;
}

TEST(DrawDraftTest, LawsAndDrawsOfSampledSequencesOnly) {
  TALON_TRACE_SEED();
  for (uint64_t trial = 0; trial < 50; ++trial) {
    TestTensor logits = TestTensor::random(DType::kF32, {4, kDraftVocab}, 90 + trial, 3.0F);
    logits.set(1, std::numeric_limits<float>::quiet_NaN());
    const auto first = naive(logits, 0, 2.0);
    const auto second = naive(logits, 1, 0.5);
    for_each_run([&](Stream stream) {
      Step step = run(stream, logits, true);

      std::vector<double> laws(4 * kVocab, NAN);
      std::copy(first.begin(), first.end(), laws.begin() + 3 * kVocab);
      std::copy(second.begin(), second.end(), laws.begin() + kVocab);
      EXPECT_TRUE(is_near(step.laws, laws, {.relative = 1e-6}));
      EXPECT_EQ(step.tokens.at<int32_t>(0), draw(first, 14, 43, kNumber + 1));
      EXPECT_EQ(step.tokens.at<int32_t>(1), draw(second, -12, 44, kNumber + 1));
      EXPECT_EQ(step.tokens.at<int32_t>(2), 102);
      EXPECT_EQ(step.tokens.at<int32_t>(3), 103);

      Step shared = run(stream, logits, false);
      EXPECT_EQ(shared.tokens.at<int32_t>(0), naive_draw(first, 14, 43));
      EXPECT_EQ(shared.tokens.at<int32_t>(1), naive_draw(second, -12, 44));
    });
  }
}

TEST(DrawDraftTest, WithoutANumberToDrawFromTheGreedyDraftIsCertain) {
  TestTensor logits(DType::kF32, {4, kDraftVocab});  // NaN throughout
  CpuContext context(1, CpuPath::kScalar, false);
  Step step;
  TestTensor tokens = TestTensor::of(std::vector<int32_t>{1, 2, 3, 4}, {4, 1});
  const TestTensor ints = TestTensor::of_i32({0, 1, 2, 3});
  const TestTensor ones = TestTensor::of_i32({1, 1, 1, 1});
  const TestTensor map = TestTensor::of_i32(kMap);
  const TestTensor seeds = TestTensor::of(std::vector<int64_t>{1, 2, 3, 4}, {4});
  const TestTensor temperature = TestTensor::of(std::vector<float>(4, 1.0F), {4});
  draw_draft(Stream(context), {.tokens = tokens.view(),
                               .laws = step.laws.view(),
                               .logits = logits.cview(),
                               .map = map.cview(),
                               .slots = ints.cview(),
                               .active = ones.cview(),
                               .kv_len = ints.cview(),
                               .seeds = seeds.cview(),
                               .temperature = temperature.cview()});
  EXPECT_EQ(tokens.values(), (std::vector<double>{1, 2, 3, 4}));
  for (int64_t slot = 0; slot < 4; ++slot) {
    for (int64_t id = 0; id < kVocab; ++id) {
      EXPECT_EQ(step.laws.value(slot * kVocab + id), id == slot + 1 ? 1.0 : 0.0);
    }
  }
}

TEST(DrawDraftTest, IsRowInvariant) {
  constexpr int64_t kRows = kRowInvarianceRows;
  const TestTensor logits = TestTensor::random(DType::kF32, {kRows, 1501}, 99, 4.0F);
  const auto places = TestTensor::of_i32(collect(kRows, [](int32_t i) { return i; }));
  const auto ones = TestTensor::of_i32(collect(kRows, [](int32_t) { return 1; }));
  const auto seeds =
      TestTensor::of(collect(kRows, [](int32_t i) { return int64_t{i} * 77; }), {kRows});
  const auto temperature = TestTensor::of(
      collect(kRows, [](int32_t i) { return 0.5F * static_cast<float>(i % 4); }), {kRows});
  expect_row_invariant({"draw_draft", [&](Stream stream, int64_t first, int64_t count) {
                          auto tokens = TestTensor::of(std::vector<int32_t>(kRows, 0), {kRows, 1});
                          TestTensor laws(DType::kF32, {kRows, 1501});
                          draw_draft(stream, {.tokens = tokens.view().rows(first, count),
                                              .laws = laws.view(),
                                              .logits = logits.cview().rows(first, count),
                                              .slots = places.cview().rows(first, count),
                                              .active = ones.cview().rows(first, count),
                                              .kv_len = places.cview().rows(first, count),
                                              .seeds = seeds.cview(),
                                              .temperature = temperature.cview()});
                          std::vector<std::vector<std::byte>> rows;
                          for (int64_t i = first; i < first + count; ++i) {
                            rows.push_back(tokens.row_bytes(i));
                            const auto law = laws.row_bytes(i);
                            rows.back().insert(rows.back().end(), law.begin(), law.end());
                          }
                          return rows;
                        }});
}

}  // namespace
}  // namespace talon::ops
