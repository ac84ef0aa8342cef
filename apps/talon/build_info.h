// What this program was built from. The version is the macro TALON_VERSION.
#pragma once

#include <string>
#include <string_view>

namespace talon {

// 12 digits of git's, with "-dirty" behind them if tracked files differed, or what the build was
// told (-DTALON_COMMIT); "unknown" outside git. From the file that cmake/source_commit.cmake makes.
std::string_view source_commit();

// For people: "talon 0.1.0, commit 0123456789ab, cpu"; "cuda" if kernels for GPUs are inside.
std::string version_text();

}  // namespace talon
