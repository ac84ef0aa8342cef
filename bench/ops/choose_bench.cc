// Sampling one row on the CPU, per setting: temperature alone, a nucleus, the 50 likeliest, and all
// of them together, over rows as a model gives them (a few likely ids) and over flat ones. Time is
// of one row on one thread.
#include "ops/choose.h"

#include <benchmark/benchmark.h>

#include <cstdint>
#include <cstring>
#include <vector>

#include "base/rng.h"
#include "core/buffer.h"
#include "core/cpu_context.h"
#include "core/stream.h"

namespace talon::ops {
namespace {

// Logits of about a normal law: sums of four uniform numbers, scaled. A likely id stands 12 above.
std::vector<float> row_of(int64_t vocabulary, bool is_flat) {
  std::vector<float> row;
  row.reserve(static_cast<size_t>(vocabulary));
  for (int64_t id = 0; id < vocabulary; ++id) {
    float sum = 0.0F;
    for (uint32_t lane = 0; lane < 4; ++lane) {
      sum += uniform_float(1, static_cast<uint64_t>(id), RngPurpose::kTest, lane);
    }
    row.push_back(4.0F * (sum - 2.0F) + (!is_flat && id % 1000 == 7 ? 12.0F : 0.0F));
  }
  return row;
}

struct Settings {
  float temperature;
  int32_t top_k;
  float top_p;
  float min_p;
};
constexpr Settings kSettings[] = {{1.0F, 0, 1.0F, 0.0F},
                                  {1.0F, 0, 0.95F, 0.0F},
                                  {0.8F, 50, 1.0F, 0.0F},
                                  {0.8F, 50, 0.95F, 0.02F}};

// Arguments: vocabulary, 1 for flat logits, which of the settings.
void choose_row(benchmark::State& state) {
  const int64_t vocabulary = state.range(0);
  const Settings& settings = kSettings[static_cast<size_t>(state.range(2))];
  CpuContext context(1);
  const std::vector<float> logits = row_of(vocabulary, state.range(1) == 1);
  const std::vector<uint8_t> allowed(logits.size(), 1);
  const Buffer scratch = Buffer::zeroed(choose_scratch_bytes(vocabulary));
  const Buffer unused = Buffer::zeroed(4 * vocabulary);
  const int32_t zero = 0;
  const int32_t none = -1;
  const int64_t seed = 11;
  const float one = 1.0F;
  int32_t index = 0;
  int32_t choice = 0;
  uint64_t key = 0;
  const auto ints = [](const int32_t* p) { return ConstTensorView(p, Shape{1}); };
  const auto floats = [](const float* p) { return ConstTensorView(p, Shape{1}); };
  const ConstTensorView words = unused.view(DType::kI32, Shape{1, (vocabulary + 31) / 32});
  const ChooseArgs args = {
      .choices = TensorView(&choice, Shape{1}),
      .logits = ConstTensorView(logits.data(), Shape{1, vocabulary}),
      .allowed = ConstTensorView(allowed.data(), Shape{vocabulary}),
      .rows = {.slots = ints(&zero),
               .logit_rows = ints(&zero),
               .indices = ints(&index),
               .num_before = ints(&zero),
               .token_rows = ints(&zero),
               .tokens = ints(&zero)},
      .slots = {.flags = ints(&zero),
                .seed = ConstTensorView(&seed, Shape{1}),
                .temperature = floats(&settings.temperature),
                .top_k = ints(&settings.top_k),
                .top_p = floats(&settings.top_p),
                .min_p = floats(&settings.min_p),
                .repetition = floats(&one),
                .presence = floats(&one),
                .frequency = floats(&one),
                .min_end_index = ints(&zero),
                .end_ids = ConstTensorView(&none, Shape{1, 1}),
                .masks = words,
                .bias_ids = ConstTensorView(&none, Shape{1, 1}),
                .bias_values = ConstTensorView(&one, Shape{1, 1}),
                .counts = unused.view(DType::kI32, Shape{1, vocabulary})},
      .keys = TensorView(&key, Shape{1}),
      .scratch = scratch.view(DType::kU8, Shape{1, choose_scratch_bytes(vocabulary)})};
  for (auto _ : state) {
    ++index;  // other noise
    choose(Stream(context), args);
    benchmark::DoNotOptimize(choice);
  }
}

BENCHMARK(choose_row)
    ->ArgsProduct({{4096, 200064}, {0, 1}, {0, 1, 2, 3}})
    ->Unit(benchmark::kMicrosecond);

}  // namespace
}  // namespace talon::ops
