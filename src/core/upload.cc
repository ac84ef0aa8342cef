#include "core/upload.h"

#include <algorithm>
#include <cstring>

#include "core/copy.h"

namespace talon {

Uploader::Uploader(Stream stream) : stream_(stream) {
  if (stream.is_cuda()) {
    pieces_ = {HostBuffer(kPieceBytes, device()), HostBuffer(kPieceBytes, device())};
  }
}

void Uploader::write(std::byte* to, const std::byte* from, int64_t num_bytes) {
  if (!stream_.is_cuda()) {
    copy_bytes(stream_, to, from, num_bytes);
    return;
  }
  for (int64_t done = 0; done < num_bytes;) {
    if (used_ == kPieceBytes) {
      current_ = 1 - current_;
      used_ = 0;
      if (current_ == 0) {
        synchronize(stream_);  // the copies out of both are over
      }
    }
    const int64_t count = std::min(num_bytes - done, kPieceBytes - used_);
    std::byte* staged = pieces_[current_].data() + used_;
    std::memcpy(staged, from + done, static_cast<size_t>(count));
    copy_bytes(stream_, to + done, staged, count);
    used_ += count;
    done += count;
  }
}

void Uploader::write_rows(std::byte* to, const std::byte* from, const Rows& rows) {
  if (rows.to_stride == rows.row_bytes && rows.from_stride == rows.row_bytes) {
    write(to, from, rows.count * rows.row_bytes);
    return;
  }
  for (int64_t i = 0; i < rows.count; ++i) {
    write(to + i * rows.to_stride, from + i * rows.from_stride, rows.row_bytes);
  }
}

void Uploader::finish() {
  synchronize(stream_);
  current_ = 0;
  used_ = 0;
}

bool Uploader::same_bytes(const std::byte* a, const std::byte* b, int64_t num_bytes) {
  finish();
  if (!stream_.is_cuda()) {
    return std::memcmp(a, b, static_cast<size_t>(num_bytes)) == 0;
  }
  for (int64_t done = 0; done < num_bytes; done += kPieceBytes) {
    const int64_t count = std::min(num_bytes - done, kPieceBytes);
    copy_bytes(stream_, pieces_[0].data(), a + done, count);
    copy_bytes(stream_, pieces_[1].data(), b + done, count);
    synchronize(stream_);
    if (std::memcmp(pieces_[0].data(), pieces_[1].data(), static_cast<size_t>(count)) != 0) {
      return false;
    }
  }
  return true;
}

Buffer place(Uploader* uploader, const void* from, int64_t num_bytes) {
  const auto* bytes = static_cast<const std::byte*>(from);
  Buffer buffer(num_bytes, uploader == nullptr ? kCpuDevice : uploader->device());
  if (uploader != nullptr) {
    uploader->write(buffer.data(), bytes, num_bytes);
  } else if (num_bytes > 0) {
    std::memcpy(buffer.data(), bytes, static_cast<size_t>(num_bytes));
  }
  return buffer;
}

}  // namespace talon
