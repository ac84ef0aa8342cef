// Products with a kCudaRows weight on tensor cores, shared by linear and moe_experts.
//
// A block makes 16 outputs for up to 8 * kTiles rows. Weights are the A operand of m16n8k16 and the
// rows the B operand, so eight rows cost what one does and weights are read once for all of them.
// Both operands come from memory in 16-byte pieces as they lie there: which input stands in which k
// of an mma does not matter as long as it is the same for both, so lane t of four takes the t-th
// piece of a chunk, and no shuffle, no shared memory and no re-layout is needed. With kBf16Sixteens
// it takes the t-th 8 bytes of each 16 inputs instead, and an mma adds up neighbours, as wgmma does
// (linear_sm90.cu). Quantised values are expanded in registers: e4m3 and e2m1 become bf16 by moving
// bits and one exact product.
//
// The warps of a block take an eighth of the inputs each and add their sums in order of the warp.
// Which rows share a call changes nothing in that, so an output row's bits depend on its input row
// alone, as on the CPU. float32 rows are split into three bf16 parts, which keep 24 bits.
#pragma once

#include "ops/cuda_kernel.cuh"
#include "ops/mma.cuh"
#include "ops/weight.h"

namespace talon::ops::cuda {

enum class TileFormat { kBf16, kBf16Sixteens, kFp8, kMxfp8, kMxfp4 };

inline constexpr bool is_bf16(TileFormat format) {
  return format == TileFormat::kBf16 || format == TileFormat::kBf16Sixteens;
}

inline constexpr int kTileWarps = 8;
inline constexpr int kTileThreads = kTileWarps * kWarpSize;
inline constexpr int kTileOutputRows = 16;

// A matrix, or one of several at equal distances.
struct WeightRows {
  const uint8_t* values;  // [out, row_bytes]
  const uint8_t* scales;  // [out, scale_row_bytes]
  int64_t row_bytes;
  int64_t scale_row_bytes;
  int64_t value_distance;  // bytes between matrices
  int64_t scale_distance;
  int num_out;
  int num_in;             // without the padding
  bool scales_per_block;  // kFp8: one scale every 128 inputs, else one a row
};

inline WeightRows weight_rows_of(const Weight& weight) {
  WeightRows rows = {};
  rows.values = reinterpret_cast<const uint8_t*>(weight.values.data());
  rows.scales = reinterpret_cast<const uint8_t*>(weight.scales.data());
  rows.row_bytes = weight.values.size(1) * dtype_bytes(weight.values.dtype());
  if (weight.format != WeightFormat::kBf16) {
    rows.scale_row_bytes = weight.scales.size(1) * dtype_bytes(weight.scales.dtype());
  }
  rows.num_out = static_cast<int>(weight.num_out);
  rows.num_in = static_cast<int>(weight.num_in);
  rows.scales_per_block = weight.format == WeightFormat::kFp8Block;
  return rows;
}

inline TileFormat tile_format(WeightFormat format) {
  switch (format) {
    case WeightFormat::kBf16:
      return TileFormat::kBf16;
    case WeightFormat::kFp8Channel:
    case WeightFormat::kFp8Block:
      return TileFormat::kFp8;
    case WeightFormat::kMxfp8:
      return TileFormat::kMxfp8;
    case WeightFormat::kMxfp4:
      return TileFormat::kMxfp4;
  }
  return TileFormat::kBf16;
}

// Calls body.operator()<TileFormat>().
template <class Body>
void dispatch_tile_format(WeightFormat format, const Body& body) {
  switch (tile_format(format)) {
    case TileFormat::kBf16:
    case TileFormat::kBf16Sixteens:
      return body.template operator()<TileFormat::kBf16>();
    case TileFormat::kFp8:
      return body.template operator()<TileFormat::kFp8>();
    case TileFormat::kMxfp8:
      return body.template operator()<TileFormat::kMxfp8>();
    case TileFormat::kMxfp4:
      return body.template operator()<TileFormat::kMxfp4>();
  }
}

// Inputs in 16 bytes of values.
template <TileFormat kFormat>
inline constexpr int kPieceInputs = is_bf16(kFormat)                ? 8
                                    : kFormat == TileFormat::kMxfp4 ? 32
                                                                    : 16;

// A lane takes eight inputs at a time as two fours: where the second four begins.
template <TileFormat kFormat>
inline constexpr int kSecondFour = kFormat == TileFormat::kBf16Sixteens ? 16 : 4;

// Inputs from one lane's place in a chunk to the next one's.
template <TileFormat kFormat>
inline constexpr int kLaneInputs = kFormat == TileFormat::kBf16Sixteens ? 4 : kPieceInputs<kFormat>;

// Both halves times a bf16 that stands in both halves of `by`.
__device__ inline uint32_t times(uint32_t pair, uint32_t by) {
  const __nv_bfloat162 x = *reinterpret_cast<const __nv_bfloat162*>(&pair);
  const __nv_bfloat162 y = *reinterpret_cast<const __nv_bfloat162*>(&by);
  const __nv_bfloat162 product = __hmul2(x, y);
  return *reinterpret_cast<const uint32_t*>(&product);
}

__device__ inline uint32_t twice(uint32_t half) { return half | (half << 16); }

// Bytes 2 i and 2 i + 1 of a word of e4m3 as bf16, each 2^-120 of its value: the exponent and the
// mantissa moved to where bf16 has them.
__device__ inline uint32_t e4m3_pair(uint32_t word, int i) {
  const uint32_t spread = __byte_perm(word, 0, i == 0 ? 0x1404 : 0x3424);
  return (spread & 0x80008000U) | ((spread >> 4) & 0x07F007F0U);
}

// Nibbles 2 i and 2 i + 1 of a word of e2m1 as bf16, each 2^-126 of its value.
__device__ inline uint32_t e2m1_pair(uint32_t word, int i) {
  const uint32_t byte = (word >> (8 * i)) & 0xFFU;
  return ((byte * 0x01001000U) & 0x80008000U) | ((byte * 0x00040040U) & 0x01C001C0U);
}

// What turns the moved bits into values: a product, or two where one would overflow.
struct Unscale {
  uint32_t first;
  uint32_t second;  // used if has_second
  bool has_second;

  __device__ uint32_t operator()(uint32_t pair) const {
    const uint32_t scaled = times(pair, first);
    return has_second ? times(scaled, second) : scaled;
  }
};

// 2^(kBias + scale - 127) in bf16: the E8M0 scale with the 2^kBias that the moved bits lack.
template <int kBias>
__device__ inline Unscale unscale_of(uint32_t scale) {
  constexpr uint32_t kLargest = 254 - kBias;  // above it the product is no bf16
  const bool has_second = scale > kLargest;
  Unscale unscale = {twice(((has_second ? kLargest : scale) + kBias) << 7), 0, has_second};
  if (has_second) {
    unscale.second = twice(scale == 255 ? 0x7FC0U : (scale - kLargest + 127) << 7);
  }
  return unscale;
}

// Four words of bf16 pairs: 8 inputs, from the `part`-th eight of a piece.
template <TileFormat kFormat>
__device__ inline void expand(const uint4& piece,
                              int part,
                              const Unscale& unscale,
                              uint32_t (&out)[4]) {
  const uint32_t words[4] = {piece.x, piece.y, piece.z, piece.w};
#pragma unroll
  for (int i = 0; i < 4; ++i) {
    if constexpr (is_bf16(kFormat)) {
      out[i] = words[i];
    } else if constexpr (kFormat == TileFormat::kMxfp4) {
      out[i] = unscale(e2m1_pair(words[part], i));
    } else {
      out[i] = unscale(e4m3_pair(words[2 * part + i / 2], i % 2));
    }
  }
}

// The rows that a block multiplies, as one lane sees them: row n = lane / 4 of each tile. With
// kWhole every row begins at a multiple of 16 bytes, the inputs are a multiple of kCudaRowInputs,
// and in place of a row that does not exist stands another, whose sums nobody stores: then loads
// need no condition, which lets many be on their way at once. Else such a row is null.
template <class T, int kTiles, bool kWhole>
struct TileRows {
  const T* at[kTiles];
};

// Four inputs from column k as bf16 pairs; past `size` they are zero.
template <bool kWhole>
__device__ inline uint2 load_four(const bf16* row, int k, int size) {
  if constexpr (kWhole) {
    // Behind the row the weights are zeros, and any inputs will do.
    return __ldg(reinterpret_cast<const uint2*>(row + (k < size ? k : 0)));
  } else {
    uint32_t pairs[2];
#pragma unroll
    for (int i = 0; i < 2; ++i) {
      const uint32_t low = row != nullptr && k + 2 * i < size ? row[k + 2 * i].bits : 0;
      const uint32_t high = row != nullptr && k + 2 * i + 1 < size ? row[k + 2 * i + 1].bits : 0;
      pairs[i] = low | (high << 16);
    }
    return {pairs[0], pairs[1]};
  }
}

// Four inputs from column k and four from kSecond behind it.
template <int kSecond, bool kWhole>
__device__ inline void load_eight(const bf16* row, int k, int size, uint32_t (&out)[4]) {
  if constexpr (kWhole && kSecond == 4) {
    const uint4 x = __ldg(reinterpret_cast<const uint4*>(row + (k < size ? k : 0)));
    out[0] = x.x;
    out[1] = x.y;
    out[2] = x.z;
    out[3] = x.w;
  } else {
    const uint2 first = load_four<kWhole>(row, k, size);
    const uint2 second = load_four<kWhole>(row, k + kSecond, size);
    out[0] = first.x;
    out[1] = first.y;
    out[2] = second.x;
    out[3] = second.y;
  }
}

// float32 as three bf16 parts whose sum it is.
__device__ inline void split(float x, uint32_t (&parts)[3]) {
#pragma unroll
  for (int i = 0; i < 3; ++i) {
    const bf16 part = rounded<bf16>(x);
    parts[i] = part.bits;
    const float rest = x - to_float(part);
    x = rest == rest ? rest : 0.0F;  // infinity has no rest, and a NaN is in the first part
  }
}

template <int kTiles>
using TileSums = float[kTiles][4];

template <int kSecond, int kTiles, bool kWhole>
__device__ inline void multiply(TileSums<kTiles>& sums,
                                const uint32_t (&low)[4],
                                const uint32_t (&high)[4],
                                const TileRows<bf16, kTiles, kWhole>& rows,
                                int2 range) {
  const uint32_t a0[4] = {low[0], high[0], low[1], high[1]};
  const uint32_t a1[4] = {low[2], high[2], low[3], high[3]};
#pragma unroll
  for (int n = 0; n < kTiles; ++n) {
    uint32_t x[4];
    load_eight<kSecond, kWhole>(rows.at[n], range.x, range.y, x);
    mma_16x8x16(sums[n], a0, x[0], x[1]);
    mma_16x8x16(sums[n], a1, x[2], x[3]);
  }
}

template <int kSecond, int kTiles>
__device__ inline void multiply(TileSums<kTiles>& sums,
                                const uint32_t (&low)[4],
                                const uint32_t (&high)[4],
                                const TileRows<float, kTiles, false>& rows,
                                int2 range) {
  const uint32_t a0[4] = {low[0], high[0], low[1], high[1]};
  const uint32_t a1[4] = {low[2], high[2], low[3], high[3]};
#pragma unroll
  for (int n = 0; n < kTiles; ++n) {
    uint32_t x[3][4];
#pragma unroll
    for (int i = 0; i < 4; ++i) {
      const int k = range.x + (i < 2 ? 2 * i : kSecond + 2 * (i - 2));
      uint32_t first[3];
      uint32_t second[3];
      split(rows.at[n] != nullptr && k < range.y ? rows.at[n][k] : 0.0F, first);
      split(rows.at[n] != nullptr && k + 1 < range.y ? rows.at[n][k + 1] : 0.0F, second);
#pragma unroll
      for (int part = 0; part < 3; ++part) {
        x[part][i] = first[part] | (second[part] << 16);
      }
    }
#pragma unroll
    for (int part = 0; part < 3; ++part) {
      mma_16x8x16(sums[n], a0, x[part][0], x[part][1]);
      mma_16x8x16(sums[n], a1, x[part][2], x[part][3]);
    }
  }
}

// What one lane needs of its two output rows, lane / 4 and 8 more.
struct LaneWeights {
  const uint8_t* values[2];
  const uint8_t* scales[2];
  int num_in;
  int num_padded;
  bool scales_per_block;
};

__device__ inline LaneWeights lane_weights(const WeightRows& w, int first_output, int64_t matrix) {
  LaneWeights lane;
  lane.num_in = w.num_in;
  lane.num_padded = static_cast<int>(round_up(w.num_in, kCudaRowInputs));
  lane.scales_per_block = w.scales_per_block;
#pragma unroll
  for (int i = 0; i < 2; ++i) {
    int output = first_output + static_cast<int>(threadIdx.x % kWarpSize / 4) + 8 * i;
    output = output < w.num_out ? output : w.num_out - 1;  // computed and not stored
    lane.values[i] = w.values + matrix * w.value_distance + output * w.row_bytes;
    lane.scales[i] = w.scales + matrix * w.scale_distance + output * w.scale_row_bytes;
  }
  return lane;
}

template <TileFormat kFormat>
__device__ inline Unscale piece_unscale(const uint8_t* scales, int k) {
  if constexpr (kFormat == TileFormat::kMxfp4) {
    return unscale_of<126>(scales[k / 32]);
  } else if constexpr (kFormat == TileFormat::kMxfp8) {
    return unscale_of<120>(scales[k / 32]);
  } else {
    return {twice((120U + 127U) << 7), 0, false};  // 2^120
  }
}

// Adds one piece of both output rows to the sums.
template <TileFormat kFormat, class T, int kTiles, bool kWhole>
__device__ inline void add_piece(TileSums<kTiles>& sums,
                                 const LaneWeights& lane,
                                 const uint4 (&pieces)[2],
                                 const TileRows<T, kTiles, kWhole>& rows,
                                 int k) {
  const int safe_k = k < lane.num_padded ? k : 0;
  const Unscale low_scale = piece_unscale<kFormat>(lane.scales[0], safe_k);
  const Unscale high_scale = piece_unscale<kFormat>(lane.scales[1], safe_k);
#pragma unroll
  for (int part = 0; part < kPieceInputs<kFormat> / 8; ++part) {
    uint32_t low[4];
    uint32_t high[4];
    expand<kFormat>(pieces[0], part, low_scale, low);
    expand<kFormat>(pieces[1], part, high_scale, high);
    multiply<kSecondFour<kFormat>>(sums, low, high, rows, int2{k + 8 * part, lane.num_in});
  }
}

// The two rows' pieces at input k; zeros behind the rows.
template <TileFormat kFormat>
__device__ inline void load_pieces(uint4 (&pieces)[2], const LaneWeights& lane, int k) {
#pragma unroll
  for (int r = 0; r < 2; ++r) {
    pieces[r] = uint4{0, 0, 0, 0};
    if (k < lane.num_padded) {
      if constexpr (kFormat == TileFormat::kBf16Sixteens) {
        const auto* const fours = reinterpret_cast<const uint2*>(lane.values[r]);
        const uint2 first = __ldg(fours + k / 4);
        const uint2 second = __ldg(fours + (k + kSecondFour<kFormat>) / 4);
        pieces[r] = uint4{first.x, first.y, second.x, second.y};
      } else {
        const auto* const values = reinterpret_cast<const uint4*>(lane.values[r]);
        pieces[r] = __ldg(values + k / kPieceInputs<kFormat>);
      }
    }
  }
}

// A chunk of fp8 is 64 inputs, which have one scale a row: it waits until the chunk is summed.
template <int kTiles>
__device__ inline void add_scaled(TileSums<kTiles>& sums,
                                  const TileSums<kTiles>& part,
                                  const LaneWeights& lane,
                                  int first_input) {
  const int block = lane.scales_per_block ? first_input / static_cast<int>(kFp8Block) : 0;
  const float low = reinterpret_cast<const float*>(lane.scales[0])[block];
  const float high = reinterpret_cast<const float*>(lane.scales[1])[block];
#pragma unroll
  for (int n = 0; n < kTiles; ++n) {
    sums[n][0] += low * part[n][0];
    sums[n][1] += low * part[n][1];
    sums[n][2] += high * part[n][2];
    sums[n][3] += high * part[n][3];
  }
}

// Adds this warp's chunks of the product to the sums.
template <TileFormat kFormat, class T, int kTiles, bool kWhole>
__device__ inline void add_product(TileSums<kTiles>& sums,
                                   const LaneWeights& lane,
                                   const TileRows<T, kTiles, kWhole>& rows) {
  constexpr int kChunk = 4 * kPieceInputs<kFormat>;
  constexpr int kAhead = kFormat == TileFormat::kMxfp4 ? 2 : 4;  // chunks on their way at once
  const int num_chunks = (lane.num_padded + kChunk - 1) / kChunk;
  const int chunks_per_warp = (num_chunks + kTileWarps - 1) / kTileWarps;
  const int warp = static_cast<int>(threadIdx.x / kWarpSize);
  const int place = static_cast<int>(threadIdx.x % 4) * kLaneInputs<kFormat>;
  const int end = min(num_chunks, (warp + 1) * chunks_per_warp);
  for (int c = warp * chunks_per_warp; c < end; c += kAhead) {
    uint4 pieces[kAhead][2];
#pragma unroll
    for (int i = 0; i < kAhead; ++i) {
      const int chunk = c + i < end ? c + i : num_chunks;  // behind the rows are zeros
      load_pieces<kFormat>(pieces[i], lane, chunk * kChunk + place);
    }
#pragma unroll
    for (int i = 0; i < kAhead; ++i) {
      if (c + i >= end) {  // alike for the warp
        break;
      }
      const int first = (c + i) * kChunk;
      if constexpr (kFormat == TileFormat::kFp8) {
        TileSums<kTiles> part = {};
        add_piece<kFormat, T, kTiles, kWhole>(part, lane, pieces[i], rows, first + place);
        add_scaled<kTiles>(sums, part, lane, first);
      } else {
        add_piece<kFormat, T, kTiles, kWhole>(sums, lane, pieces[i], rows, first + place);
      }
    }
  }
}

// The sums of all warps, and then those of the block in `total(row, output)`.
template <int kTiles>
struct TileShared {
  float sums[kTileWarps][8 * kTiles][kTileOutputRows];

  __device__ void store(const TileSums<kTiles>& warp_sums) {
    const int warp = static_cast<int>(threadIdx.x / kWarpSize);
    const int g = static_cast<int>(threadIdx.x % kWarpSize / 4);
    const int t = static_cast<int>(threadIdx.x % 4);
#pragma unroll
    for (int n = 0; n < kTiles; ++n) {
      sums[warp][8 * n + 2 * t][g] = warp_sums[n][0];
      sums[warp][8 * n + 2 * t + 1][g] = warp_sums[n][1];
      sums[warp][8 * n + 2 * t][g + 8] = warp_sums[n][2];
      sums[warp][8 * n + 2 * t + 1][g + 8] = warp_sums[n][3];
    }
  }

  __device__ float total(int row, int output) const {
    float sum = 0.0F;
#pragma unroll
    for (int w = 0; w < kTileWarps; ++w) {
      sum += sums[w][row][output];
    }
    return sum;
  }
};

}  // namespace talon::ops::cuda
