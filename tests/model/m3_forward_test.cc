// Covers: model/m3_model
//
// The forward pass against the goldens of transformers and against the oracle. Errors are those of
// support/golden.h: the largest difference in a row over the row's scale. The bounds stand in
// docs/numerics.md.
//
// A float implementation may choose another expert or page than the reference where the two are
// nearly tied, so a share of rows may exceed a bound: conventions.md allows 0.2 %.
#include <gtest/gtest.h>

#include <algorithm>
#include <span>
#include <string>
#include <vector>

#include "model/minimax_m3/m3_model.h"
#include "ops/moe_experts.h"
#include "oracle/m3_oracle.h"
#include "support/checkpoint_reader.h"
#include "support/golden.h"
#include "support/random_model.h"
#include "support/random_weights.h"
#include "support/step_driver.h"
#include "support/temp_dir.h"
#include "support/tiny_model.h"

namespace talon {
namespace {

constexpr double kF32Bound = 1e-5;
constexpr double kBf16Median = 0.015;  // of all rows
constexpr double kBf16Settled = 0.06;  // rows without a near tie

// Errors of one comparison, and how many rows have another argmax.
struct Errors {
  std::vector<double> rows;
  int64_t num_other_argmax = 0;

  void add(const std::vector<double>& actual, std::span<const double> expected) {
    rows.push_back(test::row_error(actual.data(), expected.data(), std::ssize(expected)));
    num_other_argmax += oracle::argmax(actual) == oracle::argmax(expected) ? 0 : 1;
  }
  int64_t num_over(double bound) const {
    return std::ranges::count_if(rows, [&](double e) { return !(e <= bound); });
  }
  double quantile(double q) const {
    std::vector<double> sorted = rows;
    std::ranges::sort(sorted);
    return sorted[static_cast<size_t>(q * static_cast<double>(sorted.size() - 1))];
  }
};

std::vector<int32_t> as_i32(const std::vector<int64_t>& values) {
  return {values.begin(), values.end()};
}

// The whole sequence in one step.
test::StepOutput run_whole(test::StepDriver& driver,
                           const std::vector<int32_t>& tokens,
                           const std::vector<int32_t>& logit_rows,
                           const std::vector<int32_t>& taps = {}) {
  const test::StepSequence sequence{.tokens = tokens,
                                    .kv_len = 0,
                                    .pages = test::page_ids(test::pages_for(std::ssize(tokens)), 3),
                                    .logit_rows = logit_rows};
  return driver.forward({{sequence}}, taps);
}

struct GoldenErrors {
  Errors logits;
  Errors taps;
};

GoldenErrors golden_errors(const test::Golden& golden, ActivationType type) {
  const auto model = test::random_model(
      {.config = golden.config, .seed = golden.seed, .with_tokenizer = false}, type);
  test::StepDriver driver(*model, nullptr, {.num_threads = 2, .num_pages = 32});
  const test::StepOutput out =
      run_whole(driver, golden.tokens, as_i32(golden.rows), as_i32(golden.tap_layers));
  GoldenErrors errors;
  for (int64_t i = 0; i < golden.logits.rows; ++i) {
    errors.logits.add(out.logits.row(i), golden.logits.row_span(i));
  }
  for (size_t layer = 0; layer < golden.taps.size(); ++layer) {
    const test::RowsCopy& taps = out.taps;
    for (int64_t i = 0; i < golden.taps[layer].rows; ++i) {
      const std::vector<double> row = taps.row(golden.tap_rows[static_cast<size_t>(i)]);
      const auto begin = row.begin() + static_cast<int64_t>(layer) * golden.config.hidden_size;
      errors.taps.add({begin, begin + golden.config.hidden_size}, golden.taps[layer].row_span(i));
    }
  }
  return errors;
}

class M3GoldenTest : public testing::TestWithParam<std::string> {
 protected:
  void SetUp() override {
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
    if (GetParam() == "real_constants") {
      GTEST_SKIP() << "long under a sanitizer; the others take the same path";
    }
#endif
  }
};

TEST_P(M3GoldenTest, FloatActivationsAgreeWithTheReference) {
  const test::Golden golden = test::read_golden(GetParam());

  const GoldenErrors errors = golden_errors(golden, ActivationType::kF32);

  // 0.2 % of the rows may be near ties, which of fewer than 500 rows is none.
  const int64_t allowed = golden.logits.rows / 500;
  EXPECT_LE(errors.logits.num_over(kF32Bound), allowed) << errors.logits.quantile(1.0);
  EXPECT_LE(errors.logits.num_other_argmax, allowed);
  EXPECT_LE(errors.taps.num_over(kF32Bound), 0) << errors.taps.quantile(1.0);
}

// bf16 noise flips some choice of an expert or a page in every few rows, so the median is bounded.
TEST_P(M3GoldenTest, Bf16ActivationsStayWithinTheirBound) {
  const test::Golden golden = test::read_golden(GetParam());

  const GoldenErrors errors = golden_errors(golden, ActivationType::kBf16);

  const double middle = errors.logits.quantile(0.5);
  RecordProperty("median", std::to_string(middle));  // for docs/numerics.md
  EXPECT_LE(middle, kBf16Median);
  EXPECT_GT(middle, 1e-3) << "not bf16 at all";
}

INSTANTIATE_TEST_SUITE_P(All,
                         M3GoldenTest,
                         testing::ValuesIn(test::golden_names()),
                         [](const auto& param) { return param.param; });

// Errors of logits (all rows) and of every layer's input against the oracle.
struct OracleErrors {
  Errors logits;
  Errors layer_inputs;
  Errors settled;  // logits of rows that are far from choosing another expert or page
};

OracleErrors oracle_errors(const M3Model& model,
                           const oracle::M3Config& config,
                           const oracle::Weights& weights,
                           const std::vector<int32_t>& tokens) {
  const oracle::M3Output expected = oracle::m3_forward(config, weights, tokens);
  test::StepDriver driver(model, nullptr, {.num_threads = 2});
  const std::vector<int32_t> layers = test::row_range(config.num_layers);
  const test::StepOutput out =
      run_whole(driver, tokens, test::row_range(std::ssize(tokens)), layers);
  OracleErrors errors;
  for (int64_t p = 0; p < std::ssize(tokens); ++p) {
    const std::vector<double> logits = out.logits.row(p);
    errors.logits.add(logits, expected.logits.row_span(p));
    const auto index = static_cast<size_t>(p);
    if (expected.expert_gaps[index] > 0.02 && expected.block_gaps[index] > 1.0) {
      errors.settled.add(logits, expected.logits.row_span(p));
    }
    const std::vector<double> taps = out.taps.row(p);
    for (size_t layer = 0; layer < layers.size(); ++layer) {
      const auto begin = taps.begin() + static_cast<int64_t>(layer) * config.hidden_size;
      errors.layer_inputs.add({begin, begin + config.hidden_size},
                              expected.layer_inputs[layer].row_span(p));
    }
  }
  return errors;
}

struct Sizes {
  std::string name;
  oracle::M3Config config;
  int64_t num_tokens;
};

std::vector<Sizes> random_sizes() {
  std::vector<Sizes> all;
  oracle::M3Config c = test::tiny_m3_config();
  all.push_back({"tiny", c, 400});
  c.local_blocks = 2;
  c.topk_blocks = 3;
  all.push_back({"two_local_blocks", c, 520});
  c = test::tiny_m3_config();
  c.num_heads = 6;
  c.num_kv_heads = 1;
  c.head_dim = 24;
  c.index_dim = 40;
  c.rotary_dim = 24;
  c.hidden_size = 72;
  c.vocab_size = 77;
  c.experts_per_token = 5;
  c.num_experts = 7;
  c.expert_size = 24;
  c.shared_size = 40;
  c.dense_size = 56;
  all.push_back({"odd_sizes", c, 300});
  c.num_heads = 8;
  c.num_kv_heads = 8;
  c.rotary_dim = 4;
  c.moe_layers = {1, 0, 1, 1, 0, 1};
  c.sparse_layers = {0, 1, 1, 0, 0, 1};
  c.routed_scaling_factor = 1.0;
  all.push_back({"layers_mixed", c, 280});
  return all;
}

class M3OracleTest : public testing::TestWithParam<Sizes> {};

TEST_P(M3OracleTest, EveryRowAndEveryLayerInputAgree) {
  const auto& [name, config, num_tokens] = GetParam();
  for (const uint64_t seed : {101U, 102U}) {
    const test::TargetOptions options{.config = config, .seed = seed, .with_tokenizer = false};
    const auto model = test::random_model(options, ActivationType::kF32);
    const std::vector<int32_t> tokens = test::random_tokens(seed, num_tokens, config.vocab_size);

    const OracleErrors errors =
        oracle_errors(*model, config, test::random_m3_weights(config, seed), tokens);

    EXPECT_LE(errors.logits.num_over(kF32Bound), 0) << errors.logits.quantile(1.0);
    EXPECT_LE(errors.layer_inputs.num_over(kF32Bound), 0) << errors.layer_inputs.quantile(1.0);
    EXPECT_EQ(errors.logits.num_other_argmax, 0);
    EXPECT_EQ(std::ssize(errors.logits.rows), num_tokens);
  }
}

TEST_P(M3OracleTest, Bf16RowsWithoutANearTieAreClose) {
  const auto& [name, config, num_tokens] = GetParam();
  const test::TargetOptions options{.config = config, .seed = 101, .with_tokenizer = false};
  const auto model = test::random_model(options, ActivationType::kBf16);
  const std::vector<int32_t> tokens = test::random_tokens(101, num_tokens, config.vocab_size);

  const OracleErrors errors =
      oracle_errors(*model, config, test::random_m3_weights(config, 101), tokens);

  EXPECT_GE(std::ssize(errors.settled.rows), 20);
  RecordProperty("settled", std::to_string(errors.settled.quantile(1.0)));
  EXPECT_EQ(errors.settled.num_over(kBf16Settled), 0) << errors.settled.quantile(1.0);
}

INSTANTIATE_TEST_SUITE_P(Sizes,
                         M3OracleTest,
                         testing::ValuesIn(random_sizes()),
                         [](const auto& param) { return param.param.name; });

struct Format {
  std::string name;
  test::QuantFormat format;
};

class M3FormatTest : public testing::TestWithParam<Format> {};

// The oracle dequantises the same files, so the format costs no accuracy here.
TEST_P(M3FormatTest, QuantisedFilesAgreeWithTheOracle) {
  test::TargetOptions options{.seed = 7, .format = GetParam().format, .with_tokenizer = false};
  options.config.hidden_size = 192;  // blocks of 128 that are cut
  options.config.dense_size = 160;
  const test::TempDir folder;
  test::write_target(folder.path(), options);
  const test::OracleTarget expected = test::read_oracle_target(folder.path());
  const auto model = test::load_model(folder.path(), ActivationType::kF32);
  const std::vector<int32_t> tokens =
      test::random_tokens(options.seed, 300, options.config.vocab_size);

  const OracleErrors errors = oracle_errors(*model, expected.config, expected.weights, tokens);

  EXPECT_LE(errors.logits.num_over(kF32Bound), 0) << errors.logits.quantile(1.0);
  EXPECT_LE(errors.layer_inputs.num_over(kF32Bound), 0) << errors.layer_inputs.quantile(1.0);
  EXPECT_EQ(errors.logits.num_other_argmax, 0);
}

INSTANTIATE_TEST_SUITE_P(Formats,
                         M3FormatTest,
                         testing::Values(Format{"bf16", test::QuantFormat::kBf16},
                                         Format{"mxfp8", test::QuantFormat::kMxfp8},
                                         Format{"mxfp4", test::QuantFormat::kMxfp4},
                                         Format{"fp8_channel", test::QuantFormat::kFp8Channel},
                                         Format{"fp8_block", test::QuantFormat::kFp8Block}),
                         [](const auto& param) { return param.param.name; });

TEST(M3ScratchTest, TheBoundHoldsAndIsTight) {
  // Room for the lists of the CUDA kernels, which the CPU leaves empty.
  constexpr double kLists = 2048.0 + 4.0 * static_cast<double>(ops::kCudaMoeListInts);
  test::TargetOptions moe{.with_tokenizer = false};
  test::TargetOptions dense{.with_tokenizer = false};
  dense.config.moe_layers.assign(6, 0);
  test::TargetOptions wide = moe;  // the attention needs most
  wide.config.num_heads = 32;
  for (const ActivationType type : {ActivationType::kF32, ActivationType::kBf16}) {
    for (const test::TargetOptions& options : {moe, dense, wide}) {
      const auto model = test::random_model(options, type);
      for (const int64_t num_rows : {1, 5, 64, 200}) {
        test::StepDriver driver(*model, nullptr, {});
        const std::vector<int32_t> tokens = test::random_tokens(1, num_rows, 320);

        run_whole(driver, tokens, test::row_range(num_rows));

        // The arena has the size of the bound, so a forward pass that needs more aborts.
        EXPECT_LE(static_cast<double>(driver.last_bound()),
                  1.2 * static_cast<double>(driver.last_scratch()) + kLists)
            << num_rows << " rows";
        if (options.config.moe_layers == dense.config.moe_layers) {
          EXPECT_EQ(driver.last_scratch(), driver.last_bound()) << num_rows << " rows";
        }
      }
    }
  }
}

TEST(M3ModelTest, KvLayoutListsThePlanesOfEachLayer) {
  const auto model = test::random_model({.with_tokenizer = false}, ActivationType::kBf16);

  const KvLayout layout = model->kv_layout();

  ASSERT_EQ(layout.planes.size(), 2U + 5 * 3);
  // 6 layers of keys and values, 2 heads of 32; 5 index keys of 32.
  EXPECT_EQ(layout.bytes_per_token(), (6 * 2 * 2 * 32 + 5 * 32) * 2);
  EXPECT_EQ(layout.planes[1].kind, PlaneKind::kValue);
  EXPECT_EQ(layout.planes[4].kind, PlaneKind::kIndexKey);
  EXPECT_EQ(layout.planes[4].layer, LayerIndex{1});
}

TEST(M3ModelTest, KvLayoutOfE4m3HasPlanesOfScales) {
  const auto model = test::random_model({.with_tokenizer = false}, ActivationType::kBf16,
                                        {.fp8_kv = true, .fp8_index = false});

  const KvLayout layout = model->kv_layout();

  ASSERT_EQ(layout.planes.size(), 4U + 5 * 5);
  // As above in one byte, an f32 for each key and value head, index keys in bf16.
  EXPECT_EQ(layout.bytes_per_token(), 6 * 2 * 2 * (32 + 4) + 5 * 32 * 2);
  EXPECT_EQ(layout.planes[2].kind, PlaneKind::kKeyScale);
  EXPECT_EQ(layout.planes[3].kind, PlaneKind::kValueScale);
  EXPECT_EQ(layout.planes[8].kind, PlaneKind::kIndexKey);
  EXPECT_EQ(layout.planes[8].dtype, DType::kBf16);
}

TEST(M3ModelDeathTest, ATapBeyondTheLastLayerIsAnError) {
  const auto model = test::random_model({.with_tokenizer = false}, ActivationType::kBf16);
  test::StepDriver driver(*model, nullptr, {});

  EXPECT_DEATH(run_whole(driver, {1, 2}, {1}, {6}), "tap 6 of 6 layers");
  EXPECT_DEATH(run_whole(driver, {1, 2}, {1}, {3, 2}), "the taps descend");
}

}  // namespace
}  // namespace talon
