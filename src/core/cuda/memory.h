// Memory of a CUDA device, and page-locked host memory, as plain bytes. Only Buffer and HostBuffer
// call this; it includes no CUDA header, so that they are compiled alike in every build.
#pragma once

#include <cstddef>
#include <cstdint>

#include "core/device.h"

namespace talon::cuda {

// Throws Error{kOutOfMemory} that names the size and what is free. Null for 0 bytes.
void* allocate_device(Device device, int64_t num_bytes);
void free_device(Device device, void* block) noexcept;

// Page-locked, and readable and writable by the device under the same address.
void* allocate_host(Device device, int64_t num_bytes);
void free_host(void* block) noexcept;

// Sets bytes to 0 and waits until it is done.
void zero_now(Device device, void* data, int64_t num_bytes);

// Calls of allocate_device so far in this process. After start-up it stands still.
int64_t num_device_allocations();

}  // namespace talon::cuda
