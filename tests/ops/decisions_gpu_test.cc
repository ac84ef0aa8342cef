// The ops that decide about tokens, CUDA against the CPU: integers are exact, a draw gives the same
// token for the same seed, laws agree to the rounding of double.
#include <gtest/gtest.h>

#include <cmath>
#include <string>
#include <utility>
#include <vector>

#include "ops/accept.h"
#include "ops/argmax.h"
#include "ops/choose.h"
#include "ops/count_tokens.h"
#include "ops/emit_tokens.h"
#include "ops/force_accept.h"
#include "ops/key_tokens.h"
#include "ops/round_metadata.h"
#include "tests/ops/choose_fixture.h"
#include "tests/ops/cuda_run.h"

namespace talon::ops {
namespace {

constexpr Bound kExact = {0.0, 0.0};

TEST(CudaArgmaxTest, GivesTheCpusKeys) {
  TALON_TRACE_SEED();
  for (const auto& [rows, vocabulary] :
       {std::pair<int64_t, int64_t>{1, 1}, {5, 4096}, {3, 5000}, {2, 200064}, {0, 64}}) {
    for (const DType dtype : {DType::kF32, DType::kBf16}) {
      SCOPED_TRACE(std::to_string(rows) + " x " + std::to_string(vocabulary));
      TestTensor logits(dtype, {rows, vocabulary}, 8);
      TestRng rng(1);
      for (int64_t i = 0; i < logits.num_elements(); ++i) {
        logits.set(i, static_cast<float>(rng.integer(-50, 50)));  // ties are common
      }
      if (rows > 1) {
        for (int64_t i = 0; i < vocabulary; ++i) {
          logits.set(vocabulary + i, i % 2 == 0 ? std::nanf("") : -INFINITY);
        }
      }
      TestTensor allowed(DType::kU8, {vocabulary});
      for (int64_t i = 0; i < vocabulary; ++i) {
        allowed.at<uint8_t>(i) = i % 7 == 0 ? 0 : 1;
      }
      const TestTensor keys(DType::kU64, {rows});
      expect_cuda_near(
          [&](Place& place) {
            const TensorView all = place.out(keys);
            const TensorView some = place.out(keys);
            argmax(place.stream(),
                   {.keys = all, .logits = place.in(logits), .allowed = {}, .first_id = 100});
            argmax(place.stream(),
                   {.keys = some, .logits = place.in(logits), .allowed = place.in(allowed)});
          },
          {kExact, kExact});
    }
  }
}

TEST(CudaKeyTokensTest, MapsIds) {
  const TestTensor keys = TestTensor::of<uint64_t>(
      {argmax_key(1.0F, 3), 0, argmax_key(-2.0F, 0), argmax_key(0.5F, 4)}, Shape{4});
  const TestTensor map = TestTensor::of_i32({10, 20, 30, 40, 50});
  const TestTensor tokens(DType::kI32, {4, 1}, 3);
  expect_cuda_near(
      [&](Place& place) {
        const TensorView mapped = place.out(tokens);
        const TensorView plain = place.out(tokens);
        key_tokens(place.stream(),
                   {.tokens = mapped, .keys = place.in(keys), .map = place.in(map)});
        key_tokens(place.stream(), {.tokens = plain, .keys = place.in(keys), .map = {}});
      },
      {kExact, kExact});
}

TEST(CudaRoundMetadataTest, SlotsAndChainPositions) {
  TALON_TRACE_SEED();
  for (const int64_t rows : {1, 17, 300}) {
    TestRng rng(2);
    TestTensor table(DType::kI32, {9, 5}, 2);
    for (int64_t i = 0; i < table.num_elements(); ++i) {
      table.at<int32_t>(i) = static_cast<int32_t>(rng.integer(0, 20000000));
    }
    std::vector<int32_t> position;
    std::vector<int32_t> sequence;
    for (int64_t i = 0; i < rows; ++i) {
      position.push_back(static_cast<int32_t>(rng.integer(-1, 700)));
      sequence.push_back(static_cast<int32_t>(position.back() < 0 ? -9 : rng.integer(0, 8)));
    }
    std::vector<int32_t> kv_len;
    std::vector<int32_t> active;
    for (int64_t b = 0; b < 9; ++b) {
      kv_len.push_back(static_cast<int32_t>(b == 0 ? 2147483647 : rng.integer(0, 640)));
      active.push_back(b % 3 == 0 ? 0 : 1);
    }
    const TestTensor positions = TestTensor::of_i32(position);
    const TestTensor sequences = TestTensor::of_i32(sequence);
    const TestTensor lengths = TestTensor::of_i32(kv_len);
    const TestTensor actives = TestTensor::of_i32(active);
    expect_cuda_near(
        [&](Place& place) {
          const ConstTensorView pages = place.in(table);
          write_slots(place.stream(), {.slots = place.out(TestTensor(DType::kI64, {rows})),
                                       .positions = place.in(positions),
                                       .row_sequence = place.in(sequences),
                                       .page_table = pages,
                                       .context_limit = 600});
          draft_step(place.stream(), {.positions = place.out(TestTensor(DType::kI32, {9})),
                                      .slots = place.out(TestTensor(DType::kI64, {9})),
                                      .kv_len = place.in(lengths),
                                      .active = place.in(actives),
                                      .page_table = pages,
                                      .step = 2,
                                      .context_limit = 600});
        },
        {kExact, kExact, kExact});
  }
}

constexpr int64_t kSequences = 200;
constexpr int64_t kDrafts = 5;

// Random drafts and choices of three tokens, so that some agree; sequences that choose nothing.
struct Verify {
  std::vector<int32_t> first;
  std::vector<int32_t> num_drafts;
  std::vector<int32_t> choices;
  std::vector<int32_t> owners;   // slot of a sequence
  std::vector<int32_t> slots;    // of a choice, some none
  std::vector<int32_t> indices;  // of a choice
  std::vector<int64_t> seeds;
  TestTensor drafts{DType::kI32, {kSequences, kDrafts}};

  Verify() {
    TestRng rng(3);
    for (int32_t b = 0; b < kSequences; ++b) {
      owners.push_back(b % 7);
      num_drafts.push_back(static_cast<int32_t>(rng.integer(0, kDrafts)));
      first.push_back(b % 11 == 3 ? -1 : static_cast<int32_t>(choices.size()));
      for (int64_t j = 0; first.back() >= 0 && j <= num_drafts.back(); ++j) {
        choices.push_back(static_cast<int32_t>(rng.integer(0, 2)));
      }
      for (int64_t j = 0; j < kDrafts; ++j) {
        drafts.at<int32_t>(b * kDrafts + j) = static_cast<int32_t>(rng.integer(0, 2));
      }
    }
    for (int32_t i = 0; i < std::ssize(choices); ++i) {
      slots.push_back(i % 7 - (i % 13 == 0 ? 100 : 0));
      indices.push_back(1000 + 3 * i);
    }
    for (int64_t i = 0; i < 7; ++i) {
      seeds.push_back(rng.integer(-1000000000, 1000000000));
    }
  }
};

template <class T>
ConstTensorView list_of(const std::vector<T>& list) {
  return ConstTensorView(list.data(), Shape{std::ssize(list)});
}

TEST(CudaAcceptTest, AcceptEmitAndCount) {
  TALON_TRACE_SEED();
  const Verify v;
  const std::vector<int32_t> flags = {kSlotPenalises, 0, kSlotPenalises | kSlotMasks, 0, 8, 8, 0};
  TestTensor counts(DType::kI32, {7, 3});
  for (int64_t i = 0; i < 21; ++i) {
    counts.at<int32_t>(i) = static_cast<int32_t>(i % 2);
  }
  const auto call = [&](Place& place) {
    AcceptArgs args;
    args.accepted = place.out(TestTensor(DType::kI32, {kSequences}));
    args.next_token = place.out(TestTensor(DType::kI32, {kSequences}));
    args.choices = place.in_host(list_of(v.choices));
    args.first_choice = place.in_host(list_of(v.first));
    args.drafts = place.in(v.drafts);
    args.num_drafts = place.in_host(list_of(v.num_drafts));
    accept(place.stream(), args);
    emit_tokens(place.stream(),
                {.emitted = place.out(TestTensor(DType::kI32, {std::ssize(v.choices)})),
                 .accepted = args.accepted,
                 .next_token = args.next_token,
                 .first_choice = args.first_choice,
                 .drafts = args.drafts,
                 .num_drafts = args.num_drafts});
    count_tokens(place.stream(), {.counts = place.out(counts),
                                  .flags = place.in_host(list_of(flags)),
                                  .tokens = args.choices,
                                  .slots = place.in_host(list_of(v.slots))});
  };
  expect_cuda_near(call, {kExact, kExact, kExact, kExact});
}

TEST(CudaForceAcceptTest, DrawsTheCpusNumbers) {
  TALON_TRACE_SEED();
  const Verify v;
  for (const double extra : {0.0, 0.3, 1.4, 9.0}) {
    const auto call = [&](Place& place) {
      const TensorView accepted = place.out(TestTensor(DType::kI32, {kSequences}));
      const TensorView next = place.out(TestTensor(DType::kI32, {kSequences}));
      force_accept(place.stream(), {.accepted = accepted,
                                    .next_token = next,
                                    .choices = place.in_host(list_of(v.choices)),
                                    .first_choice = place.in_host(list_of(v.first)),
                                    .num_drafts = place.in_host(list_of(v.num_drafts)),
                                    .slots = place.in_host(list_of(v.owners)),
                                    .seeds = place.in_host(list_of(v.seeds)),
                                    .indices = place.in_host(list_of(v.indices)),
                                    .extra = extra});
    };
    expect_cuda_near(call, {kExact, kExact});
  }
}

SlotSettings random_settings(TestRng& rng, int64_t vocabulary) {
  const auto one_of = [&rng](auto... values) {
    const std::vector<double> list = {static_cast<double>(values)...};
    return list[static_cast<size_t>(rng.integer(0, std::ssize(list) - 1))];
  };
  const auto id = [&] { return static_cast<int32_t>(rng.integer(0, vocabulary - 1)); };
  SlotSettings slot;
  slot.seed = rng.integer(-1000000, 1000000);
  slot.temperature = static_cast<float>(one_of(0.0, 0.3, 1.0, 1.0, 2.0));
  slot.top_k = static_cast<int32_t>(one_of(0, 0, 1, 5, 50, 1000000));
  slot.top_p = static_cast<float>(one_of(1.0, 1.0, 0.9, 0.5, 0.001));
  slot.min_p = static_cast<float>(one_of(0.0, 0.0, 0.05, 0.6));
  slot.repetition = static_cast<float>(one_of(1.0, 1.0, 1.3));
  slot.presence = static_cast<float>(one_of(0.0, 0.0, 0.7));
  slot.frequency = static_cast<float>(one_of(0.0, 0.0, 0.4));
  slot.min_end_index = static_cast<int32_t>(rng.integer(0, 40));
  for (int i = 0; i < 3; ++i) {
    slot.prompt.push_back(id());
    slot.generated.push_back(id());
  }
  if (rng.integer(0, 2) == 0) {
    slot.end_ids = {id(), id()};
  }
  for (int i = 0; rng.integer(0, 3) == 0 && i < 20; ++i) {
    slot.kept_ids.push_back(id());
  }
  if (rng.integer(0, 2) == 0) {
    slot.biases = {{0, rng.uniform(-3.0F, 3.0F)},
                   {static_cast<int32_t>(vocabulary - 1), rng.uniform(-3.0F, 3.0F)}};
  }
  return slot;
}

// All the same logits as well: then ties decide everything.
TestTensor random_logits(int64_t rows, int64_t vocabulary, TestRng& rng) {
  TestTensor logits(DType::kF32, {rows, vocabulary});
  for (int64_t r = 0; r < rows; ++r) {
    const int64_t kind = r % 4;
    for (int64_t i = 0; i < vocabulary; ++i) {
      float value = rng.uniform(-8.0F, 8.0F);
      value = kind == 1 ? std::floor(value) : kind == 2 ? 1.5F : value;
      if (kind == 3 && i % 9 == 0) {
        value = i % 2 == 0 ? std::nanf("") : -INFINITY;
      }
      logits.set(r * vocabulary + i, value);
    }
  }
  return logits;
}

void expect_same_choices(int64_t vocabulary, int64_t num_slots, int64_t num_choices) {
  TestRng rng(static_cast<uint64_t>(vocabulary));
  std::vector<SlotSettings> slots;
  for (int64_t s = 0; s < num_slots; ++s) {
    slots.push_back(random_settings(rng, vocabulary));
  }
  const TestTensor logits = random_logits(8, vocabulary, rng);
  std::vector<Choice> choices;
  for (int64_t c = 0; c < num_choices; ++c) {
    Choice choice;
    choice.slot = c % 9 == 8 ? -1 : static_cast<int32_t>(rng.integer(0, num_slots - 1));
    choice.logit_row = static_cast<int32_t>(rng.integer(0, 7));
    choice.index = static_cast<int32_t>(rng.integer(0, 80));
    for (int64_t i = rng.integer(0, 3); i > 0; --i) {
      choice.before.push_back(static_cast<int32_t>(rng.integer(0, vocabulary - 1)));
    }
    for (int i = 0; c % 5 == 0 && i < 12; ++i) {
      choice.kept_ids.push_back(static_cast<int32_t>(rng.integer(0, vocabulary - 1)));
    }
    choices.push_back(choice);
  }
  const SlotArrays slot_arrays(slots, vocabulary);
  const ChoiceArrays choice_arrays(choices, vocabulary);
  TestTensor allowed(DType::kU8, {vocabulary});
  for (int64_t i = 0; i < vocabulary; ++i) {
    allowed.at<uint8_t>(i) = i % 6 == 1 ? 0 : 1;
  }
  const auto call = [&](Place& place) {
    ChooseArgs args;
    args.choices = place.out(TestTensor(DType::kI32, {num_choices}));
    args.probabilities = place.out(TestTensor(DType::kF32, {num_choices, vocabulary}));
    args.logits = place.in(logits);
    args.allowed = place.in(allowed);
    args.rows = choice_arrays.views();
    for (ConstTensorView* view :
         {&args.rows.slots, &args.rows.logit_rows, &args.rows.indices, &args.rows.num_before,
          &args.rows.token_rows, &args.rows.tokens, &args.rows.mask_rows, &args.rows.masks}) {
      *view = place.in_host(*view);
    }
    args.slots = slot_arrays.views();
    for (ConstTensorView* view :
         {&args.slots.flags, &args.slots.seed, &args.slots.temperature, &args.slots.top_k,
          &args.slots.top_p, &args.slots.min_p, &args.slots.repetition, &args.slots.presence,
          &args.slots.frequency, &args.slots.min_end_index, &args.slots.end_ids, &args.slots.masks,
          &args.slots.bias_ids, &args.slots.bias_values, &args.slots.counts}) {
      *view = place.in_host(*view);
    }
    const Arena::Scope scope(place.arena());
    args.keys = place.arena().take(DType::kU64, {num_choices});
    args.scratch = place.arena().take(DType::kU8, {3, choose_scratch_bytes(vocabulary)});
    choose(place.stream(), args);
  };
  expect_cuda_near(call, {kExact, {0x1p-20, 1e-12}});
}

TEST(CudaChooseTest, DrawsTheCpusTokens) {
  TALON_TRACE_SEED();
  expect_same_choices(5, 12, 60);
  expect_same_choices(37, 20, 120);
  expect_same_choices(4096, 24, 120);
}

TEST(CudaChooseTest, DrawsFromTheWholeVocabularyOfM3) {
  TALON_TRACE_SEED();
  expect_same_choices(200064, 8, 12);
}

}  // namespace
}  // namespace talon::ops
