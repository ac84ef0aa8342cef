// Moves host bytes of any kind, mapped files above all, into memory of a device. On a GPU they go
// through two page-locked pieces, so that reading one overlaps with copying the other. For loading
// only; used from one thread.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "core/buffer.h"
#include "core/host_buffer.h"
#include "core/stream.h"

namespace talon {

class Uploader {
 public:
  explicit Uploader(Stream stream);

  Device device() const { return stream_.device(); }

  // `from` may change or go when it returns; the bytes are there when `finish` has returned.
  void write(std::byte* to, const std::byte* from, int64_t num_bytes);
  // Rows of `row_bytes`, each `to_stride` bytes after the one before and `from_stride` likewise.
  struct Rows {
    int64_t count = 0;
    int64_t row_bytes = 0;
    int64_t to_stride = 0;
    int64_t from_stride = 0;
  };
  void write_rows(std::byte* to, const std::byte* from, const Rows& rows);
  void finish();

  // Whether two ranges of the device's memory hold the same bytes, all writes done.
  bool same_bytes(const std::byte* a, const std::byte* b, int64_t num_bytes);

  static constexpr int64_t kPieceBytes = int64_t{16} << 20;

 private:
  Stream stream_;
  std::array<HostBuffer, 2> pieces_;
  size_t current_ = 0;  // piece being filled
  int64_t used_ = 0;    // bytes of it
};

// A buffer with these bytes, on the uploader's device, or on the CPU without one.
Buffer place(Uploader* uploader, const void* from, int64_t num_bytes);

}  // namespace talon
