// Numbers as users of vLLM write them: 32768, 32k (thousands), 32K (1,024s), 1.5m, 1M, 2g, 2G.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace talon {

// A whole number from 0 to 2^62. A fraction goes with k, m and g only, and must come out whole.
std::optional<int64_t> parse_count(std::string_view text);

}  // namespace talon
