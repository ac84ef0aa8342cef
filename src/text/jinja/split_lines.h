// The lines of a text, where Python's str.splitlines finds them: at \n, \r\n, \r and the other
// separators of lines and paragraphs that Unicode and ASCII have. Pure function.
#pragma once

#include <string_view>
#include <vector>

namespace talon::text {

std::vector<std::string_view> split_lines(std::string_view text, bool keep_ends);

}  // namespace talon::text
