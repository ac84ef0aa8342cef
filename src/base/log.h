// One line an event on stderr: level, time, component and key=value text. Thread safe; a line is
// written with one call. The level is set once, by `main`, from TALON_LOG.
#pragma once

#include <fmt/format.h>

#include <optional>
#include <string_view>
#include <utility>

namespace talon {

enum class LogLevel { kDebug, kInfo, kWarn, kError, kOff };

void set_log_level(LogLevel level);
LogLevel log_level();
// Of "debug", "info", "warn", "error" or "off".
std::optional<LogLevel> parse_log_level(std::string_view name);
void log_line(LogLevel level, std::string_view component, std::string_view text);

template <class... Args>
void log(LogLevel level,
         std::string_view component,
         fmt::format_string<Args...> text,
         Args&&... args) {
  if (level >= log_level()) {
    log_line(level, component, fmt::format(text, std::forward<Args>(args)...));
  }
}

}  // namespace talon
