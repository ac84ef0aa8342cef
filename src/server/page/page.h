// The chat page: static files that the build puts inside the program (embed.cmake). Immutable.
#pragma once

#include <span>
#include <string_view>

namespace talon::server {

struct PageFile {
  std::string_view path;  // of the request: "/" or "/page/<name>"
  std::string_view content_type;
  std::string_view body;
};

// The page loads nothing but its own files and talks to its own server only. Sent with each file.
inline constexpr std::string_view kPagePolicy =
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

std::span<const PageFile> page_files();

// Null if the page has no such file.
const PageFile* find_page_file(std::string_view path);

}  // namespace talon::server
