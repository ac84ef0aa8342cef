// The head of the embedded pair against itself with other settings, on the pair's own task: drafts
// made with the configured taps and flags must agree with the target best. Wrong taps, a wrong
// reading of norm_output or of the residual load without a message and only draft badly, so this is
// the one test that sees them (spec/eagle3.md 17, T12).
#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>
#include <memory>
#include <string>
#include <vector>

#include "base/json.h"
#include "model/checkpoint.h"
#include "oracle/matrix.h"
#include "spec/eagle3_drafter.h"
#include "support/random_model.h"
#include "support/step_driver.h"
#include "text/tokenizer.h"

namespace talon {
namespace {

constexpr int32_t kNumDrafts = 3;
constexpr int32_t kStride = 6;  // positions between two chains
constexpr int kNumProblems = 12;

std::filesystem::path source_path(const std::string& name) {
  return std::filesystem::path(TALON_SOURCE_DIR) / name;
}

struct Variant {
  int32_t tap_shift = 0;
  bool flips_norm_output = false;
  bool flips_norm_before_residual = false;
};

std::unique_ptr<Eagle3Drafter> make_drafter(const Model& target, const Variant& variant) {
  const Checkpoint checkpoint = Checkpoint::open(source_path("models/talon-tiny-eagle3"));
  Eagle3Config config = parse_eagle3_config(checkpoint.read_text("config.json")).value();
  Eagle3Weights weights = load_eagle3_weights(checkpoint, config, target);
  for (int32_t& tap : weights.taps) {
    tap += variant.tap_shift;
  }
  config.norm_output = config.norm_output != variant.flips_norm_output;
  config.norm_before_residual = config.norm_before_residual != variant.flips_norm_before_residual;
  return std::make_unique<Eagle3Drafter>(std::move(weights), std::move(config),
                                         ModelTypes{.activation = target.activation_type()},
                                         std::span<const uint8_t>{});
}

// A worked problem as the target sees it, with what it thinks of every position.
struct Text {
  std::vector<int32_t> tokens;
  std::vector<int32_t> choices;  // the target's greedy choice after each position
  test::RowsCopy layer_inputs;   // [T, L * C]
};

std::vector<Text> worked_problems(const Model& target) {
  const text::Tokenizer tokenizer = text::Tokenizer::load(source_path("models/talon-tiny"));
  std::ifstream file(source_path("data/eval/word_problems.jsonl"));
  std::vector<Text> texts;
  std::string line;
  while (std::ssize(texts) < kNumProblems && std::getline(file, line)) {
    const Json problem = parse_json(line).value();
    Text text;
    for (const TokenId id :
         tokenizer.encode("Question: " + problem.at("question").get<std::string>() +
                          "\nAnswer: " + problem.at("answer").get<std::string>())) {
      text.tokens.push_back(id.value);
    }
    const auto length = std::ssize(text.tokens);
    test::StepDriver driver(target, nullptr, {});
    const test::StepSequence sequence{.tokens = text.tokens,
                                      .kv_len = 0,
                                      .pages = test::page_ids(test::pages_for(length)),
                                      .logit_rows = test::row_range(length)};
    const std::vector<int32_t> layers = test::row_range(target.limits().num_layers);
    const test::StepOutput out = driver.forward({&sequence, 1}, layers);
    for (int64_t p = 0; p < length; ++p) {
      text.choices.push_back(oracle::argmax(out.logits.row(p)));
    }
    text.layer_inputs = out.taps;
    texts.push_back(std::move(text));
  }
  return texts;
}

// Rows [begin, end) of the inputs of `layers`, side by side.
test::RowsCopy taps_of(
    const Text& text, std::span<const int32_t> layers, int64_t width, int32_t begin, int32_t end) {
  test::RowsCopy taps{.dtype = text.layer_inputs.dtype,
                      .num_rows = end - begin,
                      .num_columns = std::ssize(layers) * width,
                      .bytes = {}};
  const int64_t size = width * dtype_bytes(taps.dtype);
  for (int32_t p = begin; p < end; ++p) {
    const std::vector<std::byte> row = text.layer_inputs.row_bytes(p);
    for (const int32_t layer : layers) {
      taps.bytes.insert(taps.bytes.end(), row.begin() + layer * size,
                        row.begin() + (layer + 1) * size);
    }
  }
  return taps;
}

// Accepted drafts a chain, if every kStride positions a chain started.
double accepted_length(const Model& target,
                       const std::vector<Text>& texts,
                       const Variant& variant) {
  const std::unique_ptr<Eagle3Drafter> drafter = make_drafter(target, variant);
  int64_t num_chains = 0;
  int64_t num_accepted = 0;
  for (const Text& text : texts) {
    test::StepDriver driver(target, drafter.get(), {});
    const auto last = static_cast<int32_t>(text.tokens.size()) - kNumDrafts - 1;
    const std::vector<int32_t> pages = test::page_ids(8);
    for (int32_t begin = 0; begin + kStride <= last; begin += kStride) {
      const int32_t end = begin + kStride;
      const test::StepSequence rows{.tokens = std::vector<int32_t>(kStride, 0),
                                    .kv_len = begin,
                                    .pages = pages,
                                    .logit_rows = {}};
      const test::RowsCopy features = driver.extend(
          {.sequences = {&rows, 1},
           .taps = taps_of(text, drafter->taps(), target.limits().hidden_size, begin, end),
           .next_tokens = std::span(text.tokens).subspan(static_cast<size_t>(begin) + 1, kStride),
           .last_rows = std::vector<int32_t>{kStride - 1}});
      const std::vector<int32_t> drafts = driver.draft({.features = features,
                                                        .kv_len = {end},
                                                        .active = {1},
                                                        .pages = {pages},
                                                        .num_drafts = kNumDrafts})[0];
      // The chain's first draft follows token `end`, which the target chose after it.
      const auto wrong = std::mismatch(drafts.begin(), drafts.end(), text.choices.begin() + end);
      num_accepted += wrong.first - drafts.begin();
      ++num_chains;
    }
  }
  return static_cast<double>(num_accepted) / static_cast<double>(num_chains);
}

class HeadSelfTest : public testing::Test {
 protected:
  double accepted(const Variant& variant) const {
    return accepted_length(*target_, texts_, variant);
  }

  const std::unique_ptr<M3Model> target_ =
      test::load_model(source_path("models/talon-tiny"), ActivationType::kBf16);
  const std::vector<Text> texts_ = worked_problems(*target_);
};

TEST_F(HeadSelfTest, ShiftedTapsDraftWorseWhateverTheFlags) {
  const double configured = accepted({});
  ASSERT_EQ(std::ssize(texts_), kNumProblems);
  EXPECT_GT(configured, 1.5);

  for (const int32_t shift : {-1, 1}) {
    for (const bool flips_norm : {false, true}) {
      for (const bool flips_residual : {false, true}) {
        EXPECT_LT(accepted({.tap_shift = shift,
                            .flips_norm_output = flips_norm,
                            .flips_norm_before_residual = flips_residual}),
                  configured)
            << "taps shifted by " << shift << ", norm_output flipped " << flips_norm
            << ", norm_before_residual flipped " << flips_residual;
      }
    }
  }
}

// This head hardly cares which residual it gets, as long as its size is that of a normed one: the
// other reading may not win, and need not lose.
TEST_F(HeadSelfTest, OtherFlagsDoNotWin) {
  const double configured = accepted({});

  EXPECT_LT(accepted({.flips_norm_output = true}), 0.7 * configured);
  EXPECT_LT(accepted({.flips_norm_before_residual = true}), configured + 0.02);
  EXPECT_LT(accepted({.flips_norm_output = true, .flips_norm_before_residual = true}),
            configured + 0.02);
}

}  // namespace
}  // namespace talon
