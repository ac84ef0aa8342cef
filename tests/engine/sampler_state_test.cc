// The arrays behind the settings of a slot, by hand: what a patch writes, that it replaces all of
// the slot and nothing of its neighbours, and what counting adds.
#include "engine/sampler_state.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <vector>

#include "core/cpu_context.h"
#include "core/stream.h"
#include "ops/choose.h"

namespace talon {
namespace {

constexpr int32_t kVocab = 40;  // two words of bits

std::vector<TokenId> tokens(const std::vector<int32_t>& ids) {
  std::vector<TokenId> all;
  all.reserve(ids.size());
  for (const int32_t id : ids) {
    all.emplace_back(id);
  }
  return all;
}

SlotPatch full_patch(int32_t slot) {
  SlotPatch patch;
  patch.slot = SlotIndex{slot};
  patch.sampling.temperature = 0.5F;
  patch.sampling.top_k = 3;
  patch.sampling.top_p = 0.25F;
  patch.sampling.min_p = 0.125F;
  patch.sampling.repetition_penalty = 1.5F;
  patch.sampling.presence_penalty = -1.0F;
  patch.sampling.frequency_penalty = 2.0F;
  patch.sampling.seed = -5;
  patch.sampling.logit_bias = {{.token = TokenId{39}, .bias = 7.0F},
                               {.token = TokenId{0}, .bias = -7.0F}};
  patch.sampling.allowed_token_ids = tokens({0, 33, 5});
  patch.sampling.bad_token_ids = tokens({5});
  patch.min_end_index = 9;
  patch.end_ids = tokens({4, 38});
  patch.tokens = tokens({7, 7, 8, 7, 9, 9});
  patch.prompt_len = 3;
  return patch;
}

std::vector<int32_t> first_ints(const ConstTensorView& rows, int32_t slot, size_t count) {
  const auto* row = rows.row<int32_t>(slot);
  return {row, row + count};
}

void expect_full(const ops::SlotSampling& views, int32_t slot) {
  EXPECT_EQ(views.flags.as<int32_t>()[slot],
            ops::kSlotHoldsEnds | ops::kSlotMasks | ops::kSlotBiases | ops::kSlotPenalises);
  EXPECT_EQ(views.seed.as<int64_t>()[slot], -5);
  EXPECT_EQ(views.temperature.as<float>()[slot], 0.5F);
  EXPECT_EQ(views.top_k.as<int32_t>()[slot], 3);
  EXPECT_EQ(views.top_p.as<float>()[slot], 0.25F);
  EXPECT_EQ(views.min_p.as<float>()[slot], 0.125F);
  EXPECT_EQ(views.repetition.as<float>()[slot], 1.5F);
  EXPECT_EQ(views.presence.as<float>()[slot], -1.0F);
  EXPECT_EQ(views.frequency.as<float>()[slot], 2.0F);
  EXPECT_EQ(views.min_end_index.as<int32_t>()[slot], 9);
  EXPECT_EQ(first_ints(views.end_ids, slot, 3), (std::vector<int32_t>{4, 38, -1}));
  EXPECT_EQ(first_ints(views.bias_ids, slot, 3), (std::vector<int32_t>{39, 0, -1}));
  EXPECT_EQ(views.bias_values.row<float>(slot)[0], 7.0F);
  EXPECT_EQ(views.bias_values.row<float>(slot)[1], -7.0F);
  EXPECT_EQ(first_ints(views.masks, slot, 2), (std::vector<int32_t>{1, 2}));
  std::vector<int32_t> counts(kVocab, 0);
  counts[7] = 1 + 2;
  counts[8] = 1;
  counts[9] = 4;
  EXPECT_EQ(first_ints(views.counts, slot, kVocab), counts);
}

TEST(SamplerStateTest, StartsPlainGreedy) {
  const SamplerState state(3, kVocab);

  for (int32_t slot = 0; slot < 3; ++slot) {
    EXPECT_TRUE(state.is_plain_greedy(SlotIndex{slot}));
    EXPECT_EQ(state.views().flags.as<int32_t>()[slot], 0);
    EXPECT_EQ(state.views().top_p.as<float>()[slot], 1.0F);
    EXPECT_EQ(state.views().repetition.as<float>()[slot], 1.0F);
  }
}

TEST(SamplerStateTest, APatchWritesItsSlotAndNoOther) {
  CpuContext context(1);
  SamplerState state(3, kVocab);
  state.apply(Stream(context), full_patch(0));
  state.apply(Stream(context), full_patch(2));
  state.apply(Stream(context), full_patch(1));
  SlotPatch plain;
  plain.slot = SlotIndex{1};
  state.apply(Stream(context), plain);

  expect_full(state.views(), 0);
  expect_full(state.views(), 2);
  EXPECT_FALSE(state.is_plain_greedy(SlotIndex{0}));
  EXPECT_TRUE(state.is_plain_greedy(SlotIndex{1}));
  EXPECT_EQ(state.views().flags.as<int32_t>()[1], 0);

  state.apply(Stream(context), full_patch(1));
  expect_full(state.views(), 1);
}

TEST(SamplerStateTest, BadIdsAloneLeaveTheOthers) {
  CpuContext context(1);
  SamplerState state(1, kVocab);
  SlotPatch patch;
  patch.sampling.bad_token_ids = tokens({1, 32});

  state.apply(Stream(context), patch);

  EXPECT_EQ(first_ints(state.views().masks, 0, 2), (std::vector<int32_t>{~2, ~1}));
}

TEST(SamplerStateTest, CountsWhatSlotsWithPenaltiesEmit) {
  CpuContext context(1, CpuPath::kScalar, false);
  SamplerState state(2, kVocab);
  state.apply(Stream(context), full_patch(1));
  std::vector<int32_t> emitted = {8, 9, -1, 8};
  std::vector<int32_t> slots = {1, 1, 1, 0};

  state.count(Stream(context), TensorView(emitted.data(), Shape{4}),
              TensorView(slots.data(), Shape{4}));

  const auto counts = first_ints(state.views().counts, 1, 10);
  EXPECT_EQ(counts, (std::vector<int32_t>{0, 0, 0, 0, 0, 0, 0, 3, 3, 6}));
}

TEST(SamplerStateDeathTest, RefusesIdsBeyondTheVocabularyAndTooManyEnds) {
  CpuContext context(1);
  SamplerState state(1, kVocab);
  SlotPatch patch;
  patch.sampling.bad_token_ids = tokens({kVocab});
  EXPECT_DEATH(state.apply(Stream(context), patch), "token 40 of 40");
  patch = SlotPatch{};
  patch.end_ids = std::vector<TokenId>(SamplerState::kMaxEndIds + 1);
  EXPECT_DEATH(state.apply(Stream(context), patch), "97 end ids");
}

}  // namespace
}  // namespace talon
