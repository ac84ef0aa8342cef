// The bytes of the chat page's files. Defined by a source that the build makes (embed.cmake);
// constant from before any code runs.
#pragma once

#include <string_view>

namespace talon::server {

extern const std::string_view kPageIndexHtml;
extern const std::string_view kPageStyleCss;
extern const std::string_view kPageAppJs;
extern const std::string_view kPageDraftsJs;
extern const std::string_view kPageEventsJs;

}  // namespace talon::server
