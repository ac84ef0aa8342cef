#include "build_info.h"

#include <fmt/format.h>

#include "core/backend.h"

namespace talon {

std::string version_text() {
  return fmt::format("talon {}, commit {}, {}", TALON_VERSION, source_commit(),
                     kHasCuda ? "cuda" : "cpu");
}

}  // namespace talon
