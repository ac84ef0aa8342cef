// The oracle against transformers' outputs: both were written from the model card, by different
// hands, so their agreement is what every comparison of the engine with the oracle rests on.
#include "support/golden.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "oracle/m3_oracle.h"

namespace talon {
namespace {

struct Agreement {
  std::vector<double> logit_errors;  // per row
  std::vector<double> tap_errors;    // per tap row, all layers
  int64_t num_argmax_equal = 0;
};

Agreement compare(const test::Golden& golden) {
  const oracle::Weights weights = test::random_m3_weights(golden.config, golden.seed);
  const oracle::M3Output out =
      oracle::m3_forward(golden.config, weights, golden.tokens, golden.rows);
  Agreement agreement;
  for (int64_t i = 0; i < golden.logits.rows; ++i) {
    agreement.logit_errors.push_back(
        test::row_error(out.logits.row(i), golden.logits.row(i), golden.logits.cols));
    agreement.num_argmax_equal +=
        oracle::argmax(out.logits.row_span(i)) == oracle::argmax(golden.logits.row_span(i)) ? 1 : 0;
  }
  for (size_t layer = 0; layer < golden.tap_layers.size(); ++layer) {
    const auto& inputs = out.layer_inputs[static_cast<size_t>(golden.tap_layers[layer])];
    for (int64_t i = 0; i < golden.taps[layer].rows; ++i) {
      const int64_t position = golden.tap_rows[static_cast<size_t>(i)];
      agreement.tap_errors.push_back(test::row_error(
          inputs.row(position), golden.taps[layer].row(i), golden.taps[layer].cols));
    }
  }
  return agreement;
}

// float32 against double. The largest error measured is 2.2e-6 (tests/golden/README.md); the oracle
// and the files are fixed, so there is no near tie to allow for.
constexpr double kTolerance = 1e-5;

class GoldenTest : public testing::TestWithParam<std::string> {};

TEST_P(GoldenTest, OracleAgreesOnEveryRow) {
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
  if (GetParam() == "real_constants") {
    GTEST_SKIP() << "a minute of plain arithmetic under a sanitizer; the others take the same path";
  }
#endif
  const test::Golden golden = test::read_golden(GetParam());

  const Agreement agreement = compare(golden);

  for (size_t i = 0; i < agreement.logit_errors.size(); ++i) {
    EXPECT_LE(agreement.logit_errors[i], kTolerance) << "position " << golden.rows[i];
  }
  for (size_t i = 0; i < agreement.tap_errors.size(); ++i) {
    EXPECT_LE(agreement.tap_errors[i], kTolerance) << "tap row " << i;
  }
  EXPECT_EQ(agreement.num_argmax_equal, golden.logits.rows);
}

INSTANTIATE_TEST_SUITE_P(All,
                         GoldenTest,
                         testing::ValuesIn(test::golden_names()),
                         [](const auto& param) { return param.param; });

}  // namespace
}  // namespace talon
