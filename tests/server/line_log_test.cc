// Lines from several threads in a file, and what becomes of those that find no room.
#include "server/line_log.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "support/error_message.h"
#include "support/temp_dir.h"

namespace talon::server {
namespace {

std::vector<std::string> lines_of(const std::filesystem::path& file) {
  std::vector<std::string> lines;
  std::ifstream in(file);
  for (std::string line; std::getline(in, line);) {
    lines.push_back(line);
  }
  return lines;
}

TEST(LineLogTest, EveryLineIsThereOnceAndWhole) {
  test::TempDir dir;
  {
    LineLog log("--x", (dir / "log").string(), 10'000);
    std::vector<std::jthread> writers;
    for (int i = 0; i < 4; ++i) {
      writers.emplace_back([&log, i] {
        for (int j = 0; j < 500; ++j) {
          log.write([i, j] { return std::to_string(i * 1000 + j); });
        }
      });
    }
    writers.clear();
    EXPECT_EQ(log.num_dropped(), 0);
  }

  const std::vector<std::string> lines = lines_of(dir / "log");
  EXPECT_EQ(lines.size(), 2000U);
  EXPECT_EQ(std::set<std::string>(lines.begin(), lines.end()).size(), 2000U);
}

TEST(LineLogTest, GoesOnWhereAnEarlierOneEnded) {
  test::TempDir dir;
  for (const char* line : {"one", "two"}) {
    LineLog log("--x", (dir / "log").string(), 4);
    log.write([line] { return std::string(line); });
  }

  EXPECT_THAT(lines_of(dir / "log"), testing::ElementsAre("one", "two"));
}

TEST(LineLogTest, LinesThatFindNoRoomAreCounted) {
  test::TempDir dir;
  LineLog none("--x", (dir / "log").string(), 0);
  none.write([] { return std::string("a"); });
  none.write([] { return std::string("b"); });
  EXPECT_EQ(none.num_dropped(), 2);

  LineLog full("--x", "/dev/full", 16);
  full.write([] { return std::string("a"); });
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(10);
  while (full.num_dropped() == 0 && std::chrono::steady_clock::now() < deadline) {
    std::this_thread::yield();
  }
  EXPECT_EQ(full.num_dropped(), 1);
}

TEST(LineLogTest, AFileThatCannotBeOpenedIsNamed) {
  const std::string message =
      test::error_message([] { LineLog log("--request-log", "/none/log", 4); });

  EXPECT_THAT(message, testing::HasSubstr("--request-log /none/log"));
}

}  // namespace
}  // namespace talon::server
