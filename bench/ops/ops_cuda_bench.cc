// The CUDA ops at the shapes of a TP4 rank of MiniMax-M3, as time of one call inside a captured
// graph, which holds several calls on different weights or pages so that none finds its operands in
// the L2 cache. `roof` is the floor's share of the time: bytes that the op must move, weights and
// cached keys and values above all, at the rate at which this device copies, measured at the start;
// or the operations of a product at 989 TFLOP/s, if that takes longer.
#include <benchmark/benchmark.h>

#include <algorithm>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "base/checked_int.h"
#include "core/arena.h"
#include "core/buffer.h"
#include "core/copy.h"
#include "core/cuda/context.h"
#include "core/cuda/graph.h"
#include "ops/argmax.h"
#include "ops/attention.h"
#include "ops/index_topk.h"
#include "ops/linear.h"
#include "ops/linear_kernels.h"
#include "ops/moe_experts.h"
#include "ops/rms_norm.h"
#include "ops/route.h"

namespace talon::ops {
namespace {

constexpr Device kGpu = cuda_device(0);
constexpr double kFlopRate = 989e12;                        // of bf16 on an H100 or H200, a second
constexpr int64_t kColdBytes = int64_t{256} * 1024 * 1024;  // five times the L2 cache
constexpr int64_t kHidden = 6144;

constexpr int64_t kPieceBytes = int64_t{16} * 1024 * 1024;

// Writes the kPieceBytes at `piece` over and over.
void fill(const Buffer& buffer, const void* piece) {
  CudaContext context(kGpu);
  for (int64_t at = 0; at < buffer.num_bytes(); at += kPieceBytes) {
    copy_bytes(context.stream(), buffer.data() + at, piece,
               std::min(kPieceBytes, buffer.num_bytes() - at));
  }
  context.synchronize();
}

// Device memory with a byte in every place. Which one changes no time, but NaN would spread.
Buffer filled(int64_t num_bytes, uint8_t byte) {
  const std::vector<uint8_t> piece(kPieceBytes, byte);
  Buffer buffer(num_bytes, kGpu);
  fill(buffer, piece.data());
  return buffer;
}

// Bytes read and written a second, copying 1 GiB.
double copy_rate() {
  static const double kRate = [] {
    constexpr int64_t kBytes = int64_t{1} << 30;
    constexpr int kCopies = 20;
    CudaContext context(kGpu);
    const Buffer from(kBytes, kGpu);
    const Buffer to(kBytes, kGpu);
    CudaEvent begin(kGpu, /*timing=*/true);
    CudaEvent end(kGpu, /*timing=*/true);
    const auto copy = [&] { copy_bytes(context.stream(), to.data(), from.data(), kBytes); };
    copy();
    begin.record(context);
    for (int i = 0; i < kCopies; ++i) {
      copy();
    }
    end.record(context);
    end.synchronize();
    const double rate = 2.0 * kCopies * kBytes / (end.milliseconds_since(begin) / 1e3);
    benchmark::AddCustomContext("copy_rate_TB/s", std::to_string(rate / 1e12));
    return rate;
  }();
  return kRate;
}

Buffer of_ints(const std::vector<int32_t>& values) {
  CudaContext context(kGpu);
  Buffer buffer(4 * std::ssize(values), kGpu);
  copy_bytes(context.stream(), buffer.data(), values.data(), buffer.num_bytes());
  context.synchronize();
  return buffer;
}

// Replays a graph of `calls` calls and reports the time of one.
void measure(benchmark::State& state,
             int64_t calls,
             double bytes,
             const std::function<void(Stream, int64_t)>& call,
             double flops = 0.0) {
  const double floor = std::max(bytes / copy_rate(), flops / kFlopRate);
  CudaContext context(kGpu);
  const auto all = [&] {
    for (int64_t i = 0; i < calls; ++i) {
      call(context.stream(), i);
    }
  };
  all();  // what is loaded at the first launch is loaded now
  const CudaGraph graph = CudaGraph::capture(context, all);
  CudaEvent begin(kGpu, /*timing=*/true);
  CudaEvent end(kGpu, /*timing=*/true);
  double seconds = 0.0;
  for (auto _ : state) {
    begin.record(context);
    graph.replay(context);
    end.record(context);
    end.synchronize();
    const double time = end.milliseconds_since(begin) / 1e3 / static_cast<double>(calls);
    state.SetIterationTime(time);
    seconds += time;
  }
  const double mean = seconds / static_cast<double>(state.iterations());
  state.counters["MB"] = bytes / 1e6;
  state.counters["TB/s"] = bytes / mean / 1e12;
  state.counters["TFLOP/s"] = flops / mean / 1e12;
  state.counters["roof"] = floor / mean;
}

// `count` matrices behind each other, each with its scales.
struct Matrices {
  Buffer values;
  Buffer scales;
  std::vector<Weight> all;

  Matrices(WeightFormat format, int64_t num_out, int64_t num_in, int64_t count) {
    Weight weight;
    weight.format = format;
    weight.layout = WeightLayout::kCudaRows;
    weight.num_out = num_out;
    weight.num_in = num_in;
    const bool is_bf16 = format == WeightFormat::kBf16;
    const bool is_fp4 = format == WeightFormat::kMxfp4;
    const bool is_channel = format == WeightFormat::kFp8Channel;
    const DType dtype = is_bf16 ? DType::kBf16 : is_fp4 ? DType::kU8 : DType::kF8E4M3;
    const int64_t columns = is_fp4 ? num_in / 2 : num_in;
    const int64_t scale_columns = is_channel ? 1 : num_in / kMxGroup;
    const DType scale_dtype = is_channel ? DType::kF32 : DType::kU8;
    values = filled(count * num_out * columns * dtype_bytes(dtype), 0x33);
    scales = filled(count * num_out * scale_columns * dtype_bytes(scale_dtype), 0x3D);
    const TensorView stacked = values.view(dtype, {count * num_out, columns});
    const TensorView stacked_scales = scales.view(scale_dtype, {count * num_out, scale_columns});
    for (int64_t i = 0; i < count; ++i) {
      weight.values = stacked.rows(i * num_out, num_out);
      weight.scales = is_bf16 ? ConstTensorView{} : stacked_scales.rows(i * num_out, num_out);
      all.push_back(weight);
    }
  }
};

// bf16 values of either sign between 2^-7 and 2^0: a processor multiplies equal ones with less
// power.
void make_random(const Buffer& buffer) {
  std::vector<uint16_t> values(kPieceBytes / 2);
  uint32_t state = 1;
  for (uint16_t& value : values) {
    state = state * 1664525U + 1013904223U;
    value = static_cast<uint16_t>(((state >> 16) & 0x83FFU) | 0x3C00U);
  }
  fill(buffer, values.data());
}

// Arguments: format, outputs, inputs, rows, and whether the portable kernel must take them.
void linear_product(benchmark::State& state) {
  const auto format = static_cast<WeightFormat>(state.range(0));
  const int64_t num_out = state.range(1);
  const int64_t num_in = state.range(2);
  const int64_t rows = state.range(3);
  const auto bytes = static_cast<double>(weight_bytes(format, num_out, num_in));
  const int64_t count = 1 + kColdBytes / weight_bytes(format, num_out, num_in);
  const Matrices matrices(format, num_out, num_in, count);
  const Buffer x = filled(2 * rows * num_in, 0x33);
  const Buffer out(2 * rows * num_out, kGpu);
  if (format == WeightFormat::kBf16) {
    make_random(matrices.values);
    make_random(x);
  }
  const double flops = 2.0 * static_cast<double>(rows * num_out * num_in);
  measure(
      state, count, bytes,
      [&](Stream stream, int64_t i) {
        const LinearArgs args = {.out = out.view(DType::kBf16, {rows, num_out}),
                                 .x = x.view(DType::kBf16, {rows, num_in}),
                                 .weight = matrices.all[static_cast<size_t>(i)]};
        if (state.range(4) == 0) {
          linear(stream, args);
        } else {
          cuda::linear(stream.cuda(), args, {LinearKernel::kTiles, 32});
        }
      },
      flops);
  state.SetLabel(std::string(weight_format_name(format)));
}
BENCHMARK(linear_product)
    ->ArgNames({"format", "out", "in", "rows", "portable"})
    ->ArgsProduct({{0, 1, 4}, {2944}, {kHidden}, {1, 4, 16, 64}, {0}})  // q, k, v and index
    ->ArgsProduct({{0}, {2944}, {kHidden}, {128, 256, 512, 2048}, {0}})
    ->ArgsProduct({{0}, {2944}, {kHidden}, {64, 2048}, {1}})
    ->ArgsProduct({{0, 1}, {kHidden}, {2048}, {4}, {0}})    // output of attention
    ->ArgsProduct({{0}, {50016}, {kHidden}, {4, 64}, {0}})  // the head
    ->UseManualTime()
    ->Unit(benchmark::kMicrosecond);

// Arguments: format, rows. All experts are distinct until there are no more.
void experts(benchmark::State& state) {
  constexpr int64_t kExperts = 128;
  constexpr int64_t kWidth = 768;
  const auto format = static_cast<WeightFormat>(state.range(0));
  const int64_t rows = state.range(1);
  const Matrices gate_up(format, 2 * kWidth, kHidden, kExperts + 1);
  const Matrices down(format, kHidden, kWidth, kExperts + 1);
  std::vector<Expert> list;
  for (size_t e = 0; e < kExperts; ++e) {
    list.push_back({.gate_up = gate_up.all[e], .down = down.all[e]});
  }
  const Expert shared = {.gate_up = gate_up.all[kExperts], .down = down.all[kExperts]};
  const int64_t calls = std::max<int64_t>(1, 32 / rows);
  std::vector<int32_t> ids;
  for (int64_t i = 0; i < calls * rows * 4; ++i) {
    ids.push_back(static_cast<int32_t>(i % kExperts));
  }
  const Buffer id_buffer = of_ints(ids);
  const Buffer weights = filled(4 * rows * 4, 0x3D);
  const Buffer x = filled(2 * rows * kHidden, 0x33);
  const Buffer out(2 * rows * kHidden, kGpu);
  Arena arena(moe_experts_scratch_bytes(rows, 4, kHidden, kWidth, kWidth), kGpu);
  const auto distinct = std::min<int64_t>(kExperts, 4 * rows) + 1;
  const int64_t each =
      weight_bytes(format, 2 * kWidth, kHidden) + weight_bytes(format, kHidden, kWidth);
  measure(state, calls, static_cast<double>(distinct * each), [&](Stream stream, int64_t i) {
    moe_experts(stream, arena,
                {.out = out.view(DType::kBf16, {rows, kHidden}),
                 .x = x.view(DType::kBf16, {rows, kHidden}),
                 .expert_ids = id_buffer.view(DType::kI32, {calls * rows, 4}).rows(i * rows, rows),
                 .weights = weights.view(DType::kF32, {rows, 4}),
                 .experts = list,
                 .shared = &shared,
                 .activation = {}});
  });
  state.SetLabel(std::string(weight_format_name(format)));
}
BENCHMARK(experts)
    ->ArgNames({"format", "rows"})
    ->ArgsProduct({{1, 4}, {1, 4, 16, 64}})
    ->UseManualTime()
    ->Unit(benchmark::kMicrosecond);

// Sequences of `context` tokens, each with `q` rows at its end.
struct Paged {
  int64_t rows;
  int64_t pages_each;
  Buffer keys;
  Buffer values;
  Buffer table;
  Buffer sequences;
  Buffer positions;

  Paged(int64_t num_sequences, int64_t q, int64_t context, int64_t dim)
      : rows(num_sequences * q), pages_each(context / 128) {
    const int64_t num_pages = num_sequences * pages_each + 1;
    keys = filled(num_pages * 128 * dim * 2, 0x33);
    values = filled(num_pages * 128 * dim * 2, 0x33);
    std::vector<int32_t> pages;
    std::vector<int32_t> sequence;
    std::vector<int32_t> position;
    for (int64_t i = 0; i + 1 < num_pages; ++i) {
      pages.push_back(static_cast<int32_t>(1 + i));
    }
    for (int64_t t = 0; t < rows; ++t) {
      sequence.push_back(static_cast<int32_t>(t / q));
      position.push_back(static_cast<int32_t>(context - q + t % q));
    }
    table = of_ints(pages);
    sequences = of_ints(sequence);
    positions = of_ints(position);
  }
  TensorView plane(const Buffer& buffer, int64_t dim) const {
    const int64_t num_pages = buffer.num_bytes() / (128 * dim * 2);
    return buffer.view(DType::kBf16, {num_pages, 128, 1, dim});
  }
};

// Arguments: sequences, rows each, tokens, pages of a list (0: dense).
void attend(benchmark::State& state) {
  constexpr int64_t kDim = 128;
  constexpr int64_t kHeads = 16;
  const int64_t list = state.range(3);
  const Paged paged(state.range(0), state.range(1), state.range(2), kDim);
  std::vector<int32_t> blocks;
  for (int64_t i = 0; i < paged.rows * list; ++i) {
    blocks.push_back(static_cast<int32_t>(i % list * (paged.pages_each / list)));
  }
  const Buffer block_buffer = of_ints(blocks);
  const Buffer q = filled(2 * paged.rows * kHeads * kDim, 0x33);
  const Buffer out(2 * paged.rows * kHeads * kDim, kGpu);
  const int64_t tokens = list > 0 ? list * 128 : state.range(2);
  const auto bytes = static_cast<double>(state.range(0) * tokens * 2 * kDim * 2);
  measure(state, 10, bytes, [&](Stream stream, int64_t) {
    AttentionArgs args = {
        .out = out.view(DType::kBf16, {paged.rows, kHeads * kDim}),
        .q = q.view(DType::kBf16, {paged.rows, kHeads, kDim}),
        .key_plane = paged.plane(paged.keys, kDim),
        .value_plane = paged.plane(paged.values, kDim),
        .page_table = paged.table.view(DType::kI32, {state.range(0), paged.pages_each}),
        .row_sequence = paged.sequences.view(DType::kI32, {paged.rows}),
        .positions = paged.positions.view(DType::kI32, {paged.rows}),
        .blocks = {},
        .scale = 0.088F};
    if (list > 0) {
      args.blocks = block_buffer.view(DType::kI32, {paged.rows, 1, list});
    }
    attention(stream, args);
  });
}
BENCHMARK(attend)
    ->ArgNames({"sequences", "rows", "tokens", "list"})
    ->ArgsProduct({{1, 16, 64}, {1, 4}, {8192}, {0, 16}})
    ->UseManualTime()
    ->Unit(benchmark::kMicrosecond);

// Arguments: sequences, rows each, tokens.
void select_pages(benchmark::State& state) {
  constexpr int64_t kDim = 128;
  const Paged paged(state.range(0), state.range(1), state.range(2), kDim);
  const Buffer q = filled(2 * paged.rows * 4 * kDim, 0x33);
  const Buffer blocks(4 * paged.rows * 4 * 16, kGpu);
  const auto bytes = static_cast<double>(state.range(0) * state.range(2) * kDim * 2);
  measure(state, 10, bytes, [&](Stream stream, int64_t) {
    index_topk(stream,
               {.blocks = blocks.view(DType::kI32, {paged.rows, 4, 16}),
                .index_q = q.view(DType::kBf16, {paged.rows, 4, kDim}),
                .index_key_plane = paged.plane(paged.keys, kDim),
                .page_table = paged.table.view(DType::kI32, {state.range(0), paged.pages_each}),
                .row_sequence = paged.sequences.view(DType::kI32, {paged.rows}),
                .positions = paged.positions.view(DType::kI32, {paged.rows})});
  });
}
BENCHMARK(select_pages)
    ->ArgNames({"sequences", "rows", "tokens"})
    ->ArgsProduct({{1, 16, 64}, {1, 4}, {8192}})
    ->UseManualTime()
    ->Unit(benchmark::kMicrosecond);

void add_norm(benchmark::State& state) {
  const int64_t rows = state.range(0);
  const Buffer data = filled(2 * 3 * rows * kHidden, 0x33);
  const Buffer gain = filled(2 * kHidden, 0x33);
  const TensorView all = data.view(DType::kBf16, {3 * rows, kHidden});
  measure(state, 20, static_cast<double>(5 * rows * kHidden * 2), [&](Stream stream, int64_t) {
    add_rms_norm(stream, {.out = all.rows(0, rows),
                          .residual = all.rows(rows, rows),
                          .delta = all.rows(2 * rows, rows),
                          .gain = gain.view(DType::kBf16, {kHidden}),
                          .eps = 1e-6F,
                          .form = GainForm::kZeroCentred});
  });
}
BENCHMARK(add_norm)->Arg(1)->Arg(4)->Arg(64)->UseManualTime()->Unit(benchmark::kMicrosecond);

void route_rows(benchmark::State& state) {
  const int64_t rows = state.range(0);
  const Buffer x = filled(2 * rows * kHidden, 0x33);
  const Buffer gate = filled(4 * 128 * kHidden, 0x33);
  const Buffer bias = filled(4 * 128, 0x33);
  const Buffer positions = filled(4 * rows, 0);
  const Buffer ids(4 * rows * 4, kGpu);
  const Buffer weights(4 * rows * 4, kGpu);
  measure(state, 20, static_cast<double>(4 * 128 * kHidden), [&](Stream stream, int64_t) {
    route(stream, {.expert_ids = ids.view(DType::kI32, {rows, 4}),
                   .weights = weights.view(DType::kF32, {rows, 4}),
                   .x = x.view(DType::kBf16, {rows, kHidden}),
                   .gate = gate.view(DType::kF32, {128, kHidden}),
                   .bias = bias.view(DType::kF32, {128}),
                   .positions = positions.view(DType::kI32, {rows}),
                   .scale = 2.0F});
  });
}
BENCHMARK(route_rows)->Arg(1)->Arg(4)->Arg(64)->UseManualTime()->Unit(benchmark::kMicrosecond);

void argmax_rows(benchmark::State& state) {
  const int64_t rows = state.range(0);
  const Buffer logits = filled(4 * rows * 50016, 0x33);
  const Buffer keys(8 * rows, kGpu);
  measure(state, 20, static_cast<double>(4 * rows * 50016), [&](Stream stream, int64_t) {
    argmax(stream, {.keys = keys.view(DType::kU64, {rows}),
                    .logits = logits.view(DType::kF32, {rows, 50016})});
  });
}
BENCHMARK(argmax_rows)->Arg(1)->Arg(4)->Arg(64)->UseManualTime()->Unit(benchmark::kMicrosecond);

}  // namespace
}  // namespace talon::ops
