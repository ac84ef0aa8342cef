// A thread for what would hold up the io thread: reading bodies, tokenizing, rendering templates,
// compiling grammars. Tasks run in the order of posting; those that wait at the end are dropped.
#pragma once

#include <chrono>
#include <functional>
#include <optional>
#include <thread>
#include <utility>

#include "base/bounded_queue.h"

namespace talon::server {

class Worker {
 public:
  using Task = std::function<void()>;

  explicit Worker(size_t max_tasks)
      : tasks_(max_tasks), thread_([this](const std::stop_token& stop) { run(stop); }) {}
  ~Worker() {
    thread_.request_stop();
    tasks_.close();
  }
  Worker(const Worker&) = delete;
  Worker& operator=(const Worker&) = delete;

  // False if too many tasks wait. From any thread.
  [[nodiscard]] bool post(Task task) { return tasks_.try_push(std::move(task)); }

 private:
  void run(const std::stop_token& stop) {
    while (!stop.stop_requested()) {
      // It looks up now and then to see whether it shall stop.
      const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(1);
      if (const std::optional<Task> task = tasks_.pop_until(deadline)) {
        (*task)();
      }
    }
  }

  BoundedQueue<Task> tasks_;
  std::jthread thread_;
};

}  // namespace talon::server
