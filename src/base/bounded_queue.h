// A queue with a capacity between threads. A full queue is an answer (false), never a wait; the
// consumer may wait for items, with a deadline passed in by the caller. Any number of producers
// and consumers. Items lie in a ring that grows by doubling up to the capacity and never shrinks,
// so a queue that is read as fast as it is written takes no memory.
#pragma once

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <mutex>
#include <optional>
#include <utility>
#include <vector>

namespace talon {

// T has a default value; a slot that is read goes back to it.
template <class T>
class BoundedQueue {
 public:
  explicit BoundedQueue(size_t capacity) : capacity_(capacity) {}

  // False if the queue is full or closed; `item` is then untouched.
  [[nodiscard]] bool try_push(T&& item) {
    {
      const std::lock_guard lock(mutex_);
      if (closed_ || size_ >= capacity_) {
        return false;
      }
      if (size_ == ring_.size()) {
        grow();
      }
      ring_[place(size_)] = std::move(item);
      ++size_;
    }
    ready_.notify_one();
    return true;
  }

  std::optional<T> try_pop() {
    const std::lock_guard lock(mutex_);
    return take();
  }

  // Waits until an item arrives, the queue is closed and empty, or the time is over.
  std::optional<T> pop_until(std::chrono::steady_clock::time_point deadline) {
    std::unique_lock lock(mutex_);
    ready_.wait_until(lock, deadline, [this] { return closed_ || size_ > 0; });
    return take();
  }

  void close() {
    {
      const std::lock_guard lock(mutex_);
      closed_ = true;
    }
    ready_.notify_all();
  }

  size_t size() const {
    const std::lock_guard lock(mutex_);
    return size_;
  }

 private:
  std::optional<T> take() {
    if (size_ == 0) {
      return std::nullopt;
    }
    std::optional<T> item(std::exchange(ring_[first_], T{}));
    first_ = place(1);
    --size_;
    return item;
  }

  size_t place(size_t offset) const {
    const size_t at = first_ + offset;
    return at < ring_.size() ? at : at - ring_.size();
  }

  void grow() {
    std::vector<T> larger(std::min(capacity_, std::max<size_t>(kFirstSlots, 2 * ring_.size())));
    for (size_t i = 0; i < size_; ++i) {
      larger[i] = std::move(ring_[place(i)]);
    }
    ring_ = std::move(larger);
    first_ = 0;
  }

  static constexpr size_t kFirstSlots = 4;

  const size_t capacity_;
  mutable std::mutex mutex_;
  std::condition_variable ready_;
  std::vector<T> ring_;
  size_t first_ = 0;  // place of the oldest item
  size_t size_ = 0;
  bool closed_ = false;
};

}  // namespace talon
