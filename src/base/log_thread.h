// While one exists, lines of the log wait in a queue and a thread writes them: who logs never waits
// for whoever reads stderr, be it a full disk or a terminal that someone holds. Lines that find the
// queue full are dropped and counted, and so are those that nobody took within a second of the end.
#pragma once

#include <unistd.h>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <thread>

namespace talon {

// At most one at a time. `file` stays the caller's.
class LogThread {
 public:
  explicit LogThread(size_t max_lines = 16'384, int file = STDERR_FILENO);
  ~LogThread();
  LogThread(const LogThread&) = delete;
  LogThread& operator=(const LogThread&) = delete;

  // Returns when all lines so far were written or dropped, or after `limit`. From any thread.
  void flush(std::chrono::milliseconds limit) const;

  int64_t num_dropped() const;  // from any thread

 private:
  struct State;

  std::shared_ptr<State> state_;  // shared with the sink, which may be in use when this ends
  std::jthread thread_;           // last: it uses the state
};

}  // namespace talon
