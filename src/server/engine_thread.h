// The thread that owns the engine: it runs what others post, and steps while there is work.
//
// Everything that touches the engine is posted as a task and runs between two steps; tasks run in
// the order of posting. After tasks and after each step `notify` is called on this thread, so that
// readers look at their event queues; it must be quick and may not throw. Destruction ends the
// thread after the step in progress, with requests left where they are.
#pragma once

#include <atomic>
#include <chrono>
#include <cstddef>
#include <functional>
#include <thread>

#include "base/bounded_queue.h"
#include "engine/engine.h"

namespace talon::server {

class EngineThread {
 public:
  using Task = std::function<void(Engine&)>;

  // `engine` must outlive the thread, and nobody else may touch it meanwhile.
  EngineThread(Engine& engine, size_t max_tasks, std::function<void()> notify);
  ~EngineThread();
  EngineThread(const EngineThread&) = delete;
  EngineThread& operator=(const EngineThread&) = delete;

  // False if too many tasks wait. From any thread.
  [[nodiscard]] bool post(Task task);

  // How long there has been work without a step or task ending; zero without work. From any
  // thread.
  std::chrono::steady_clock::duration stalled_for() const;

 private:
  void run(const std::stop_token& stop);
  bool run_tasks();
  void mark(bool is_busy);

  Engine& engine_;
  BoundedQueue<Task> tasks_;
  std::function<void()> notify_;
  std::atomic<int64_t> busy_since_ns_{0};  // of the steady clock; 0: idle
  std::jthread thread_;                    // last: it uses the others
};

}  // namespace talon::server
