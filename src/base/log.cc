#include "base/log.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <memory>
#include <mutex>
#include <string>
#include <utility>

#include "base/log_sink.h"

namespace talon {
namespace {

std::atomic<LogLevel> g_level{LogLevel::kWarn};

std::mutex g_sink_mutex;
std::shared_ptr<const LogSink> g_sink;  // null: stderr

// Held by its caller while it is used, so that it may be replaced meanwhile.
std::shared_ptr<const LogSink> present_sink() {
  const std::lock_guard lock(g_sink_mutex);
  return g_sink;
}

constexpr std::array<std::string_view, 5> kNames = {"debug", "info", "warn", "error", "off"};

}  // namespace

void set_log_level(LogLevel level) { g_level.store(level, std::memory_order_relaxed); }

LogLevel log_level() { return g_level.load(std::memory_order_relaxed); }

std::optional<LogLevel> parse_log_level(std::string_view name) {
  const auto* found = std::ranges::find(kNames, name);
  return found == kNames.end() ? std::nullopt
                               : std::optional(static_cast<LogLevel>(found - kNames.begin()));
}

void set_log_sink(LogSink sink) {
  auto next = sink ? std::make_shared<const LogSink>(std::move(sink)) : nullptr;
  const std::lock_guard lock(g_sink_mutex);
  g_sink = std::move(next);
}

void log_line(LogLevel level, std::string_view component, std::string_view text) {
  using Clock = std::chrono::system_clock;
  const auto now = Clock::now().time_since_epoch();
  const auto ms = std::chrono::duration_cast<std::chrono::milliseconds>(now).count();
  std::string line =
      fmt::format("level={} time={}.{:03} component={} {}\n", kNames[static_cast<size_t>(level)],
                  ms / 1000, ms % 1000, component, text);
  if (const std::shared_ptr<const LogSink> sink = present_sink()) {
    (*sink)(std::move(line));
  } else {
    std::fwrite(line.data(), 1, line.size(), stderr);
  }
}

}  // namespace talon
