// Lines of the log on their way through a queue: all are there, and a reader that takes none stops
// nobody.
#include "base/log_thread.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <string>
#include <thread>
#include <vector>

#include "base/log.h"

namespace talon {
namespace {

using testing::HasSubstr;

class Pipe {
 public:
  Pipe() { EXPECT_EQ(::pipe2(ends_.data(), O_CLOEXEC), 0); }
  ~Pipe() {
    close_reader();
    ::close(ends_[1]);
  }
  Pipe(const Pipe&) = delete;
  Pipe& operator=(const Pipe&) = delete;

  int writer() const { return ends_[1]; }
  void close_reader() {
    if (ends_[0] >= 0) {
      ::close(ends_[0]);
      ends_[0] = -1;
    }
  }
  // What is in it now.
  std::string read() const {
    std::array<char, 65536> bytes{};
    const ssize_t count = ::read(ends_[0], bytes.data(), bytes.size());
    return {bytes.data(), count < 0 ? 0 : static_cast<size_t>(count)};
  }

 private:
  std::array<int, 2> ends_{-1, -1};
};

void say(int number) { log(LogLevel::kError, "test", "number={}", number); }

TEST(LogThreadTest, LinesOfAllThreadsAreWritten) {
  const Pipe pipe;
  {
    const LogThread thread(1000, pipe.writer());
    std::vector<std::jthread> writers;
    writers.reserve(4);
    for (int i = 0; i < 4; ++i) {
      writers.emplace_back([i] {
        for (int j = 0; j < 50; ++j) {
          say(i * 50 + j);
        }
      });
    }
    writers.clear();
    thread.flush(std::chrono::seconds(10));
    EXPECT_EQ(thread.num_dropped(), 0);
  }

  const std::string text = pipe.read();
  for (int i = 0; i < 200; ++i) {
    EXPECT_THAT(text, HasSubstr("component=test number=" + std::to_string(i) + "\n"));
  }
}

TEST(LogThreadTest, AReaderThatTakesNothingStopsNobody) {
  const Pipe pipe;
  const auto start = std::chrono::steady_clock::now();
  {
    const LogThread thread(64, pipe.writer());
    for (int i = 0; i < 100'000; ++i) {  // a pipe holds 64 KiB
      say(i);
    }
    EXPECT_GT(thread.num_dropped(), 0);
    thread.flush(std::chrono::milliseconds(1));
  }

  EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(30))
      << "the end waits for the reader";
  EXPECT_TRUE(pipe.read().starts_with("level=error "));
}

TEST(LogThreadTest, AReaderThatIsGoneIsCountedAndEndsNothing) {
  Pipe pipe;
  pipe.close_reader();
  const LogThread thread(64, pipe.writer());

  say(1);
  thread.flush(std::chrono::seconds(10));

  EXPECT_EQ(thread.num_dropped(), 1);
}

}  // namespace
}  // namespace talon
