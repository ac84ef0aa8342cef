// Re-layout of a row-major Weight for the kernels of a device, done once at load.
//
// kCpuTiles: output rows in tiles of 16, the last tile padded with zero rows.
//
//   kBf16    values bf16 [tiles, ceil(in/2), 16 outputs, 2 inputs]. One 64-byte line holds two
//            input channels of 16 outputs, which AVX2 widens with a shift and a mask, and which is
//            the operand order of VDPBF16PS and of an AMX B tile. An odd `in` is padded with zeros.
//   kFp8*, kMxfp8   values e4m3 [tiles, in, 16]
//   kMxfp4   values u8 [tiles, in/2, 16], a byte being two inputs of an output as in the checkpoint
//   scales   f32 or u8 [tiles, groups, 16]: groups of 32 (MX) or 128 (kFp8Block) input channels, or
//            one group of all; a scale that several outputs share is repeated for each
//
// Quantised values keep their bytes and are expanded to float32 by the kernel, piece by piece. The
// order is the same for every CpuPath.
#pragma once

#include <span>

#include "core/buffer.h"
#include "core/upload.h"
#include "ops/weight.h"

namespace talon {

inline constexpr int64_t kTileOutputs = 16;

// A packed copy that owns its memory; `weight()` is a view into it. Move-only.
class PackedWeight {
 public:
  PackedWeight() = default;

  // Stacks the rows of `parts` (same num_in and format, row-major) into one matrix and packs it.
  // MX formats need num_in to be a multiple of 32.
  // Parts of kFp8Block need not be multiples of 128 rows: packed block scales are expanded to one
  // per output row and 128 inputs.
  static PackedWeight stack(std::span<const Weight> parts);
  static PackedWeight pack(const Weight& part) { return stack({&part, 1}); }

  // The same as kCudaRows (ops/weight.h) on the uploader's device.
  static PackedWeight stack_rows(std::span<const Weight> parts, Uploader& uploader);

  const Weight& weight() const { return weight_; }
  int64_t num_bytes() const { return values_.num_bytes() + scales_.num_bytes(); }

 private:
  Buffer values_;
  Buffer scales_;
  Weight weight_;
};

// Rows [first, first + count) of a kCudaRows weight: a view.
Weight weight_rows(const Weight& weight, int64_t first, int64_t count);

}  // namespace talon
