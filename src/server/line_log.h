// A file of lines that a thread of its own writes, so that who has a line never waits for a disk.
// Lines that find the queue full, or the disk, are dropped and counted. The file is appended to;
// destruction writes what waits.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <thread>

#include "base/bounded_queue.h"

namespace talon::server {

class LineLog {
 public:
  // Throws Error that begins with `name` (a flag) if the file cannot be opened.
  LineLog(const std::string& name, const std::string& file, size_t max_lines);
  ~LineLog();
  LineLog(const LineLog&) = delete;
  LineLog& operator=(const LineLog&) = delete;

  // Called on the log's thread; the line has no break at its end.
  using Line = std::function<std::string()>;

  // From any thread.
  void write(Line line);

  int64_t num_dropped() const { return num_dropped_.load(std::memory_order_relaxed); }

 private:
  void run();
  bool write_all(std::string_view bytes) const;

  std::string file_name_;
  int file_;
  BoundedQueue<Line> lines_;
  std::atomic<int64_t> num_dropped_{0};
  std::jthread thread_;  // last: it uses the others
};

}  // namespace talon::server
