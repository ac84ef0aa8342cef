// The thread that owns the engine: it runs what others post, and steps while there is work.
//
// Everything that touches the engine is posted as a task and runs between two steps; tasks run in
// the order of posting. After tasks and after each step `notify` is called on this thread, so that
// readers look at their event queues; it must be quick and may not throw. Destruction ends the
// thread after the step in progress, with requests left where they are.
//
// An exception of a step or task (a device that is lost) ends the thread: nothing that it touched
// can be trusted. `failure` then says why, and tasks are no longer taken, nor run if they wait.
#pragma once

#include <atomic>
#include <chrono>
#include <cstddef>
#include <functional>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "base/bounded_queue.h"
#include "engine/engine.h"

namespace talon::server {

// The numbers of the engine after a turn of its thread.
struct EngineSnapshot {
  int32_t num_running = 0;
  int32_t num_waiting = 0;
  int32_t num_pages = 0;  // that sequences may have
  int32_t num_free_pages = 0;
  int32_t num_cached_pages = 0;  // free ones whose contents are kept
  SchedulerStats scheduler{};
};

// A sequence left the waiting queue.
struct Admission {
  SeqId id;
  std::chrono::steady_clock::time_point time{};
};

class EngineThread {
 public:
  using Task = std::function<void(Engine&)>;

  // `engine` must outlive the thread, and nobody else may touch it meanwhile.
  EngineThread(Engine& engine, size_t max_tasks, std::function<void()> notify);
  ~EngineThread();
  EngineThread(const EngineThread&) = delete;
  EngineThread& operator=(const EngineThread&) = delete;

  // False if too many tasks wait or the engine has failed. From any thread.
  [[nodiscard]] bool post(Task task);

  // From any thread.
  bool has_failed() const { return has_failed_.load(std::memory_order_acquire); }
  std::string failure() const;  // empty: none

  // From any thread.
  EngineSnapshot snapshot() const;

  // Those since the last call, in their order; a sequence that was preempted comes again. From any
  // thread.
  std::vector<Admission> take_admissions();

  // How long there has been work without a step or task ending; zero without work. From any
  // thread.
  std::chrono::steady_clock::duration stalled_for() const;

 private:
  void run(const std::stop_token& stop);
  void loop(const std::stop_token& stop);
  void fail(const std::string& why);
  bool run_tasks();
  void publish();
  void mark(bool is_busy);

  Engine& engine_;
  BoundedQueue<Task> tasks_;
  std::function<void()> notify_;
  // Metrics and admissions are read without waiting for the engine; held for a copy only.
  mutable std::mutex snapshot_mutex_;
  EngineSnapshot snapshot_;
  std::vector<Admission> admissions_;          // not yet taken
  std::vector<Admission> admissions_of_step_;  // the thread's own
  std::string failure_;                        // with the snapshot's mutex
  std::atomic<bool> has_failed_{false};
  std::atomic<int64_t> busy_since_ns_{0};  // of the steady clock; 0: idle
  std::jthread thread_;                    // last: it uses the others
};

}  // namespace talon::server
