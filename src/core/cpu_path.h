// The instruction path of the CPU kernels. It is chosen once, before weights are packed, and never
// by row count: two paths may round differently, one path always rounds a row alike.
#pragma once

#include <optional>
#include <string_view>

namespace talon {

enum class CpuPath { kScalar, kAvx2, kAvx512, kAmx };

// The best path that this processor and operating system run. For AMX it also asks the kernel for
// the tile state, once per process.
CpuPath detect_cpu_path();

// Whether this processor can run `path`.
bool cpu_path_available(CpuPath path);

std::string_view cpu_path_name(CpuPath path);  // "scalar", "avx2", "avx512", "amx"
std::optional<CpuPath> cpu_path_from_name(std::string_view name);

}  // namespace talon
