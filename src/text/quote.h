// Untrusted text in a message: quoted, cut short, control characters and invalid bytes escaped, so
// that a message stays one readable line. Pure function.
#pragma once

#include <string>
#include <string_view>

namespace talon::text {

// At most kMaxQuotedBytes bytes of `text`, then "..." if there are more.
inline constexpr size_t kMaxQuotedBytes = 64;

std::string quote(std::string_view text);

}  // namespace talon::text
