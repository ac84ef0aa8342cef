// The CPU product: GB/s of packed weights and GFLOP/s, for 1 to 8 rows and a prefill chunk. What
// drafting gains on a CPU is the time of 4 or 8 rows over that of 1.
#include "ops/linear.h"

#include <benchmark/benchmark.h>

#include <algorithm>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "core/buffer.h"
#include "core/cpu_context.h"
#include "core/stream.h"
#include "ops/pack.h"
#include "ops/weight.h"

namespace talon::ops {
namespace {

// Row-major weights of small positive values; what they are does not change the time.
struct Source {
  Source(WeightFormat format, int64_t num_out, int64_t num_in)
      : values(weight_bytes(WeightFormat::kBf16, num_out, num_in)),
        scales(4 * num_out * (num_in / 32 + 1)) {
    const bool mx = format == WeightFormat::kMxfp8 || format == WeightFormat::kMxfp4;
    std::fill_n(reinterpret_cast<uint8_t*>(values.data()), values.num_bytes(), uint8_t{0x38});
    if (mx) {
      std::fill_n(reinterpret_cast<uint8_t*>(scales.data()), scales.num_bytes(), uint8_t{120});
    } else {
      std::fill_n(reinterpret_cast<float*>(scales.data()), scales.num_bytes() / 4, 0.01F);
    }
    weight.format = format;
    weight.num_out = num_out;
    weight.num_in = num_in;
    if (format == WeightFormat::kBf16) {
      weight.values = values.view(DType::kBf16, {num_out, num_in});
    } else if (format == WeightFormat::kMxfp4) {
      weight.values = values.view(DType::kU8, {num_out, num_in / 2});
    } else {
      weight.values = values.view(DType::kF8E4M3, {num_out, num_in});
    }
    if (mx) {
      weight.scales = scales.view(DType::kU8, {num_out, num_in / 32});
    } else if (format == WeightFormat::kFp8Block) {
      weight.scales = scales.view(DType::kF32, {(num_out + 127) / 128, (num_in + 127) / 128});
    } else if (format == WeightFormat::kFp8Channel) {
      weight.scales = scales.view(DType::kF32, {num_out, 1});
    }
  }

  Buffer values;
  Buffer scales;
  Weight weight;
};

// Arguments: path, threads, format, 1 for bf16 x, outputs, inputs, rows.
void linear_product(benchmark::State& state) {
  const auto path = static_cast<CpuPath>(state.range(0));
  const auto format = static_cast<WeightFormat>(state.range(2));
  const DType dtype = state.range(3) == 1 ? DType::kBf16 : DType::kF32;
  const int64_t num_out = state.range(4);
  const int64_t num_in = state.range(5);
  const int64_t rows = state.range(6);
  CpuContext context(static_cast<int>(state.range(1)), path);
  const PackedWeight packed = PackedWeight::pack(Source(format, num_out, num_in).weight);
  const Buffer x = Buffer::zeroed(rows * num_in * 4);
  const Buffer out = Buffer::zeroed(rows * num_out * 4);
  const LinearArgs args = {.out = out.view(dtype, {rows, num_out}),
                           .x = x.view(dtype, {rows, num_in}),
                           .weight = packed.weight()};
  for (auto _ : state) {
    linear(Stream(context), args);
    benchmark::ClobberMemory();
  }
  state.SetBytesProcessed(state.iterations() * packed.num_bytes());
  state.counters["GFLOP"] =
      benchmark::Counter(static_cast<double>(2 * rows * num_out * num_in) * 1e-9,
                         benchmark::Counter::kIsIterationInvariantRate);
  state.SetLabel(std::string(cpu_path_name(path)) + " " + std::string(weight_format_name(format)) +
                 " x " + std::string(dtype_name(dtype)));
}

void products(benchmark::internal::Benchmark* bench) {
  constexpr int64_t kBf16 = static_cast<int64_t>(WeightFormat::kBf16);
  for (const CpuPath path : {CpuPath::kAvx2, CpuPath::kAvx512, CpuPath::kAmx}) {
    if (!cpu_path_available(path)) {
      continue;
    }
    const auto p = static_cast<int64_t>(path);
    for (const int64_t threads : {1, 2}) {
      // The tiny model's attention, dense MLP and head, and one expert matrix of M3.
      for (const auto& [num_out, num_in] : std::vector<std::pair<int64_t, int64_t>>{
               {480, 256}, {1536, 256}, {4096, 256}, {3072, 6144}}) {
        for (const int64_t rows : {1, 2, 4, 8, 512}) {
          if (rows == 512 && num_in > 1024) {
            continue;
          }
          bench->Args({p, threads, kBf16, 1, num_out, num_in, rows});
        }
      }
    }
    for (const int64_t rows : {1, 4, 8}) {
      bench->Args({p, 1, kBf16, 0, 1024, 1024, rows});
      bench->Args({p, 1, kBf16, 1, 1024, 1024, rows});
      for (const WeightFormat format : {WeightFormat::kFp8Channel, WeightFormat::kFp8Block,
                                        WeightFormat::kMxfp8, WeightFormat::kMxfp4}) {
        bench->Args({p, 1, static_cast<int64_t>(format), 1, 1024, 1024, rows});
      }
    }
  }
}

BENCHMARK(linear_product)->Apply(products)->Unit(benchmark::kMicrosecond)->UseRealTime();

}  // namespace
}  // namespace talon::ops
