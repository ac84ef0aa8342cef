// Traces replayed: what a simulation wrote is accepted, what was changed by hand is refused with
// the line and the reason, and so is any text that is no trace.
#include "sim/replay.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <sstream>
#include <string>

#include "sim/simulation.h"

namespace talon::test {
namespace {

using testing::HasSubstr;

constexpr const char* kTrace = TALON_SOURCE_DIR "/tests/sim/data/two_requests.jsonl";

std::string committed_trace() {
  std::ifstream in(kTrace, std::ios::binary);
  EXPECT_TRUE(in.is_open()) << kTrace;
  std::stringstream bytes;
  bytes << in.rdbuf();
  return bytes.str();
}

ReplayReport replay_text(const std::string& text) {
  std::istringstream in(text);
  return replay(in);
}

std::string replaced(std::string text, const std::string& from, const std::string& to) {
  const size_t at = text.find(from);
  EXPECT_NE(at, std::string::npos) << from;
  return text.replace(at, from.size(), to);
}

TEST(ReplayTest, AcceptsWhatASimulationWrote) {
  for (uint64_t seed = 0; seed < 40; ++seed) {
    std::ostringstream out;
    const SimReport report = simulate(seed, &out);
    const ReplayReport again = replay_text(out.str());

    EXPECT_EQ(again.fault, "") << "seed " << seed << ", line " << again.line;
    EXPECT_EQ(again.steps, report.steps);
    EXPECT_GE(again.tokens, report.tokens);
  }
}

TEST(ReplayTest, AcceptsTheCommittedTrace) {
  const ReplayReport report = replay_text(committed_trace());

  EXPECT_EQ(report.fault, "") << "line " << report.line;
  EXPECT_GE(report.steps, 9);
}

TEST(ReplayTest, RefusesResultsThatDoNotFollow) {
  const std::string trace = committed_trace();

  EXPECT_THAT(replay_text(replaced(trace, "\"accepted\":1", "\"accepted\":0")).fault,
              HasSubstr("the run says"));
  EXPECT_THAT(replay_text(replaced(trace, "\"result\":2", "\"result\":3")).fault,
              HasSubstr("a result of round 3 without its plan"));
  EXPECT_THAT(replay_text(replaced(trace, "\"plan\":2", "\"plan\":4")).fault, HasSubstr("round"));
}

TEST(ReplayTest, RefusesWhatIsNoTrace) {
  EXPECT_EQ(replay_text("").fault, "the trace is empty");
  EXPECT_THAT(replay_text("{}\n").fault, HasSubstr("num_pages is missing"));
  EXPECT_THAT(replay_text("no JSON\n").fault, HasSubstr("malformed JSON"));
  const std::string trace = committed_trace();
  const std::string first_line = trace.substr(0, trace.find('\n') + 1);
  const ReplayReport report = replay_text(first_line + "{\"plan\":1,\"rows\":[{\"slot\":0}]}\n");
  EXPECT_EQ(report.fault, "rows[0]: sequence is missing");
  EXPECT_EQ(report.line, 2);
}

}  // namespace
}  // namespace talon::test
