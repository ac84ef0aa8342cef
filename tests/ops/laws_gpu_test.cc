// The ops that work on laws of tokens, CUDA against the CPU: drafts drawn from a drafter, block
// verification, log-probabilities. Tokens and counts are exact.
// Covers: ops/draw_draft ops/verify_block ops/token_logprobs
#include <gtest/gtest.h>

#include <cmath>
#include <string>
#include <utility>
#include <vector>

#include "ops/draw_draft.h"
#include "ops/token_logprobs.h"
#include "ops/verify_block.h"
#include "tests/ops/cuda_run.h"

namespace talon::ops {
namespace {

constexpr Bound kExact = {0.0, 0.0};
constexpr Bound kLaw = {0x1p-20, 1e-12};

template <class T>
ConstTensorView list_of(const std::vector<T>& list) {
  return ConstTensorView(list.data(), Shape{std::ssize(list)});
}

// Row 1 holds nothing to draw from, row 2 only equal values.
TestTensor some_logits(int64_t rows, int64_t size, int64_t padding) {
  auto logits = TestTensor::random(DType::kF32, {rows, size}, 1, 6.0F, padding);
  for (int64_t i = 0; i < size; ++i) {
    if (rows > 2) {
      logits.set(size + i, i % 2 == 0 ? std::nanf("") : -INFINITY);
      logits.set(2 * size + i, 0.25F);
    }
  }
  return logits;
}

std::vector<uint8_t> some_allowed(int64_t size) {
  std::vector<uint8_t> allowed;
  for (int64_t i = 0; i < size; ++i) {
    allowed.push_back(i % 5 == 3 ? 0 : 1);
  }
  return allowed;
}

TEST(CudaDrawDraftTest, DrawsTheCpusDraftsAndLaws) {
  TALON_TRACE_SEED();
  const std::vector<int32_t> slots = {3, 1, 0, 2, 4, 5};
  const std::vector<int32_t> active = {1, 1, 1, 0, 1, 1};
  const std::vector<int32_t> kv_len = {40, 41, 42, 43, 44, 45};
  const std::vector<int64_t> seeds = {11, -12, 13, 14, 15, 16};
  const std::vector<float> temperature = {0.7F, 0.5F, 1.0F, 2.0F, 0.0F, 0.1F};
  const TestTensor tokens = TestTensor::of(std::vector<int32_t>{7, 8, 9, 10, 11, 12}, {6, 1});
  for (const auto& [size, vocabulary] :
       {std::pair<int64_t, int64_t>{37, 90}, {32000, 200064}, {4096, 4096}}) {
    for (const bool with_laws : {true, false}) {
      SCOPED_TRACE(std::to_string(size) + (with_laws ? ", laws" : ""));
      const TestTensor logits = some_logits(6, size, 0);
      const std::vector<uint8_t> allowed = some_allowed(size);
      std::vector<int32_t> map;
      for (int64_t i = 0; i < size; ++i) {
        map.push_back(static_cast<int32_t>(i * vocabulary / size));
      }
      const TestTensor laws(DType::kF32, {6, vocabulary}, 4);
      const auto call = [&, vocabulary = vocabulary, size = size](Place& place) {
        DrawDraftArgs args;
        args.tokens = place.out(tokens);
        args.laws = with_laws ? place.out(laws) : TensorView{};
        args.logits = place.in(logits);
        args.allowed = place.in_host(list_of(allowed));
        args.map = vocabulary == size ? ConstTensorView{} : place.in_host(list_of(map));
        args.slots = place.in_host(list_of(slots));
        args.active = place.in_host(list_of(active));
        args.kv_len = place.in_host(list_of(kv_len));
        args.seeds = place.in_host(list_of(seeds));
        args.temperature = place.in_host(list_of(temperature));
        args.number = 2;
        draw_draft(place.stream(), args);
      };
      expect_cuda_near(call, with_laws ? std::vector<Bound>{kExact, kLaw} : std::vector{kExact});
    }
  }
}

// Rows that sum to 1; some ids have no mass.
TestTensor some_laws(const Shape& shape, uint64_t purpose) {
  auto laws = TestTensor::random(DType::kF32, shape, purpose);
  const int64_t size = laws.num_columns();
  for (int64_t row = 0; row * size < laws.num_elements(); ++row) {
    double total = 0.0;
    for (int64_t i = row * size; i < (row + 1) * size; ++i) {
      laws.set(i, i % 4 == 1 ? 0.0F : std::exp(3.0F * static_cast<float>(laws.value(i))));
      total += laws.value(i);
    }
    for (int64_t i = row * size; i < (row + 1) * size; ++i) {
      laws.set(i, static_cast<float>(laws.value(i) / total));
    }
  }
  return laws;
}

TEST(CudaVerifyBlockTest, AcceptsTheCpusNumbers) {
  TALON_TRACE_SEED();
  constexpr int64_t kSequences = 40;
  constexpr int64_t kDrafts = 3;
  constexpr int64_t kSlots = 8;
  for (const int64_t vocabulary : {6, 4096}) {
    TestRng rng(4);
    TestTensor drafts(DType::kI32, {kSequences, kDrafts});
    std::vector<int32_t> first;
    std::vector<int32_t> num_drafts;
    std::vector<int32_t> slots;
    std::vector<int32_t> choices;
    std::vector<int32_t> indices;
    for (int32_t b = 0; b < kSequences; ++b) {
      slots.push_back(b % 8);
      num_drafts.push_back(static_cast<int32_t>(rng.integer(0, kDrafts)));
      first.push_back(b % 11 == 3 ? -1 : static_cast<int32_t>(choices.size()));
      for (int64_t j = 0; first.back() >= 0 && j <= num_drafts.back(); ++j) {
        indices.push_back(static_cast<int32_t>(100 + choices.size()));
        choices.push_back(static_cast<int32_t>(rng.integer(0, vocabulary - 1)));
      }
      for (int64_t j = 0; j < kDrafts; ++j) {
        drafts.at<int32_t>(b * kDrafts + j) = static_cast<int32_t>(rng.integer(0, 5));
      }
    }
    const TestTensor target = some_laws({std::ssize(choices), vocabulary}, 5);
    const TestTensor draft = some_laws({kSlots, kDrafts, vocabulary}, 6);
    const std::vector<int64_t> seeds = {1, 2, 3, -4, 5, 6, 7, 8};
    const std::vector<float> temperature = {1.0F, 0.0F, 1.0F, 1.0F, 2.0F, 1.0F, 1.0F, 1.0F};
    const TestTensor before(DType::kI32, {kSequences});
    const auto call = [&](Place& place) {
      VerifyBlockArgs args;
      args.accepted = place.out(before);
      args.next_token = place.out(before);
      args.target_laws = place.in(target);
      args.draft_laws = place.in(draft);
      args.choices = place.in_host(list_of(choices));
      args.first_choice = place.in_host(list_of(first));
      args.indices = place.in_host(list_of(indices));
      args.drafts = place.in(drafts);
      args.num_drafts = place.in_host(list_of(num_drafts));
      args.slots = place.in_host(list_of(slots));
      args.seeds = place.in_host(list_of(seeds));
      args.temperature = place.in_host(list_of(temperature));
      verify_block(place.stream(), args);
    };
    expect_cuda_near(call, {kExact, kExact});
  }
}

TEST(CudaTokenLogprobsTest, ListsTheCpusLikeliest) {
  TALON_TRACE_SEED();
  const std::vector<int32_t> rows = {0, 3, 1, 2, 0, 3};
  const std::vector<int32_t> tokens = {1, 4, 2, 3, -1, 0};
  const std::vector<int32_t> num_top = {5, 0, 3, 8, 2, -1};
  for (const int64_t vocabulary : {7, 4096, 200064}) {
    const TestTensor logits = some_logits(4, vocabulary, 2);
    const std::vector<uint8_t> allowed = some_allowed(vocabulary);
    const auto call = [&](Place& place) {
      TokenLogprobsArgs args;
      args.logprobs = place.out(TestTensor(DType::kF32, {6}));
      args.top_ids = place.out(TestTensor(DType::kI32, {6, 8}));
      args.top_logprobs = place.out(TestTensor(DType::kF32, {6, 8}));
      args.logits = place.in(logits);
      args.allowed = place.in_host(list_of(allowed));
      args.rows = place.in_host(list_of(rows));
      args.tokens = place.in_host(list_of(tokens));
      args.num_top = place.in_host(list_of(num_top));
      token_logprobs(place.stream(), args);
    };
    expect_cuda_near(call, {{0x1p-20, 1e-6}, kExact, {0x1p-20, 1e-6}});
  }
}

}  // namespace
}  // namespace talon::ops
