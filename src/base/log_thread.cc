#include "base/log_thread.h"

#include <poll.h>
#include <signal.h>  // NOLINT(modernize-deprecated-headers): pthread_sigmask is POSIX

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "base/bounded_queue.h"
#include "base/log_sink.h"

namespace talon {
namespace {

constexpr size_t kBatchBytes = size_t{64} * 1024;
// A pipe that poll() calls writable takes so much without a wait (PIPE_BUF of Linux).
constexpr size_t kWriteBytes = 4096;
constexpr int kPollMs = 50;
constexpr std::chrono::milliseconds kLastChance(1000);

// A reader that is gone is an error of write(), not a signal that ends the process.
void block_sigpipe() {
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGPIPE);
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
}

}  // namespace

struct LogThread::State {
  explicit State(size_t max_lines) : lines(max_lines) {}

  void push(std::string&& line) {
    num_pushed.fetch_add(1);
    if (!lines.try_push(std::move(line))) {
      num_dropped.fetch_add(1);
      num_settled.fetch_add(1);
    }
  }

  bool write_all(int file, std::string_view bytes) const {
    while (!bytes.empty()) {
      pollfd ready{.fd = file, .events = POLLOUT, .revents = 0};
      const int count = ::poll(&ready, 1, kPollMs);
      if (count == 0 || (count < 0 && errno == EINTR)) {
        if (gives_up.load()) {
          return false;
        }
        continue;
      }
      const ssize_t written = ::write(file, bytes.data(), std::min(bytes.size(), kWriteBytes));
      if (written < 0 && errno != EINTR && errno != EAGAIN) {
        return false;
      }
      bytes.remove_prefix(static_cast<size_t>(std::max<ssize_t>(written, 0)));
    }
    return true;
  }

  void run(int file) {
    block_sigpipe();
    // Closed and empty is the end: a wait of this length never is.
    constexpr std::chrono::hours kForever(24 * 365);
    while (std::optional<std::string> line =
               lines.pop_until(std::chrono::steady_clock::now() + kForever)) {
      std::string batch;
      int64_t num_lines = 0;
      for (; line.has_value(); line = lines.try_pop()) {
        batch += *line;
        ++num_lines;
        if (batch.size() >= kBatchBytes) {
          break;
        }
      }
      if (!write_all(file, batch)) {
        num_dropped.fetch_add(num_lines);
      }
      num_settled.fetch_add(num_lines);
    }
  }

  BoundedQueue<std::string> lines;
  std::atomic<int64_t> num_pushed{0};
  std::atomic<int64_t> num_settled{0};  // written or dropped
  std::atomic<int64_t> num_dropped{0};
  std::atomic<bool> gives_up{false};
};

LogThread::LogThread(size_t max_lines, int file)
    : state_(std::make_shared<State>(max_lines)),
      thread_([state = state_, file] { state->run(file); }) {
  set_log_sink([state = state_](std::string&& line) { state->push(std::move(line)); });
}

LogThread::~LogThread() {
  set_log_sink(nullptr);
  flush(kLastChance);
  state_->gives_up = true;
  state_->lines.close();
}

void LogThread::flush(std::chrono::milliseconds limit) const {
  const auto deadline = std::chrono::steady_clock::now() + limit;
  const int64_t target = state_->num_pushed.load();
  while (state_->num_settled.load() < target && std::chrono::steady_clock::now() < deadline) {
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
}

int64_t LogThread::num_dropped() const { return state_->num_dropped.load(); }

}  // namespace talon
