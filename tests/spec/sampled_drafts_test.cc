// Drafts that are drawn: each from the law that the drafter leaves for it, over the target's ids,
// with its own noise or the target's; greedy neighbours draft as if nobody drew. The laws
// themselves are the softmax of logits whose largest is the greedy draft
// (tests/ops/draw_draft_test.cc has the formula, eagle3_drafter_test.cc the logits).
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <memory>
#include <vector>

#include "ops/token_noise.h"
#include "support/random_drafter.h"
#include "support/random_model.h"
#include "support/random_weights.h"
#include "support/step_driver.h"

namespace talon {
namespace {

constexpr uint64_t kSeed = 29;
constexpr int32_t kDrafts = 3;
constexpr int32_t kVocab = 320;
constexpr int32_t kSlots = 4;
// Slots of the three sequences; the second is greedy.
const std::vector<int32_t> kSlotOf = {2, 0, 3};
const std::vector<int64_t> kSeeds = {7, 8, 9, -10};
const std::vector<float> kTemperature = {0.0F, 1.0F, 1.5F, 0.5F};
const std::vector<int32_t> kKvLen = {5, 6, 7};

using Drafts = std::vector<std::vector<int32_t>>;

const M3Model& target() {
  static const auto kTarget =
      test::random_model({.seed = kSeed, .with_tokenizer = false}, ActivationType::kF32);
  return *kTarget;
}

class SampledDraftsTest : public testing::TestWithParam<int32_t> {
 protected:
  SampledDraftsTest() {
    test::HeadOptions options{.seed = kSeed};
    options.config.draft_vocab_size = GetParam();
    options.lm_head = test::SharedTensor::kOwn;
    drafter_ = test::random_drafter(options, target());
  }

  // The drafts of three sequences after an extension by random taps.
  Drafts draft(const DraftSampling& sampling, int32_t num_drafts = kDrafts) const {
    test::StepDriver driver(target(), drafter_.get(), {});
    std::vector<test::StepSequence> sequences;
    std::vector<int32_t> last_rows;
    int32_t num_rows = 0;
    for (int32_t b = 0; b < 3; ++b) {
      const int32_t length = kKvLen[static_cast<size_t>(b)];
      sequences.push_back({.tokens = std::vector<int32_t>(static_cast<size_t>(length), 0),
                           .kv_len = 0,
                           .pages = {b + 1},
                           .logit_rows = {}});
      num_rows += length;
      last_rows.push_back(num_rows - 1);
    }
    test::RowsCopy taps{
        .dtype = DType::kF32, .num_rows = num_rows, .num_columns = 3 * 64, .bytes = {}};
    for (const uint16_t word : test::random_bf16(kSeed, "taps", {num_rows, 3 * 64})) {
      const float value = test::from_bf16(word) * 16.0F;
      const auto* bytes = reinterpret_cast<const std::byte*>(&value);
      taps.bytes.insert(taps.bytes.end(), bytes, bytes + sizeof(value));
    }
    const auto features =
        driver.extend({.sequences = sequences,
                       .taps = taps,
                       .next_tokens = test::random_tokens(kSeed, num_rows, kVocab),
                       .last_rows = last_rows});
    return driver.draft({.features = features,
                         .kv_len = kKvLen,
                         .active = {1, 1, 1},
                         .pages = {{1}, {2}, {3}},
                         .num_drafts = num_drafts,
                         .sampling = sampling});
  }

  DraftSampling sampling(TensorView laws) {
    return {.slots = TensorView(slots_.data(), Shape{3}),
            .seeds = TensorView(seeds_.data(), Shape{kSlots}),
            .temperature = TensorView(temperature_.data(), Shape{kSlots}),
            .laws = laws};
  }

  std::unique_ptr<Eagle3Drafter> drafter_;
  std::vector<int32_t> slots_ = kSlotOf;
  std::vector<int64_t> seeds_ = kSeeds;
  std::vector<float> temperature_ = kTemperature;
};

int32_t draw(const float* law, int64_t seed, int64_t index, int32_t part) {
  ops::TokenNoise noise(seed, index, RngPurpose::kToken, part);
  double best_score = -std::numeric_limits<double>::infinity();
  int32_t best = -1;
  for (int32_t id = 0; id < kVocab; ++id) {
    const double score = std::log(static_cast<double>(law[id])) + noise.gumbel(id);
    best = score > best_score ? id : best;
    best_score = std::max(score, best_score);
  }
  return best;
}

TEST_P(SampledDraftsTest, AreDrawnFromTheLawsThatAreKept) {
  // One law more than there are drafts, as in a round that makes fewer than it could.
  std::vector<float> laws(static_cast<size_t>(kSlots * (kDrafts + 1) * kVocab), -1.0F);
  const auto law_of = [&](int32_t slot, int32_t i) {
    return laws.data() + (slot * (kDrafts + 1) + i) * kVocab;
  };
  const Drafts greedy = draft({});

  const Drafts drafts =
      draft(sampling(TensorView(laws.data(), Shape{kSlots, kDrafts + 1, kVocab})));

  EXPECT_EQ(drafts[1], greedy[1]);
  for (const size_t b : {size_t{0}, size_t{2}}) {
    const int32_t slot = kSlotOf[b];
    for (int32_t i = 0; i < kDrafts; ++i) {
      const float* law = law_of(slot, i);
      double total = 0.0;
      int64_t num_ids = 0;
      for (int32_t id = 0; id < kVocab; ++id) {
        total += static_cast<double>(law[id]);
        num_ids += law[id] > 0.0F ? 1 : 0;
      }
      EXPECT_NEAR(total, 1.0, 1e-5);
      EXPECT_EQ(num_ids, GetParam()) << "only ids that the drafter has";
      EXPECT_EQ(drafts[b][static_cast<size_t>(i)],
                draw(law, kSeeds[static_cast<size_t>(slot)], kKvLen[b] + 1 + i, i + 1));
    }
    EXPECT_EQ(std::max_element(law_of(slot, 0), law_of(slot, 1)) - law_of(slot, 0), greedy[b][0]);
    EXPECT_EQ(*law_of(slot, kDrafts), -1.0F) << "no draft, no law";
  }
  EXPECT_EQ(*law_of(0, 0), -1.0F) << "greedy";
  EXPECT_EQ(*law_of(1, 0), -1.0F) << "nobody's slot";
}

TEST_P(SampledDraftsTest, ShareTheTargetsNoiseIfNoLawIsKept) {
  std::vector<float> laws(static_cast<size_t>(kSlots * kDrafts * kVocab), 0.0F);
  draft(sampling(TensorView(laws.data(), Shape{kSlots, kDrafts, kVocab})));

  const Drafts drafts = draft(sampling({}));

  for (const size_t b : {size_t{0}, size_t{2}}) {
    const int32_t slot = kSlotOf[b];
    EXPECT_EQ(drafts[b][0], draw(laws.data() + slot * kDrafts * kVocab,
                                 kSeeds[static_cast<size_t>(slot)], kKvLen[b] + 1, 0));
  }
  EXPECT_EQ(drafts[1], draft({})[1]);
  EXPECT_EQ(draft(sampling({}), 1)[0][0], drafts[0][0]) << "whatever K is";
}

INSTANTIATE_TEST_SUITE_P(DraftVocabularies, SampledDraftsTest, testing::Values(320, 64));

}  // namespace
}  // namespace talon
