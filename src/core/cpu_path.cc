#include "core/cpu_path.h"

#include <sys/syscall.h>
#include <unistd.h>

#include <array>

namespace talon {
namespace {

constexpr std::array kPaths = {CpuPath::kScalar, CpuPath::kAvx2, CpuPath::kAvx512, CpuPath::kAmx};

bool has_avx2() { return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"); }

bool has_avx512() {
  return has_avx2() && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
         __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq") &&
         __builtin_cpu_supports("avx512bf16");
}

// CPUID leaf 7 says what the chip has; Linux hands out the 8 KiB tile state only on request
// (arch_prctl ARCH_REQ_XCOMP_PERM, feature 18 = XTILEDATA).
bool request_amx() {
  unsigned eax = 7;
  unsigned ebx = 0;
  unsigned ecx = 0;
  unsigned edx = 0;
  __asm__("cpuid" : "+a"(eax), "=b"(ebx), "+c"(ecx), "=d"(edx));
  constexpr unsigned kAmxBf16 = 1U << 22;
  constexpr unsigned kAmxTile = 1U << 24;
  if ((edx & kAmxBf16) == 0 || (edx & kAmxTile) == 0) {
    return false;
  }
  constexpr long kReqXcompPerm = 0x1023;
  constexpr long kXtileData = 18;
  return syscall(SYS_arch_prctl, kReqXcompPerm, kXtileData) == 0;
}

bool has_amx() {
  static const bool kAvailable = has_avx512() && request_amx();
  return kAvailable;
}

}  // namespace

bool cpu_path_available(CpuPath path) {
  switch (path) {
    case CpuPath::kScalar:
      return true;
    case CpuPath::kAvx2:
      return has_avx2();
    case CpuPath::kAvx512:
      return has_avx512();
    case CpuPath::kAmx:
      return has_amx();
  }
  return false;
}

CpuPath detect_cpu_path() {
  CpuPath best = CpuPath::kScalar;
  for (const CpuPath path : kPaths) {
    if (cpu_path_available(path)) {
      best = path;
    }
  }
  return best;
}

std::string_view cpu_path_name(CpuPath path) {
  switch (path) {
    case CpuPath::kScalar:
      return "scalar";
    case CpuPath::kAvx2:
      return "avx2";
    case CpuPath::kAvx512:
      return "avx512";
    case CpuPath::kAmx:
      return "amx";
  }
  return "?";
}

std::optional<CpuPath> cpu_path_from_name(std::string_view name) {
  for (const CpuPath path : kPaths) {
    if (cpu_path_name(path) == name) {
      return path;
    }
  }
  return std::nullopt;
}

}  // namespace talon
