// Products with a kCudaRows weight on tensor cores, shared by linear and moe_experts.
//
// A block makes 16 outputs for up to 8 * kTiles rows. Weights are the A operand of m16n8k16 and the
// rows the B operand, so eight rows cost what one does and weights are read once for all of them.
// Both operands come from memory in 16-byte pieces as they lie there: which input stands in which k
// of an mma does not matter as long as it is the same for both, so lane t of four takes the t-th
// piece of a chunk, and neither shuffles nor shared memory are needed. With kBf16Sixteens it takes
// the t-th 8 bytes of each 16 inputs instead, and an mma adds up neighbours, as wgmma does
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

// Inputs 2 i and 2 i + 1 of a word of e2m1 as bf16, each 2^-126 of its value. They stand at the
// same place in the word's halves (ops/weight.h), so two shifts move both.
__device__ inline uint32_t e2m1_pair(uint32_t word, int i) {
  const uint32_t sign = word << (12 - 4 * i);
  const uint32_t magnitude = i < 2 ? word << (6 - 4 * i) : word >> (4 * i - 6);
  return (sign & 0x80008000U) | (magnitude & 0x01C001C0U);
}

// What turns the moved bits into values: a product, or two where one would overflow.
struct Unscale {
  uint32_t first;
  uint32_t second;  // used if has_second
  bool has_second;

  template <bool kMayHaveSecond>
  __device__ uint32_t apply(uint32_t pair) const {
    const uint32_t scaled = times(pair, first);
    return kMayHaveSecond && has_second ? times(scaled, second) : scaled;
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
template <TileFormat kFormat, bool kMayHaveSecond>
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
      out[i] = unscale.template apply<kMayHaveSecond>(e2m1_pair(words[part], i));
    } else {
      out[i] = unscale.template apply<kMayHaveSecond>(e4m3_pair(words[2 * part + i / 2], i % 2));
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

// Eight inputs of a row as B operands of two products: bf16 as they are, float32 in three parts.
template <class T>
inline constexpr int kSplits = sizeof(T) == 2 ? 1 : 3;

template <class T>
struct EightInputs {
  uint32_t words[kSplits<T>][4];
};

template <int kSecond, bool kWhole>
__device__ inline EightInputs<bf16> eight_inputs(const bf16* row, int2 range) {
  EightInputs<bf16> x;
  load_eight<kSecond, kWhole>(row, range.x, range.y, x.words[0]);
  return x;
}

template <int kSecond, bool kWhole>
__device__ inline EightInputs<float> eight_inputs(const float* row, int2 range) {
  EightInputs<float> x;
#pragma unroll
  for (int i = 0; i < 4; ++i) {
    const int k = range.x + (i < 2 ? 2 * i : kSecond + 2 * (i - 2));
    uint32_t first[3];
    uint32_t second[3];
    split(row != nullptr && k < range.y ? row[k] : 0.0F, first);
    split(row != nullptr && k + 1 < range.y ? row[k + 1] : 0.0F, second);
#pragma unroll
    for (int part = 0; part < 3; ++part) {
      x.words[part][i] = first[part] | (second[part] << 16);
    }
  }
  return x;
}

// Eight inputs of a lane's two output rows times those of a row.
template <class T>
__device__ inline void multiply(float (&sums)[4],
                                const uint32_t (&low)[4],
                                const uint32_t (&high)[4],
                                const EightInputs<T>& x) {
  const uint32_t a0[4] = {low[0], high[0], low[1], high[1]};
  const uint32_t a1[4] = {low[2], high[2], low[3], high[3]};
#pragma unroll
  for (int part = 0; part < kSplits<T>; ++part) {
    mma_16x8x16(sums, a0, x.words[part][0], x.words[part][1]);
    mma_16x8x16(sums, a1, x.words[part][2], x.words[part][3]);
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

inline constexpr bool is_mx(TileFormat format) {
  return format == TileFormat::kMxfp4 || format == TileFormat::kMxfp8;
}

// A lane's share of a chunk: a piece of each of its two output rows and, of an MX format, its
// scale.
struct Pieces {
  uint4 values[2];
  uint32_t scales[2];
};

template <TileFormat kFormat>
__device__ inline Unscale piece_unscale(uint32_t scale) {
  if constexpr (kFormat == TileFormat::kMxfp4) {
    return unscale_of<126>(scale);
  } else if constexpr (kFormat == TileFormat::kMxfp8) {
    return unscale_of<120>(scale);
  } else {
    return {twice((120U + 127U) << 7), 0, false};  // 2^120
  }
}

// Adds the pieces at input range.x of kCount matrices to their sums.
template <TileFormat kFormat, bool kMayHaveSecond, class T, int kCount, int kTiles, bool kWhole>
__device__ inline void add_expanded(TileSums<kTiles> (&sums)[kCount],
                                    const Pieces (&pieces)[kCount],
                                    const TileRows<T, kTiles, kWhole>& rows,
                                    int2 range) {
  Unscale unscale[kCount][2];
#pragma unroll
  for (int m = 0; m < kCount; ++m) {
    unscale[m][0] = piece_unscale<kFormat>(pieces[m].scales[0]);
    unscale[m][1] = piece_unscale<kFormat>(pieces[m].scales[1]);
  }
#pragma unroll
  for (int part = 0; part < kPieceInputs<kFormat> / 8; ++part) {
    uint32_t low[kCount][4];
    uint32_t high[kCount][4];
#pragma unroll
    for (int m = 0; m < kCount; ++m) {
      expand<kFormat, kMayHaveSecond>(pieces[m].values[0], part, unscale[m][0], low[m]);
      expand<kFormat, kMayHaveSecond>(pieces[m].values[1], part, unscale[m][1], high[m]);
    }
#pragma unroll
    for (int n = 0; n < kTiles; ++n) {
      const EightInputs<T> x =
          eight_inputs<kSecondFour<kFormat>, kWhole>(rows.at[n], int2{range.x + 8 * part, range.y});
#pragma unroll
      for (int m = 0; m < kCount; ++m) {
        multiply(sums[m][n], low[m], high[m], x);
      }
    }
  }
}

// A scale that needs a second product is rare, and asking for it at every pair is not cheap: the
// warp asks once.
template <TileFormat kFormat, class T, int kCount, int kTiles, bool kWhole>
__device__ inline void add_pieces(TileSums<kTiles> (&sums)[kCount],
                                  const Pieces (&pieces)[kCount],
                                  const TileRows<T, kTiles, kWhole>& rows,
                                  int2 range) {
  if constexpr (is_mx(kFormat)) {
    bool has_second = false;
#pragma unroll
    for (int m = 0; m < kCount; ++m) {
      has_second |= piece_unscale<kFormat>(pieces[m].scales[0]).has_second;
      has_second |= piece_unscale<kFormat>(pieces[m].scales[1]).has_second;
    }
    if (__any_sync(kAllLanes, has_second)) {
      add_expanded<kFormat, true>(sums, pieces, rows, range);
      return;
    }
  }
  add_expanded<kFormat, false>(sums, pieces, rows, range);
}

// The pieces at input k; zeros behind the rows.
template <TileFormat kFormat>
__device__ inline Pieces load_pieces(const LaneWeights& lane, int k) {
  Pieces pieces = {};
#pragma unroll
  for (int r = 0; r < 2; ++r) {
    if (k < lane.num_padded) {
      if constexpr (kFormat == TileFormat::kBf16Sixteens) {
        const auto* const fours = reinterpret_cast<const uint2*>(lane.values[r]);
        const uint2 first = __ldg(fours + k / 4);
        const uint2 second = __ldg(fours + (k + kSecondFour<kFormat>) / 4);
        pieces.values[r] = uint4{first.x, first.y, second.x, second.y};
      } else {
        const auto* const values = reinterpret_cast<const uint4*>(lane.values[r]);
        pieces.values[r] = __ldg(values + k / kPieceInputs<kFormat>);
      }
      if constexpr (is_mx(kFormat)) {
        pieces.scales[r] = __ldg(lane.scales[r] + k / static_cast<int>(kMxGroup));
      }
    }
  }
  return pieces;
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

// Adds a chunk of kCount matrices, whose first input is `first`.
template <TileFormat kFormat, class T, int kCount, int kTiles, bool kWhole>
__device__ inline void add_chunk(TileSums<kTiles> (&sums)[kCount],
                                 const LaneWeights (&lanes)[kCount],
                                 const Pieces (&pieces)[kCount],
                                 const TileRows<T, kTiles, kWhole>& rows,
                                 int first) {
  const int place = static_cast<int>(threadIdx.x % 4) * kLaneInputs<kFormat>;
  const int2 range = {first + place, lanes[0].num_in};
  if constexpr (kFormat == TileFormat::kFp8) {
    TileSums<kTiles> parts[kCount] = {};
    add_pieces<kFormat, T>(parts, pieces, rows, range);
#pragma unroll
    for (int m = 0; m < kCount; ++m) {
      add_scaled<kTiles>(sums[m], parts[m], lanes[m], first);
    }
  } else {
    add_pieces<kFormat, T>(sums, pieces, rows, range);
  }
}

// Inputs that a warp takes at once, and how many times that are on their way: few where expanding
// them takes many registers, so that more warps have room.
template <TileFormat kFormat>
inline constexpr int kChunkInputs = 4 * kPieceInputs<kFormat>;
template <TileFormat kFormat, int kCount>
inline constexpr int kAhead = (kFormat == TileFormat::kMxfp4 ? 2 : 4) / kCount;

// How a row's inputs are cut: chunks, and an eighth of them to a part.
struct Cut {
  int num_chunks;
  int chunks_per_part;
};

template <TileFormat kFormat>
__device__ inline Cut cut_of(const LaneWeights& lane) {
  const int num_chunks = (lane.num_padded + kChunkInputs<kFormat> - 1) / kChunkInputs<kFormat>;
  return {num_chunks, (num_chunks + kTileWarps - 1) / kTileWarps};
}

// Calls body(chunk, pieces) for the chunks [begin, end) of kCount matrices, which have equal sizes.
template <TileFormat kFormat, int kCount, class Body>
__device__ inline void for_chunks(const LaneWeights (&lanes)[kCount],
                                  int begin,
                                  int end,
                                  const Body& body) {
  constexpr int kLoads = kAhead<kFormat, kCount>;
  const int place = static_cast<int>(threadIdx.x % 4) * kLaneInputs<kFormat>;
  for (int c = begin; c < end; c += kLoads) {
    Pieces pieces[kLoads][kCount];
#pragma unroll
    for (int i = 0; i < kLoads; ++i) {
      // Behind the rows are zeros.
      const int k = c + i < end ? (c + i) * kChunkInputs<kFormat> + place : lanes[0].num_padded;
#pragma unroll
      for (int m = 0; m < kCount; ++m) {
        pieces[i][m] = load_pieces<kFormat>(lanes[m], k);
      }
    }
#pragma unroll
    for (int i = 0; i < kLoads; ++i) {
      if (c + i >= end) {  // alike for the warp
        break;
      }
      body(c + i, pieces[i]);
    }
  }
}

// Adds this warp's part of the products of kCount matrices.
template <TileFormat kFormat, class T, int kCount, int kTiles, bool kWhole>
__device__ inline void add_part(TileSums<kTiles> (&sums)[kCount],
                                const LaneWeights (&lanes)[kCount],
                                const TileRows<T, kTiles, kWhole>& rows) {
  const Cut cut = cut_of<kFormat>(lanes[0]);
  const int begin = static_cast<int>(threadIdx.x / kWarpSize) * cut.chunks_per_part;
  const int end = min(cut.num_chunks, begin + cut.chunks_per_part);
  for_chunks<kFormat>(lanes, begin, end, [&](int chunk, const Pieces(&pieces)[kCount]) {
    add_chunk<kFormat, T>(sums, lanes, pieces, rows, chunk * kChunkInputs<kFormat>);
  });
}

// The product of one matrix by one warp, part by part: for short rows, of which a block would have
// more to do with adding up than with multiplying.
template <TileFormat kFormat, class T, int kTiles, bool kWhole>
__device__ inline void add_all_parts(TileSums<kTiles>& sums,
                                     const LaneWeights& lane,
                                     const TileRows<T, kTiles, kWhole>& rows) {
  const LaneWeights lanes[1] = {lane};
  const Cut cut = cut_of<kFormat>(lane);
  TileSums<kTiles> part[1] = {};
  for_chunks<kFormat>(lanes, 0, cut.num_chunks, [&](int chunk, const Pieces(&pieces)[1]) {
    add_chunk<kFormat, T>(part, lanes, pieces, rows, chunk * kChunkInputs<kFormat>);
    if ((chunk + 1) % cut.chunks_per_part == 0 || chunk + 1 == cut.num_chunks) {
#pragma unroll
      for (int n = 0; n < kTiles; ++n) {
#pragma unroll
        for (int i = 0; i < 4; ++i) {
          sums[n][i] += part[0][n][i];
          part[0][n][i] = 0.0F;
        }
      }
    }
  });
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
