#include "server/engine_thread.h"

#include <exception>
#include <optional>
#include <utility>

#include "base/log.h"

namespace talon::server {
namespace {

using Clock = std::chrono::steady_clock;

// An idle thread looks up this often, only to see whether it shall stop.
constexpr std::chrono::milliseconds kIdleWait(100);
// Details of a thousand sequences are not told anew at every step.
constexpr std::chrono::milliseconds kDetailsPeriod(100);

}  // namespace

EngineThread::EngineThread(Engine& engine, size_t max_tasks, std::function<void()> notify)
    : engine_(engine),
      tasks_(max_tasks),
      notify_(std::move(notify)),
      thread_([this](const std::stop_token& stop) { run(stop); }) {}

EngineThread::~EngineThread() {
  thread_.request_stop();
  tasks_.close();
}

bool EngineThread::post(Task task) { return tasks_.try_push(std::move(task)); }

Clock::duration EngineThread::stalled_for() const {
  const int64_t since = busy_since_ns_.load(std::memory_order_relaxed);
  if (since == 0) {
    return Clock::duration::zero();
  }
  return Clock::now() - Clock::time_point(std::chrono::nanoseconds(since));
}

EngineSnapshot EngineThread::snapshot() const {
  const std::lock_guard lock(snapshot_mutex_);
  return snapshot_;
}

std::vector<Admission> EngineThread::take_admissions() {
  const std::lock_guard lock(snapshot_mutex_);
  return std::exchange(admissions_, {});
}

void EngineThread::publish(const TurnFacts& turn) {
  const Scheduler& scheduler = engine_.scheduler();
  const PagePool& pool = scheduler.pool();
  next_.num_running = scheduler.num_running();
  next_.num_waiting = scheduler.num_waiting();
  next_.num_pages = pool.num_pages() - 1;
  next_.num_free_pages = pool.num_free();
  next_.num_cached_pages = pool.num_cached();
  next_.num_prefilling = scheduler.num_prefilling();
  next_.num_evictions = pool.num_evictions();
  next_.wait_reason = scheduler.wait_reason();
  next_.scheduler = scheduler.stats();
  check_invariants(turn);
  {
    const std::lock_guard lock(snapshot_mutex_);
    snapshot_ = next_;
    admissions_.insert(admissions_.end(), admissions_of_step_.begin(), admissions_of_step_.end());
  }
  admissions_of_step_.clear();
  has_old_details_ = true;
  if (Clock::now() - details_->time >= kDetailsPeriod) {
    publish_details();
  }
  notify_();
}

// Counts each spell once, not each of its turns.
void EngineThread::check_invariants(const TurnFacts& turn) {
  const auto is_broken = broken_invariants(next_, turn);
  for (size_t i = 0; i < is_broken.size(); ++i) {
    if (is_broken[i] && !is_broken_[i]) {
      ++next_.invariant_failures[i];
      log(LogLevel::kError, "server",
          "invariant={} pages={} free={} cached={} running={} waiting={} waits_for={}",
          kInvariantNames[i], next_.num_pages, next_.num_free_pages, next_.num_cached_pages,
          next_.num_running, next_.num_waiting, wait_reason_name(next_.wait_reason));
    }
  }
  is_broken_ = is_broken;
}

// Only this thread changes `details_`, so it may read it without the mutex.
void EngineThread::publish_details() {
  auto details = std::make_shared<const EngineDetails>(
      EngineDetails{.time = Clock::now(),
                    .sequences = engine_.scheduler().sequences(),
                    .graphs = engine_.runner().graphs(),
                    .num_eager_launches = engine_.runner().num_eager_launches()});
  has_old_details_ = false;
  const std::lock_guard lock(snapshot_mutex_);
  details_ = std::move(details);
}

std::shared_ptr<const EngineDetails> EngineThread::details() const {
  const std::lock_guard lock(snapshot_mutex_);
  return details_;
}

// Whether a step was committed.
bool EngineThread::step() {
  const Clock::time_point start = Clock::now();
  (void)engine_.step();
  const StepView& step = engine_.last_step();
  if (step.round == next_.last_step.round) {
    return false;
  }
  next_.last_step = step;
  next_.last_step_time = Clock::now();
  const std::chrono::duration<double> took = next_.last_step_time - start;
  const size_t kind = step.num_prefill_rows == 0              ? 1
                      : step.num_prefill_rows < step.num_rows ? 2
                                                              : 0;
  next_.step_seconds[kind].observe(took.count());
  next_.step_rows.observe(static_cast<double>(step.num_rows));
  return true;
}

void EngineThread::mark(bool is_busy) {
  const auto now = std::chrono::nanoseconds(Clock::now().time_since_epoch());
  busy_since_ns_.store(is_busy ? now.count() : 0, std::memory_order_relaxed);
}

bool EngineThread::run_tasks() {
  std::optional<Task> task = std::exchange(awaited_, std::nullopt);
  bool any = false;
  for (task = task.has_value() ? std::move(task) : tasks_.try_pop(); task.has_value();
       task = tasks_.try_pop()) {
    (*task)(engine_);
    any = true;
  }
  return any;
}

std::string EngineThread::failure() const {
  const std::lock_guard lock(snapshot_mutex_);
  return failure_;
}

void EngineThread::fail(const std::string& why) {
  {
    const std::lock_guard lock(snapshot_mutex_);
    failure_ = why;
  }
  has_failed_.store(true, std::memory_order_release);
  tasks_.close();
  mark(false);  // it does not stall: it is over
  notify_();
}

void EngineThread::run(const std::stop_token& stop) {
  try {
    loop(stop);
  } catch (const std::exception& error) {
    fail(error.what());
  }
  engine_.observe_admissions(nullptr);  // the engine may outlive this object
}

// Nothing can be done before one comes.
void EngineThread::wait_for_task() {
  if (has_old_details_) {
    publish_details();
  }
  awaited_ = tasks_.pop_until(Clock::now() + kIdleWait);
}

void EngineThread::loop(const std::stop_token& stop) {
  engine_.observe_admissions(
      [this](SeqId id) { admissions_of_step_.push_back({.id = id, .time = Clock::now()}); });
  publish({});
  while (!stop.stop_requested()) {
    if (!is_stuck()) {  // else the watchdog shall see it
      mark(true);
    }
    const bool had_tasks = run_tasks();
    TurnFacts turn{.could_step = engine_.scheduler().has_work()};
    if (turn.could_step) {
      turn.has_stepped = step();
    }
    turn.has_work = engine_.scheduler().has_work();
    if (had_tasks || turn.could_step) {
      publish(turn);
      if (!is_stuck()) {
        continue;
      }
    } else {
      mark(false);
    }
    wait_for_task();
  }
}

}  // namespace talon::server
