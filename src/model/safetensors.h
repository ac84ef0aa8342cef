// Headers of the safetensors format: a little-endian uint64 length, that many bytes of JSON naming
// each tensor's dtype, shape and byte range, then the data. Reads untrusted bytes; every length,
// product and range is bounded, ranges may not overlap and must lie in the file.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "base/result.h"

namespace talon {

enum class FileDType : uint8_t {
  kF64,
  kF32,
  kF16,
  kBf16,
  kF8E4M3,
  kF8E5M2,
  kF8E8M0,
  kI64,
  kI32,
  kI16,
  kI8,
  kU64,
  kU32,
  kU16,
  kU8,
  kBool
};

int64_t file_dtype_bytes(FileDType dtype);
std::string_view file_dtype_name(FileDType dtype);  // as in the file: "BF16", "F8_E4M3"

struct TensorEntry {
  std::string name;
  FileDType dtype = FileDType::kF32;
  std::vector<int64_t> shape;
  int64_t begin = 0;  // bytes from the start of the file
  int64_t end = 0;
};

// Longest header accepted; the real M3's largest is about 100 KB.
inline constexpr int64_t kMaxHeaderBytes = int64_t{64} << 20;

// `bytes` holds at least the length and the header; `file_bytes` is the size of the whole file.
Result<std::vector<TensorEntry>> parse_safetensors(std::span<const std::byte> bytes,
                                                   int64_t file_bytes);

}  // namespace talon
