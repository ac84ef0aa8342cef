// Untrusted text made fit for a one-line message: control characters and bytes that are no UTF-8
// become \xNN, and what is longer than the limit is cut before a character and marked with "...".
// Pure functions.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace talon {

inline constexpr size_t kMaxPrintableBytes = 160;
inline constexpr size_t kMaxQuotedBytes = 64;

// `max_bytes` counts bytes of `text`.
std::string printable(std::string_view text, size_t max_bytes = kMaxPrintableBytes);

// The same in double quotes, with \" and \\ escaped, so that its end is certain.
std::string quote(std::string_view text);

}  // namespace talon
