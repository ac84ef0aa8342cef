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

#include <array>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "base/bounded_queue.h"
#include "engine/engine.h"
#include "server/histogram.h"
#include "server/invariants.h"

namespace talon::server {

// Steps by what is in them: prompts, verifies, or both.
inline constexpr std::array<std::string_view, 3> kStepKinds = {"prefill", "decode", "mixed"};

// The numbers of the engine after a turn of its thread.
struct EngineSnapshot {
  int32_t num_running = 0;
  int32_t num_waiting = 0;
  int32_t num_pages = 0;  // that sequences may have
  int32_t num_free_pages = 0;
  int32_t num_cached_pages = 0;  // free ones whose contents are kept
  int32_t num_prefilling = 0;    // of those that run
  int64_t num_evictions = 0;     // cached pages given away, ever
  WaitReason wait_reason = WaitReason::kNone;
  SchedulerStats scheduler{};
  StepView last_step{};  // round 0: there was none
  std::chrono::steady_clock::time_point last_step_time{};
  std::array<Histogram, kStepKinds.size()> step_seconds{};  // by kind
  Histogram step_rows{Histogram::kCounts};
  std::array<int64_t, kInvariantNames.size()> invariant_failures{};  // by Invariant
};

// What takes longer to tell: a little older than the snapshot while the engine works.
struct EngineDetails {
  std::chrono::steady_clock::time_point time{};
  std::vector<SequenceView> sequences{};
  std::vector<GraphView> graphs{};
  int64_t num_eager_launches = 0;
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
  std::shared_ptr<const EngineDetails> details() const;  // never null

  // Those since the last call, in their order; a sequence that was preempted comes again. From any
  // thread.
  std::vector<Admission> take_admissions();

  // How long there has been work without a step or task ending, or without a step being made
  // though nothing runs and something waits; zero without work. From any thread.
  std::chrono::steady_clock::duration stalled_for() const;

 private:
  void run(const std::stop_token& stop);
  void loop(const std::stop_token& stop);
  void fail(const std::string& why);
  bool run_tasks();
  void wait_for_task();
  void publish(const TurnFacts& turn);
  void check_invariants(const TurnFacts& turn);
  void publish_details();
  bool step();
  void mark(bool is_busy);
  bool is_stuck() const { return is_broken_[static_cast<size_t>(Invariant::kStuckQueue)]; }

  Engine& engine_;
  BoundedQueue<Task> tasks_;
  std::function<void()> notify_;
  // Metrics and admissions are read without waiting for the engine; held for a copy only.
  mutable std::mutex snapshot_mutex_;
  EngineSnapshot snapshot_;
  std::shared_ptr<const EngineDetails> details_ = std::make_shared<const EngineDetails>();
  std::vector<Admission> admissions_;  // not yet taken
  // The thread's own:
  std::vector<Admission> admissions_of_step_;
  EngineSnapshot next_;                                   // what of it is not read from the engine
  std::array<bool, kInvariantNames.size()> is_broken_{};  // in the last turn, by Invariant
  bool has_old_details_ = true;
  std::optional<Task> awaited_;  // came while there was nothing to do, not yet run
  std::string failure_;          // with the snapshot's mutex
  std::atomic<bool> has_failed_{false};
  std::atomic<int64_t> busy_since_ns_{0};  // of the steady clock; 0: idle
  std::jthread thread_;                    // last: it uses the others
};

}  // namespace talon::server
