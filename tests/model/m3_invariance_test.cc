// What the forward pass may not depend on, as equalities of bits on every instruction path, with
// one and two threads, in both activation types and with KV in e4m3: chunk, batch, neighbours, page
// order, stale KV and taps. The sequence is 700 tokens long over layers that attend to two pages of
// 128, so that the later rows drop most of their context (spec/minimax_m3.md 8, M4 to M6).
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <memory>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "model/minimax_m3/m3_model.h"
#include "support/random_model.h"
#include "support/random_weights.h"
#include "support/step_driver.h"
#include "support/tiny_model.h"

namespace talon {
namespace {

constexpr int32_t kLength = 700;
constexpr uint64_t kSeed = 11;

struct Mode {
  ActivationType type;
  CpuPath path;
  int num_threads;
  bool fp8 = false;  // keys, values and index keys
};

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr bool kSanitized = true;
#else
constexpr bool kSanitized = false;
#endif

// The scalar path alone and every other one with two threads too: what threads are given does not
// depend on the path. Under a sanitizer the scalar path would take minutes here; the tests of the
// ops run it.
std::vector<Mode> modes() {
  std::vector<Mode> all;
  for (const CpuPath path : {CpuPath::kScalar, CpuPath::kAvx2, CpuPath::kAvx512, CpuPath::kAmx}) {
    for (const ActivationType type : {ActivationType::kF32, ActivationType::kBf16}) {
      if (cpu_path_available(path) && !(kSanitized && path == CpuPath::kScalar)) {
        all.push_back({type, path, 1});
      }
      if (cpu_path_available(path) && path != CpuPath::kScalar) {
        all.push_back({type, path, 2});
      }
    }
    if (cpu_path_available(path) && path != CpuPath::kScalar) {
      all.push_back({ActivationType::kBf16, path, 2, true});
    }
  }
  return all;
}

std::string mode_name(const testing::TestParamInfo<Mode>& info) {
  return std::string(cpu_path_name(info.param.path)) +
         (info.param.type == ActivationType::kF32 ? "_f32_" : "_bf16_") +
         std::to_string(info.param.num_threads) + (info.param.fp8 ? "_fp8" : "");
}

const M3Model& model_of(ActivationType type, bool fp8 = false) {
  static std::map<std::pair<ActivationType, bool>, std::unique_ptr<M3Model>> models;
  std::unique_ptr<M3Model>& model = models[{type, fp8}];
  if (model == nullptr) {
    model = test::random_model({.seed = kSeed, .with_tokenizer = false}, type,
                               {.fp8_kv = fp8, .fp8_index = fp8});
  }
  return *model;
}

const std::vector<int32_t>& all_tokens() {
  static const std::vector<int32_t> kTokens =
      test::random_tokens(kSeed, kLength, test::tiny_m3_config().vocab_size);
  return kTokens;
}

std::vector<int32_t> slice(int32_t begin, int32_t end) {
  return {all_tokens().begin() + begin, all_tokens().begin() + end};
}

// Positions [begin, end) of the sequence, logits of every row.
test::StepSequence rows_of(int32_t begin, int32_t end, const std::vector<int32_t>& pages) {
  return {.tokens = slice(begin, end),
          .kv_len = begin,
          .pages = pages,
          .logit_rows = test::row_range(end - begin)};
}

class M3InvarianceTest : public testing::TestWithParam<Mode> {
 protected:
  // A driver with nothing cached.
  test::StepDriver fresh() const {
    return {model_of(GetParam().type, GetParam().fp8),
            nullptr,
            {.num_threads = GetParam().num_threads, .path = GetParam().path}};
  }

  // Runs [begin, end) in steps that end at `edges`, which are ascending.
  static test::StepOutput run(test::StepDriver& driver,
                              const std::vector<int32_t>& edges,
                              const std::vector<int32_t>& pages,
                              const std::vector<int32_t>& taps = {}) {
    test::StepOutput all;
    int32_t begin = 0;
    for (const int32_t end : edges) {
      const test::StepOutput out = driver.forward({{rows_of(begin, end, pages)}}, taps);
      all.logits.append(out.logits);
      if (!taps.empty()) {
        all.taps.append(out.taps);
      }
      begin = end;
    }
    return all;
  }

  // One step of one thread on the same path: what every other way to run must equal.
  const test::StepOutput& whole() const {
    static std::map<std::tuple<ActivationType, CpuPath, bool>, test::StepOutput> outputs;
    test::StepOutput& out = outputs[{GetParam().type, GetParam().path, GetParam().fp8}];
    if (out.logits.num_rows == 0) {
      test::StepDriver driver(model_of(GetParam().type, GetParam().fp8), nullptr,
                              {.num_threads = 1, .path = GetParam().path});
      out = run(driver, {kLength}, pages_, layers_);
    }
    return out;
  }

  void expect_rows(const test::RowsCopy& actual, int32_t first_position, const char* what) const {
    for (int64_t i = 0; i < actual.num_rows; ++i) {
      ASSERT_EQ(actual.row_bytes(i), whole().logits.row_bytes(first_position + i))
          << what << ", position " << first_position + i;
    }
  }

  const std::vector<int32_t> pages_ = test::page_ids(test::pages_for(kLength + 8));
  const std::vector<int32_t> layers_ = {0, 1, 2, 3, 4, 5};
};

TEST_P(M3InvarianceTest, TheReferenceHasNoNanAndDependsOnItsInput) {
  const test::RowsCopy& logits = whole().logits;
  for (int64_t i = 0; i < logits.num_rows; ++i) {
    const std::vector<double> row = logits.row(i);
    ASSERT_TRUE(std::ranges::all_of(row, [](double x) { return std::isfinite(x); })) << i;
  }
  EXPECT_NE(logits.row_bytes(kLength - 1), logits.row_bytes(kLength - 2));
}

TEST_P(M3InvarianceTest, ChunksHaveTheBitsOfTheWhole) {
  for (const std::vector<int32_t>& edges :
       {std::vector<int32_t>{100, 229, 357, 390, 391, 640, kLength},
        std::vector<int32_t>{1, 3, 130, 255, 257, 511, 514, 699, kLength}}) {
    test::StepDriver driver = fresh();

    const test::StepOutput out = run(driver, edges, pages_, layers_);

    expect_rows(out.logits, 0, "chunks");
    EXPECT_TRUE(out.taps.bytes == whole().taps.bytes);
  }
}

TEST_P(M3InvarianceTest, DecodeHasTheBitsOfPrefill) {
  test::StepDriver driver = fresh();
  std::vector<int32_t> edges = test::row_range(kLength + 1);
  edges.erase(edges.begin());

  const test::StepOutput out = run(driver, edges, pages_, layers_);

  expect_rows(out.logits, 0, "decode");
  EXPECT_TRUE(out.taps.bytes == whole().taps.bytes);
}

TEST_P(M3InvarianceTest, VerifyRowsHaveTheBitsOfSingleDecodesOverStaleKv) {
  test::StepDriver driver = fresh();
  int32_t cached = 0;
  for (const int32_t kv_len : {0, 1, 120, 121, 127, 128, 250, 380, 636, 640, 690}) {
    if (kv_len > cached) {
      driver.forward({{rows_of(cached, kv_len, pages_)}});
      cached = kv_len;
    }
    for (const int32_t num_rows : {1, 4, 8}) {
      driver.poison(pages_, kv_len);

      const test::StepOutput out = driver.forward({{rows_of(kv_len, kv_len + num_rows, pages_)}});

      expect_rows(out.logits, kv_len, "verify");
    }
    driver.poison(pages_, kv_len);
  }
}

TEST_P(M3InvarianceTest, RejectedRowsLeaveNoTrace) {
  constexpr int32_t kKvLen = 509;
  test::StepDriver driver = fresh();
  run(driver, {kKvLen}, pages_);
  test::StepSequence wrong = rows_of(kKvLen, kKvLen + 8, pages_);
  std::ranges::reverse(wrong.tokens);
  driver.forward({{wrong}});

  const test::StepOutput out = driver.forward({{rows_of(kKvLen, kKvLen + 2, pages_)}});
  const test::StepOutput next = driver.forward({{rows_of(kKvLen + 2, kKvLen + 8, pages_)}});

  expect_rows(out.logits, kKvLen, "after a rejection");
  expect_rows(next.logits, kKvLen + 2, "a round later");
}

TEST_P(M3InvarianceTest, PageOrderDoesNotMatter) {
  test::StepDriver driver = fresh();
  const std::vector<int32_t> pages = test::page_ids(19, /*seed=*/5);
  ASSERT_FALSE(std::ranges::is_sorted(pages));

  const test::StepOutput out = run(driver, {300, kLength}, pages);

  expect_rows(out.logits, 0, "shuffled pages");
}

TEST_P(M3InvarianceTest, NeighboursAndDeadRowsDoNotMatter) {
  // A prefill chunk, a decode and a verify in one step, on pages that interleave.
  const std::vector<int32_t> ends = {260, 513, 641};
  const std::vector<int32_t> counts = {160, 1, 8};
  test::StepDriver driver = fresh();
  std::vector<test::StepSequence> step;
  for (size_t b = 0; b < ends.size(); ++b) {
    std::vector<int32_t> pages;
    pages.reserve(6);
    for (int32_t i = 0; i < 6; ++i) {
      pages.push_back(1 + 3 * i + static_cast<int32_t>(b));
    }
    const int32_t kv_len = ends[b] - counts[b];
    driver.forward({{rows_of(0, kv_len, pages)}});
    step.push_back(rows_of(kv_len, ends[b], pages));
    step.back().num_dead_rows = static_cast<int32_t>(b) * 3;
  }

  const test::StepOutput out = driver.forward(step, layers_);

  int64_t row = 0;
  for (size_t b = 0; b < ends.size(); ++b) {
    for (int32_t i = 0; i < counts[b]; ++i, ++row) {
      const int32_t position = ends[b] - counts[b] + i;
      ASSERT_EQ(out.logits.row_bytes(row), whole().logits.row_bytes(position))
          << "sequence " << b << ", position " << position;
    }
  }
  EXPECT_EQ(row, out.logits.num_rows);
}

TEST_P(M3InvarianceTest, TapsAndLogitRowsDoNotMatter) {
  test::StepDriver driver = fresh();
  test::StepSequence sequence = rows_of(0, kLength, pages_);
  sequence.logit_rows = {0, 127, 128, 350, kLength - 1};

  const test::StepOutput plain = driver.forward({{sequence}});
  const test::StepOutput tapped = driver.forward({{sequence}}, {{2, 4}});

  EXPECT_TRUE(plain.logits.bytes == tapped.logits.bytes);
  for (size_t i = 0; i < sequence.logit_rows.size(); ++i) {
    EXPECT_EQ(plain.logits.row_bytes(static_cast<int64_t>(i)),
              whole().logits.row_bytes(sequence.logit_rows[i]));
  }
}

TEST_P(M3InvarianceTest, AStepWithoutLogitsStillFillsTheCache) {
  test::StepDriver driver = fresh();
  test::StepSequence chunk = rows_of(0, 600, pages_);
  chunk.logit_rows.clear();

  const test::StepOutput none = driver.forward({{chunk}});
  const test::StepOutput out = driver.forward({{rows_of(600, kLength, pages_)}});

  EXPECT_EQ(none.logits.num_rows, 0);
  expect_rows(out.logits, 600, "after a chunk without logits");
}

INSTANTIATE_TEST_SUITE_P(Modes, M3InvarianceTest, testing::ValuesIn(modes()), mode_name);

// The premise of this file: beyond two pages rows really drop context, and before that the sparse
// layers equal dense ones bit by bit.
TEST(M3SparsityTest, SelectionDropsPagesBeyondItsReachAndNoneBefore) {
  test::TargetOptions dense{.seed = kSeed, .with_tokenizer = false};
  dense.config.topk_blocks = 16;
  const auto all_pages = test::random_model(dense, ActivationType::kF32);
  const std::vector<int32_t> pages = test::page_ids(test::pages_for(kLength));
  test::StepDriver sparse_driver(model_of(ActivationType::kF32), nullptr, {});
  test::StepDriver dense_driver(*all_pages, nullptr, {});

  const test::RowsCopy sparse = sparse_driver.forward({{rows_of(0, kLength, pages)}}).logits;
  const test::RowsCopy full = dense_driver.forward({{rows_of(0, kLength, pages)}}).logits;

  for (int64_t p = 0; p < 256; ++p) {
    ASSERT_EQ(sparse.row_bytes(p), full.row_bytes(p)) << p;
  }
  int64_t num_different = 0;
  for (int64_t p = 512; p < kLength; ++p) {
    num_different += sparse.row_bytes(p) != full.row_bytes(p) ? 1 : 0;
  }
  EXPECT_EQ(num_different, kLength - 512);
}

}  // namespace
}  // namespace talon
