// What a CPU kernel needs of its surroundings: the pool and the instruction path. Owned by a
// runner (or a test), referenced by its Stream, which must not outlive it.
#pragma once

#include "base/check.h"
#include "core/cpu_path.h"
#include "core/thread_pool.h"

namespace talon {

class CpuContext {
 public:
  explicit CpuContext(int num_threads, CpuPath path = detect_cpu_path(), bool pin = true)
      : pool_(num_threads, pin), path_(path) {
    TALON_CHECK(cpu_path_available(path), "this processor has no {}", cpu_path_name(path));
  }

  ThreadPool& pool() { return pool_; }
  CpuPath path() const { return path_; }

 private:
  ThreadPool pool_;
  CpuPath path_;
};

}  // namespace talon
