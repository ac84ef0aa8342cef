#include "core/thread_pool.h"

#include <immintrin.h>
#include <pthread.h>
#include <sched.h>

#include <algorithm>
#include <chrono>

#include "base/check.h"
#include "base/checked_int.h"

namespace talon {
namespace {

// Long enough to bridge the serial parts of a step, short enough to leave an idle machine idle.
constexpr auto kSpin = std::chrono::microseconds(200);
// Ranges per thread: a few, so that a thread the system took away does not hold the others up.
constexpr int64_t kRangesPerThread = 4;
// A worker that takes longer than this to leave a job has lost its processor.
constexpr int kSpinsBeforeYield = 1000;

std::vector<int> usable_processors() {
  cpu_set_t set;
  CPU_ZERO(&set);
  std::vector<int> ids;
  if (sched_getaffinity(0, sizeof(set), &set) == 0) {
    for (int cpu = 0; cpu < CPU_SETSIZE; ++cpu) {
      if (CPU_ISSET(cpu, &set)) {
        ids.push_back(cpu);
      }
    }
  }
  return ids;
}

void pin_this_thread(int index) {
  const std::vector<int> ids = usable_processors();
  if (ids.empty()) {
    return;
  }
  cpu_set_t set;
  CPU_ZERO(&set);
  CPU_SET(ids[static_cast<size_t>(index) % ids.size()], &set);
  pthread_setaffinity_np(pthread_self(), sizeof(set), &set);  // a hint: failure costs speed only
}

}  // namespace

int num_usable_processors() { return std::max(1, static_cast<int>(usable_processors().size())); }

ThreadPool::ThreadPool(int num_threads, bool pin) {
  TALON_CHECK(num_threads >= 1, "a pool of {} threads", num_threads);
  workers_.reserve(static_cast<size_t>(num_threads) - 1);
  for (int i = 1; i < num_threads; ++i) {
    workers_.emplace_back([this, i, pin] { worker_loop(i, pin); });
  }
}

ThreadPool::~ThreadPool() {
  stopping_.store(true);
  {
    const std::lock_guard lock(mutex_);
    generation_.fetch_add(1);
  }
  wake_.notify_all();
  workers_.clear();
}

// The caller waits for the workers that entered the job, not for all of them: a worker that the
// system took away, or that still sleeps, finds the job closed and holds nobody up. A worker
// announces itself in `inside_` before it looks at `open_`, the caller closes before it looks at
// `inside_`; both in the one order of sequentially consistent operations, so one of them sees the
// other.
void ThreadPool::run(const Job& job) {
  job_ = job;
  const int64_t ranges = kRangesPerThread * num_threads();
  job_.grain = std::max(job.grain, ceil_div(job.count, ranges));
  next_.store(0, std::memory_order_relaxed);
  open_.store(true);
  generation_.fetch_add(1);
  if (sleepers_.load() > 0) {
    const std::lock_guard lock(mutex_);
    wake_.notify_all();
  }
  work(job_);
  open_.store(false);
  for (int spins = 0; inside_.load() != 0; ++spins) {
    spins < kSpinsBeforeYield ? _mm_pause() : std::this_thread::yield();
  }
}

void ThreadPool::work(const Job& job) {
  while (true) {
    const int64_t begin = next_.fetch_add(job.grain, std::memory_order_relaxed);
    if (begin >= job.count) {
      return;
    }
    job.call(job.context, begin, std::min(begin + job.grain, job.count));
  }
}

// The number of the newest job, once there is one after `seen`.
uint64_t ThreadPool::wait_for_job(uint64_t seen) {
  const auto give_up = std::chrono::steady_clock::now() + kSpin;
  while (generation_.load() == seen) {
    for (int i = 0; i < 64 && generation_.load(std::memory_order_relaxed) == seen; ++i) {
      _mm_pause();
    }
    if (generation_.load() == seen && std::chrono::steady_clock::now() > give_up) {
      std::unique_lock lock(mutex_);
      sleepers_.fetch_add(1);
      wake_.wait(lock, [this, seen] { return generation_.load() != seen; });
      sleepers_.fetch_sub(1);
    }
  }
  return generation_.load();
}

void ThreadPool::worker_loop(int index, bool pin) {
  if (pin) {
    pin_this_thread(index);
  }
  uint64_t seen = 0;
  while (true) {
    seen = wait_for_job(seen);
    if (stopping_.load()) {
      return;
    }
    inside_.fetch_add(1);
    if (open_.load()) {
      work(job_);
    }
    inside_.fetch_sub(1);
  }
}

}  // namespace talon
