// The ops between the matrix products, at the shapes of talon-tiny (hidden 256) and of M3 (hidden
// 6144), for 1, 4 and 8 rows on the best path of this machine. What matters at one row is the time
// of a call; `items` are rows.
#include <benchmark/benchmark.h>

#include <cstdint>
#include <cstring>
#include <vector>

#include "core/buffer.h"
#include "core/cpu_context.h"
#include "core/dtype.h"
#include "core/shape.h"
#include "core/stream.h"
#include "core/tensor_view.h"
#include "ops/argmax.h"
#include "ops/draft_input.h"
#include "ops/gated_activation.h"
#include "ops/qkv_norm_rope_append.h"
#include "ops/rms_norm.h"
#include "ops/rope.h"
#include "ops/round_metadata.h"
#include "ops/route.h"

namespace talon {
namespace {

struct Model {
  int64_t hidden, heads, kv_heads, head, rotated, index_heads, experts, width, vocabulary;
};
constexpr Model kTiny = {256, 8, 2, 32, 16, 2, 16, 64, 4096};
constexpr Model kM3 = {6144, 64, 4, 128, 64, 4, 128, 3072, 200064};

CpuContext& context() {
  static CpuContext shared(num_usable_processors());
  return shared;
}

// Some bf16 or f32 numbers of about one, or zeros.
class Array {
 public:
  Array(DType dtype, const Shape& shape, bool is_random = true)
      : buffer_(Buffer::zeroed(shape.num_elements() * dtype_bytes(dtype))),
        view_(buffer_.view(dtype, shape)) {
    for (int64_t i = 0; is_random && i < shape.num_elements(); ++i) {
      const float x = static_cast<float>((i * 7919) % 2001 - 1000) * 1e-3F;
      if (dtype == DType::kF32) {
        view_.as<float>()[i] = x;
      } else {
        view_.as<bf16>()[i] = to_bf16(x);
      }
    }
  }

  const TensorView& operator*() const { return view_; }

 private:
  Buffer buffer_;
  TensorView view_;
};

void add_rms_norm(benchmark::State& state, const Model& model) {
  const int64_t rows = state.range(0);
  const Array residual(DType::kBf16, {rows, model.hidden});
  const Array delta(DType::kBf16, {rows, model.hidden}, false);
  const Array gain(DType::kBf16, {model.hidden});
  const Array out(DType::kBf16, {rows, model.hidden});
  for (auto _ : state) {
    ops::add_rms_norm(Stream(context()), {.out = *out,
                                          .residual = *residual,
                                          .delta = *delta,
                                          .gain = *gain,
                                          .eps = 1e-6F,
                                          .form = ops::GainForm::kZeroCentred});
  }
  state.SetItemsProcessed(state.iterations() * rows);
}

void group_norm(benchmark::State& state, const Model& model) {
  const int64_t rows = state.range(0);
  const Array taps(DType::kBf16, {rows, 3 * model.hidden});
  const Array gains(DType::kBf16, {3, model.hidden});
  const Array out(DType::kBf16, {rows, 3 * model.hidden});
  for (auto _ : state) {
    ops::group_norm(Stream(context()), {.out = *out, .taps = *taps, .gains = *gains, .eps = 1e-6F});
  }
  state.SetItemsProcessed(state.iterations() * rows);
}

void qkv(benchmark::State& state, const Model& m) {
  const int64_t rows = state.range(0);
  const int64_t width = (m.heads + 2 * m.kv_heads + m.index_heads + 1) * m.head;
  const Array x(DType::kBf16, {rows, width});
  const Array q(DType::kBf16, {rows, m.heads, m.head});
  const Array index_q(DType::kBf16, {rows, m.index_heads, m.head});
  const Array keys(DType::kBf16, {2, 128, m.kv_heads, m.head});
  const Array values(DType::kBf16, {2, 128, m.kv_heads, m.head});
  const Array index_keys(DType::kBf16, {2, 128, 1, m.head});
  const Array gain(DType::kBf16, {m.head});
  const Array cos_sin(DType::kF32, {rows, 2, m.rotated / 2});
  const Array slots(DType::kI64, {rows}, false);
  for (int64_t t = 0; t < rows; ++t) {
    (*slots).as<int64_t>()[t] = 128 + t;
  }
  for (auto _ : state) {
    ops::qkv_norm_rope_append(Stream(context()), {.q = *q,
                                                  .index_q = *index_q,
                                                  .key_plane = *keys,
                                                  .value_plane = *values,
                                                  .index_key_plane = *index_keys,
                                                  .qkv = *x,
                                                  .q_gain = *gain,
                                                  .k_gain = *gain,
                                                  .index_q_gain = *gain,
                                                  .index_k_gain = *gain,
                                                  .cos_sin = *cos_sin,
                                                  .write_slots = *slots,
                                                  .eps = 1e-6F});
  }
  state.SetItemsProcessed(state.iterations() * rows);
}

void gated_activation(benchmark::State& state, const Model& model) {
  const int64_t rows = state.range(0);
  const Array gate_up(DType::kF32, {rows, 2 * model.width});
  const Array out(DType::kBf16, {rows, model.width});
  for (auto _ : state) {
    ops::gated_activation(Stream(context()), {.out = *out, .gate_up = *gate_up, .activation = {}});
  }
  state.SetItemsProcessed(state.iterations() * rows);
}

void route(benchmark::State& state, const Model& model) {
  const int64_t rows = state.range(0);
  const Array x(DType::kBf16, {rows, model.hidden});
  const Array gate(DType::kF32, {model.experts, model.hidden});
  const Array bias(DType::kF32, {model.experts});
  const Array positions(DType::kI32, {rows}, false);
  const Array ids(DType::kI32, {rows, 4}, false);
  const Array weights(DType::kF32, {rows, 4});
  for (auto _ : state) {
    ops::route(Stream(context()), {.expert_ids = *ids,
                                   .weights = *weights,
                                   .x = *x,
                                   .gate = *gate,
                                   .bias = *bias,
                                   .positions = *positions,
                                   .scale = 2.0F});
  }
  state.SetItemsProcessed(state.iterations() * rows);
}

void argmax(benchmark::State& state, const Model& model) {
  const int64_t rows = state.range(0);
  const Array logits(DType::kF32, {rows, model.vocabulary});
  const Array allowed(DType::kU8, {model.vocabulary}, false);
  std::memset((*allowed).data(), 1, static_cast<size_t>(model.vocabulary));
  const Array keys(DType::kU64, {rows}, false);
  for (auto _ : state) {
    ops::argmax(Stream(context()), {.keys = *keys, .logits = *logits, .allowed = *allowed});
  }
  state.SetItemsProcessed(state.iterations() * rows);
}

void rope_table(benchmark::State& state, const Model& model) {
  const int64_t rows = state.range(0);
  const std::vector<float> frequencies = ops::rope_inv_freq(5e6, model.rotated);
  const ConstTensorView inv_freq(frequencies.data(), Shape{model.rotated / 2});
  const Array positions(DType::kI32, {rows}, false);
  for (int64_t t = 0; t < rows; ++t) {
    (*positions).as<int32_t>()[t] = static_cast<int32_t>(5000 + t);
  }
  const Array cos_sin(DType::kF32, {rows, 2, model.rotated / 2});
  for (auto _ : state) {
    ops::rope_table(Stream(context()),
                    {.cos_sin = *cos_sin, .positions = *positions, .inv_freq = inv_freq});
  }
  state.SetItemsProcessed(state.iterations() * rows);
}

void draft_step(benchmark::State& state, const Model& /*model*/) {
  const int64_t sequences = state.range(0);
  const Array positions(DType::kI32, {sequences}, false);
  const Array slots(DType::kI64, {sequences}, false);
  const Array lengths(DType::kI32, {sequences}, false);
  const Array pages(DType::kI32, {sequences, 64}, false);
  for (auto _ : state) {
    ops::draft_step(Stream(context()), {.positions = *positions,
                                        .slots = *slots,
                                        .kv_len = *lengths,
                                        .active = *lengths,
                                        .page_table = *pages,
                                        .step = 1,
                                        .context_limit = 8192});
  }
  state.SetItemsProcessed(state.iterations() * sequences);
}

#define TALON_BENCH(op)                                       \
  BENCHMARK_CAPTURE(op, tiny, kTiny)->Arg(1)->Arg(4)->Arg(8); \
  BENCHMARK_CAPTURE(op, m3, kM3)->Arg(1)->Arg(4)->Arg(8)

TALON_BENCH(add_rms_norm);
TALON_BENCH(group_norm);
TALON_BENCH(qkv);
TALON_BENCH(gated_activation);
TALON_BENCH(route);
TALON_BENCH(argmax);
TALON_BENCH(rope_table);
TALON_BENCH(draft_step);

}  // namespace
}  // namespace talon
