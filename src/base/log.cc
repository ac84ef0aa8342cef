#include "base/log.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <ctime>
#include <string>

namespace talon {
namespace {

std::atomic<LogLevel> g_level{LogLevel::kWarn};

constexpr std::array<std::string_view, 5> kNames = {"debug", "info", "warn", "error", "off"};

}  // namespace

void set_log_level(LogLevel level) { g_level.store(level, std::memory_order_relaxed); }

LogLevel log_level() { return g_level.load(std::memory_order_relaxed); }

std::optional<LogLevel> parse_log_level(std::string_view name) {
  const auto* found = std::ranges::find(kNames, name);
  return found == kNames.end() ? std::nullopt
                               : std::optional(static_cast<LogLevel>(found - kNames.begin()));
}

void log_line(LogLevel level, std::string_view component, std::string_view text) {
  using Clock = std::chrono::system_clock;
  const auto now = Clock::now().time_since_epoch();
  const auto ms = std::chrono::duration_cast<std::chrono::milliseconds>(now).count();
  const std::string line =
      fmt::format("level={} time={}.{:03} component={} {}\n", kNames[static_cast<size_t>(level)],
                  ms / 1000, ms % 1000, component, text);
  std::fwrite(line.data(), 1, line.size(), stderr);
}

}  // namespace talon
