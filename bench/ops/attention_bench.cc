// Attention on the CPU: decode and verify rows over a context, and a prefill chunk. GB/s counts the
// keys and values of the pages once a row and KV head.
#include "ops/attention.h"

#include <benchmark/benchmark.h>

#include <cstdint>
#include <string>
#include <vector>

#include "core/buffer.h"
#include "core/cpu_context.h"
#include "core/stream.h"

namespace talon::ops {
namespace {

// Arguments: path, threads, 1 for bf16, heads, KV heads, head size, context, rows. The rows are the
// last ones of one sequence.
void attention_rows(benchmark::State& state) {
  const auto path = static_cast<CpuPath>(state.range(0));
  const DType dtype = state.range(2) == 1 ? DType::kBf16 : DType::kF32;
  const int64_t heads = state.range(3);
  const int64_t groups = state.range(4);
  const int64_t dim = state.range(5);
  const int64_t context_tokens = state.range(6);
  const int64_t rows = state.range(7);
  CpuContext context(static_cast<int>(state.range(1)), path);
  const int64_t pages = (context_tokens + 127) / 128;
  const Buffer planes = Buffer::zeroed(2 * (pages + 1) * 128 * groups * dim * 4);
  const Buffer q = Buffer::zeroed(2 * rows * heads * dim * 4);
  std::vector<int32_t> page_table;
  page_table.reserve(static_cast<size_t>(pages));
  for (int64_t p = 0; p < pages; ++p) {
    page_table.push_back(static_cast<int32_t>(pages - p));
  }
  std::vector<int32_t> position;
  position.reserve(static_cast<size_t>(rows));
  for (int64_t t = 0; t < rows; ++t) {
    position.push_back(static_cast<int32_t>(context_tokens - rows + t));
  }
  const std::vector<int32_t> sequence(position.size(), 0);
  const Shape plane = {pages + 1, 128, groups, dim};
  const TensorView keys = planes.view(dtype, plane);
  const TensorView values(planes.data() + planes.num_bytes() / 2, dtype, plane);
  const AttentionArgs args = {
      .out = TensorView(q.data() + q.num_bytes() / 2, dtype, {rows, heads * dim}),
      .q = q.view(dtype, {rows, heads, dim}),
      .key_plane = keys,
      .value_plane = values,
      .page_table = ConstTensorView(page_table.data(), {1, pages}),
      .row_sequence = ConstTensorView(sequence.data(), {rows}),
      .positions = ConstTensorView(position.data(), {rows}),
      .blocks = {},
      .scale = 0.1F};
  for (auto _ : state) {
    attention(Stream(context), args);
    benchmark::ClobberMemory();
  }
  int64_t tokens = 0;
  for (const int32_t p : position) {
    tokens += p + 1;
  }
  state.SetBytesProcessed(state.iterations() * tokens * groups * dim * 2 * dtype_bytes(dtype));
  state.counters["GFLOP"] = benchmark::Counter(static_cast<double>(4 * tokens * heads * dim) * 1e-9,
                                               benchmark::Counter::kIsIterationInvariantRate);
  state.SetLabel(std::string(cpu_path_name(path)) + " " + std::string(dtype_name(dtype)));
}

void shapes(benchmark::internal::Benchmark* bench) {
  for (const CpuPath path : {CpuPath::kAvx2, CpuPath::kAvx512}) {
    if (!cpu_path_available(path)) {
      continue;
    }
    const auto p = static_cast<int64_t>(path);
    for (const int64_t threads : {1, 2}) {
      for (const int64_t rows : {1, 4, 8}) {
        bench->Args({p, threads, 1, 8, 2, 32, 512, rows});     // the tiny model
        bench->Args({p, threads, 1, 64, 4, 128, 2048, rows});  // a sparse layer of M3
      }
      bench->Args({p, threads, 1, 8, 2, 32, 512, 512});
      bench->Args({p, threads, 0, 8, 2, 32, 512, 512});
      bench->Args({p, threads, 1, 8, 2, 32, 2048, 512});
    }
  }
}

BENCHMARK(attention_rows)->Apply(shapes)->Unit(benchmark::kMicrosecond)->UseRealTime();

}  // namespace
}  // namespace talon::ops
