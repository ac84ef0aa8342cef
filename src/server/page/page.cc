#include "server/page/page.h"

#include <algorithm>
#include <array>

#include "server/page/page_bytes.h"

namespace talon::server {
namespace {

constexpr std::string_view kScript = "text/javascript; charset=utf-8";

// Made before main from strings that are constant by then.
const std::array kFiles = {
    PageFile{"/", "text/html; charset=utf-8", kPageIndexHtml},
    PageFile{"/page/style.css", "text/css; charset=utf-8", kPageStyleCss},
    PageFile{"/page/app.js", kScript, kPageAppJs},
    PageFile{"/page/drafts.js", kScript, kPageDraftsJs},
    PageFile{"/page/events.js", kScript, kPageEventsJs},
};

}  // namespace

std::span<const PageFile> page_files() { return kFiles; }

const PageFile* find_page_file(std::string_view path) {
  const auto found = std::ranges::find(kFiles, path, &PageFile::path);
  return found == kFiles.end() ? nullptr : &*found;
}

}  // namespace talon::server
