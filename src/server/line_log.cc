#include "server/line_log.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/types.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <optional>
#include <utility>

#include "base/error.h"
#include "base/log.h"

namespace talon::server {

namespace {

constexpr size_t kBatchBytes = size_t{64} * 1024;
constexpr mode_t kMode = 0640;  // lines may hold what users wrote

}  // namespace

LineLog::LineLog(const std::string& name, const std::string& file, size_t max_lines)
    : file_name_(file),
      file_(::open(file.c_str(), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, kMode)),
      lines_(max_lines) {
  if (file_ < 0) {
    throw Error(ErrorCode::kNotFound,
                fmt::format("{} {}: cannot be written: {}", name, file, std::strerror(errno)));
  }
  thread_ = std::jthread([this] { run(); });
}

LineLog::~LineLog() {
  lines_.close();
  thread_.join();
  ::close(file_);
}

void LineLog::write(Line line) {
  if (!lines_.try_push(std::move(line))) {
    num_dropped_.fetch_add(1, std::memory_order_relaxed);
  }
}

bool LineLog::write_all(std::string_view bytes) const {
  while (!bytes.empty()) {
    const ssize_t count = ::write(file_, bytes.data(), bytes.size());
    if (count < 0 && errno != EINTR) {
      return false;
    }
    bytes.remove_prefix(static_cast<size_t>(std::max<ssize_t>(count, 0)));
  }
  return true;
}

void LineLog::run() {
  bool is_broken = false;
  // Closed and empty is the end: a wait of this length never is.
  constexpr std::chrono::hours kForever(24 * 365);
  while (std::optional<Line> line = lines_.pop_until(std::chrono::steady_clock::now() + kForever)) {
    std::string batch;
    int64_t num_lines = 0;
    for (; line.has_value(); line = lines_.try_pop()) {
      batch += (*line)();
      batch += '\n';
      ++num_lines;
      if (batch.size() >= kBatchBytes) {
        break;
      }
    }
    const bool is_written = write_all(batch);
    if (!is_written) {
      num_dropped_.fetch_add(num_lines, std::memory_order_relaxed);
    }
    if (!is_written && !is_broken) {
      log(LogLevel::kError, "server", "file={} text=\"cannot be written: {}\"", file_name_,
          std::strerror(errno));
    }
    is_broken = !is_written;
  }
}

}  // namespace talon::server
