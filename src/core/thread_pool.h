// A fixed pool of pinned threads for data-parallel loops. Workers spin for some microseconds after
// a job, since a forward pass is a train of short loops, and then sleep.
//
// One caller at a time: the runner thread that owns the pool, which takes part as thread 0. The
// split of a loop never changes a result: kernels may not depend on the thread index.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <thread>
#include <vector>

namespace talon {

class ThreadPool {
 public:
  // num_threads >= 1, the caller included. With `pin`, worker i stays on the i-th processor that
  // this process may use; the caller is pinned only by its owner.
  explicit ThreadPool(int num_threads, bool pin = true);
  ~ThreadPool();
  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;

  int num_threads() const { return static_cast<int>(workers_.size()) + 1; }

  // Calls body(begin, end) for disjoint ranges that cover [0, count), in any order, on all threads,
  // and returns when all are done. Ranges hold at least `grain` items but for the last one.
  template <class Body>
  void parallel_for(int64_t count, int64_t grain, const Body& body) {
    if (count <= 0) {
      return;
    }
    if (workers_.empty() || count <= grain) {
      body(int64_t{0}, count);
      return;
    }
    run({.count = count,
         .grain = grain,
         .context = &body,
         .call = [](const void* context, int64_t begin, int64_t end) {
           (*static_cast<const Body*>(context))(begin, end);
         }});
  }

 private:
  struct Job {
    int64_t count = 0;
    int64_t grain = 1;
    const void* context = nullptr;
    void (*call)(const void*, int64_t, int64_t) = nullptr;
  };

  void run(const Job& job);
  void work(const Job& job);
  void worker_loop(int index, bool pin);
  uint64_t wait_for_job(uint64_t seen);

  Job job_;                              // written by the caller while no worker is inside
  std::atomic<uint64_t> generation_{0};  // counts jobs
  std::atomic<int64_t> next_{0};         // first item nobody took yet
  std::atomic<bool> open_{false};        // workers may enter the job
  std::atomic<int> inside_{0};           // workers that may be reading `job_`
  std::atomic<bool> stopping_{false};
  std::atomic<int> sleepers_{0};
  std::mutex mutex_;  // guards going to sleep only
  std::condition_variable wake_;
  std::vector<std::jthread> workers_;
};

// Processors this process may run on (the affinity mask), at least 1.
int num_usable_processors();

}  // namespace talon
