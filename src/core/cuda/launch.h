// The one way to start a kernel: launch({.grid = .., .block = .., .stream = ..}, kernel, params).
// A kernel takes one struct. For .cu files only.
#pragma once

#include <cuda_runtime.h>

#include <cstddef>
#include <source_location>
#include <type_traits>

#include "core/cuda/check.h"
#include "core/cuda/context.h"

namespace talon {
struct LaunchShape {
  dim3 grid = {1, 1, 1};
  dim3 block = {1, 1, 1};
  size_t smem_bytes = 0;  // dynamic shared memory; over 48 KiB the kernel's limit is raised
  cudaStream_t stream = nullptr;
  // The kernel may start before the one in front has ended: it must wait for it before it touches
  // memory (griddepcontrol.wait). Hopper and newer; elsewhere it means nothing.
  bool dependent = false;
  std::source_location where = std::source_location::current();
};

// `params` is a list of one.
void launch_untyped(const LaunchShape& shape, const void* kernel, void** params);

template <class Params>
void launch(const LaunchShape& shape,
            void (*kernel)(Params),
            const std::type_identity_t<Params>& params) {
  static_assert(std::is_trivially_copyable_v<Params>);
  void* list[] = {const_cast<std::remove_const_t<Params>*>(&params)};
  launch_untyped(shape, reinterpret_cast<const void*>(kernel), list);
}

}  // namespace talon
