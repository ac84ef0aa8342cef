// Copies and fills in the order of a stream, for every device. On the CPU they run at once. On CUDA
// they are queued: host memory must stay as it is until the stream has passed them, and should come
// from a HostBuffer, since other host memory is copied while the caller waits.
#pragma once

#include <cstdint>

#include "core/stream.h"
#include "core/tensor_view.h"

namespace talon {

// Contiguous views of the same dtype and number of elements; each on the stream's device or on the
// CPU.
void copy(Stream stream, const TensorView& to, const ConstTensorView& from);
void copy_bytes(Stream stream, void* to, const void* from, int64_t num_bytes);

// Sets every byte of a contiguous view to 0.
void fill_zero(Stream stream, const TensorView& view);

// Waits until all that was queued is done. Nothing to do on the CPU.
void synchronize(Stream stream);

}  // namespace talon
