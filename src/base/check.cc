#include "base/check.h"

#include <cstdio>
#include <cstdlib>

namespace talon {

void check_failed(std::string_view condition,
                  std::string_view message,
                  std::source_location where) {
  fmt::print(stderr, "{}:{}: check failed: {}: {}\n", where.file_name(), where.line(), condition,
             message);
  std::fflush(stderr);
  std::abort();
}

}  // namespace talon
