#include "ops/linear.h"

#include <algorithm>

#include "base/check.h"
#include "base/checked_int.h"
#include "core/backend.h"
#include "core/cpu_path.h"
#include "core/dtype.h"
#include "core/profile_range.h"
#include "core/stream.h"
#include "ops/op_checks.h"
#include "ops/pack.h"
#include "ops/tile_product.h"
#include "ops/weight.h"

namespace talon::ops {
namespace {

// A parallel region costs one to two microseconds, which is the time of about this many products.
constexpr int64_t kMinWork = int64_t{64} * 1024;

void check_args(Stream stream, const LinearArgs& args) {
  const OpChecks checks("linear", stream);
  const Weight& weight = args.weight;
  if (stream.is_cuda()) {
    check_cuda_rows("linear", weight);
  } else {
    TALON_CHECK(weight.layout == WeightLayout::kCpuTiles, "the CPU product needs a packed weight");
  }
  checks.activation_dtype("x", args.x);
  checks.rank("x", args.x, 2);
  const int64_t rows = args.x.size(0);
  checks.strided("x", args.x, args.x.dtype(), {rows, weight.num_in});
  TALON_CHECK(args.out.dtype() == DType::kF32 || args.out.dtype() == args.x.dtype(),
              "x is {}, out is {}", dtype_name(args.x.dtype()), dtype_name(args.out.dtype()));
  checks.strided("out", args.out, args.out.dtype(), {rows, weight.num_out});
  checks.disjoint("out", args.out, "x", args.x);
}

}  // namespace

namespace cpu {

TileProduct tile_product_of(const Weight& weight) {
  TileProduct p;
  p.format = weight.format;
  p.values = weight.values.data();
  p.scales = weight.scales.data();
  p.num_out = weight.num_out;
  p.num_in = weight.num_in;
  return p;
}

TileProductKernel tile_product_kernel(CpuPath path) {
  switch (path) {
    case CpuPath::kScalar:
      return tile_product_scalar;
    case CpuPath::kAvx2:
      return tile_product_avx2;
    case CpuPath::kAvx512:
      return tile_product_avx512;
    case CpuPath::kAmx:
      return tile_product_amx;
  }
  return tile_product_scalar;
}

}  // namespace cpu

void linear(Stream stream, const LinearArgs& args) {
  check_args(stream, args);
  if (args.x.size(0) == 0 || args.weight.num_out == 0) {
    return;
  }
  if constexpr (kHasCuda) {
    if (stream.is_cuda()) {
      const ProfileRange range("linear");
      return cuda::linear(stream.cuda(), args);
    }
  }
  cpu::TileProduct product = cpu::tile_product_of(args.weight);
  product.x = args.x.data();
  product.x_stride = args.x.stride(0);
  product.x_bf16 = args.x.dtype() == DType::kBf16;
  product.out_stride = args.out.stride(0);
  product.out_bf16 = args.out.dtype() == DType::kBf16;
  product.num_rows = args.x.size(0);

  const cpu::TileProductKernel kernel = cpu::tile_product_kernel(stream.cpu().path());
  const int64_t tiles = ceil_div(args.weight.num_out, kTileOutputs);
  const int64_t group_work =
      cpu::kTileGroup * kTileOutputs * args.weight.num_in * (args.x.size(0) + 1);
  const int64_t grain = std::max<int64_t>(1, kMinWork / std::max<int64_t>(1, group_work));
  stream.cpu().pool().parallel_for(
      ceil_div(tiles, cpu::kTileGroup), grain, [&](int64_t begin, int64_t end) {
        cpu::TileProduct part = product;
        part.first_tile = begin * cpu::kTileGroup;
        part.num_tiles = std::min(end * cpu::kTileGroup, tiles) - part.first_tile;
        part.out = args.out.data() + part.first_tile * kTileOutputs * dtype_bytes(args.out.dtype());
        kernel(part);
      });
}

}  // namespace talon::ops
