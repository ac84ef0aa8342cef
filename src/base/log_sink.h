// Where the lines of base/log.h go instead of stderr. One for the process, set by who owns the
// sink: base/log_thread.h.
#pragma once

#include <functional>
#include <string>

namespace talon {

// Gets whole lines, from any thread, also from several at once. It may not log.
using LogSink = std::function<void(std::string&& line)>;

// Null: stderr again. From any thread; a line that is under way may still reach the old sink.
void set_log_sink(LogSink sink);

}  // namespace talon
