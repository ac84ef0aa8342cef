// The EAGLE-3 oracle against a head assembled from transformers' Llama parts: rotary convention,
// MLP, norms and attention by other hands.
#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "oracle/eagle3_oracle.h"
#include "support/checkpoint_reader.h"
#include "support/golden.h"
#include "support/temp_dir.h"
#include "support/tiny_model.h"

namespace talon {
namespace {

using Rows = std::vector<std::vector<double>>;

// float32 against double; the largest error measured is 7e-7.
constexpr double kTolerance = 1e-5;

void expect_near(const Rows& rows, const oracle::Matrix& expected, const char* what) {
  ASSERT_EQ(std::ssize(rows), expected.rows) << what;
  for (size_t i = 0; i < rows.size(); ++i) {
    ASSERT_EQ(std::ssize(rows[i]), expected.cols) << what;
    const double* row = expected.row(static_cast<int64_t>(i));
    EXPECT_LE(test::row_error(rows[i].data(), row, expected.cols), kTolerance)
        << what << " row " << i;
  }
}

class Eagle3GoldenTest : public testing::TestWithParam<std::string> {};

TEST_P(Eagle3GoldenTest, OracleAgreesOnExtensionAndChain) {
  const test::Eagle3Golden golden = test::read_eagle3_golden(GetParam());
  const test::TempDir folder;
  test::write_head(folder.path(), golden.head);
  const test::OracleHead stored = test::read_oracle_head(
      folder.path(), test::random_m3_weights(test::tiny_m3_config(), golden.head.seed));
  const oracle::Eagle3Head head(stored.config, stored.weights);
  Rows taps;
  for (int64_t i = 0; i < golden.taps.rows; ++i) {
    taps.emplace_back(golden.taps.row(i), golden.taps.row(i) + golden.taps.cols);
  }

  oracle::Eagle3Cache cache;
  const Rows extended = head.extend(cache, taps, golden.tokens);
  oracle::Eagle3Cache chain_cache = cache;
  const std::vector<int32_t> drafts =
      head.chain(chain_cache, extended.back(), std::ssize(golden.drafts));

  Rows chain = {extended.back()};
  for (size_t i = 1; i < drafts.size(); ++i) {
    chain.push_back(head.step(cache, drafts[i - 1], chain.back()));
  }
  Rows logits;
  std::ranges::transform(chain, std::back_inserter(logits),
                         [&](const auto& hidden) { return head.logits(hidden); });
  expect_near(extended, golden.extended, "extended");
  expect_near(chain, golden.chain, "chain");
  expect_near(logits, golden.logits, "logits");
  expect_near(chain_cache.keys, golden.keys, "keys");
  expect_near(chain_cache.values, golden.values, "values");
  EXPECT_EQ(drafts, golden.drafts);
}

INSTANTIATE_TEST_SUITE_P(All,
                         Eagle3GoldenTest,
                         testing::ValuesIn(test::eagle3_golden_names()),
                         [](const auto& param) { return param.param; });

}  // namespace
}  // namespace talon
