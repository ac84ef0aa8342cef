// The program of the simulator. Run in the root of the tree:
//
//   build/tests/talon_sim_test                        all tests (options of GoogleTest)
//   build/tests/talon_sim_test --seed=N               one simulation, told in figures
//   build/tests/talon_sim_test --seed=N --trace=FILE  likewise, its plans and results written
//   build/tests/talon_sim_test --seeds=FIRST-LAST     many simulations
//   build/tests/talon_sim_test --handoff-seed=N       one of two engines, likewise
//   build/tests/talon_sim_test --handoff-seeds=FIRST-LAST
//   build/tests/talon_sim_test --replay=FILE          a trace: of a simulation, or of a real run
//                                                     (`talon generate --trace FILE` and others)
//
// A failing test names its seed in the form of the second or the fifth line. The exit code is 1
// after a fault.
#include <fmt/format.h>
#include <gmock/gmock.h>

#include <charconv>
#include <fstream>
#include <optional>
#include <string>
#include <string_view>

#include "sim/handoff_sim.h"
#include "sim/replay.h"
#include "sim/sim_setup.h"
#include "sim/simulation.h"

namespace {

using talon::test::ReplayReport;
using talon::test::SimReport;

struct Options {
  bool is_handoff = false;
  std::optional<uint64_t> first_seed;
  std::optional<uint64_t> last_seed;
  std::string trace_file;
  std::string replay_file;
};

std::optional<uint64_t> parse_seed(std::string_view text) {
  uint64_t seed = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), seed);
  return error == std::errc() && end == text.data() + text.size() ? std::optional(seed)
                                                                  : std::nullopt;
}

std::optional<Options> parse_options(int argc, char** argv) {
  Options options;
  for (int i = 1; i < argc; ++i) {
    std::string argument(argv[i]);
    if (argument.starts_with("--handoff-seed")) {
      options.is_handoff = true;
      argument.erase(2, std::string_view("handoff-").size());
    }
    const std::string_view value =
        std::string_view(argument).substr(std::min(argument.size(), argument.find('=') + 1));
    if (argument.starts_with("--seed=")) {
      options.first_seed = options.last_seed = parse_seed(value);
    } else if (argument.starts_with("--seeds=")) {
      const size_t dash = std::min(value.find('-'), value.size());
      options.first_seed = parse_seed(value.substr(0, dash));
      options.last_seed = parse_seed(value.substr(std::min(dash + 1, value.size())));
    } else if (argument.starts_with("--trace=")) {
      options.trace_file = value;
    } else if (argument.starts_with("--replay=")) {
      options.replay_file = value;
    } else {
      fmt::print(stderr, "talon_sim_test: {} is not known\n", argument);
      return std::nullopt;
    }
  }
  if (options.first_seed.has_value() != options.last_seed.has_value() ||
      (options.replay_file.empty() && !options.first_seed.has_value())) {
    fmt::print(stderr, "talon_sim_test: no seed and no trace\n");
    return std::nullopt;
  }
  if (options.is_handoff && !(options.trace_file.empty() && options.replay_file.empty())) {
    fmt::print(stderr, "talon_sim_test: a trace is of one engine\n");
    return std::nullopt;
  }
  return options;
}

int run_seeds(const Options& options) {
  std::ofstream trace;
  if (!options.trace_file.empty()) {
    trace.open(options.trace_file);
  }
  SimReport total;
  for (uint64_t seed = *options.first_seed; seed <= *options.last_seed; ++seed) {
    const bool is_alone = options.first_seed == options.last_seed;
    if (is_alone) {
      fmt::print("seed {}: {}\n", seed, to_string(talon::test::make_setup(seed)));
    }
    const SimReport report = talon::test::simulate(seed, trace.is_open() ? &trace : nullptr);
    if (!report.fault.empty()) {
      fmt::print("{}\n", report.fault);
    }
    total += report;
  }
  fmt::print("{}\n", to_string(total));
  return total.fault.empty() ? 0 : 1;
}

int run_handoff_seeds(const Options& options) {
  talon::test::HandoffReport total;
  for (uint64_t seed = *options.first_seed; seed <= *options.last_seed; ++seed) {
    const talon::test::HandoffReport report = talon::test::simulate_handoffs(seed);
    if (!report.fault.empty()) {
      fmt::print("{}\n", report.fault);
    }
    total += report;
  }
  fmt::print("{}\n", to_string(total));
  return total.fault.empty() ? 0 : 1;
}

int run_replay(const std::string& file) {
  std::ifstream in(file, std::ios::binary);
  if (!in) {
    fmt::print(stderr, "{}: cannot be read\n", file);
    return 1;
  }
  const ReplayReport report = talon::test::replay(in);
  fmt::print("{}: steps={} sequences={} tokens={}\n", file, report.steps, report.sequences,
             report.tokens);
  if (!report.fault.empty()) {
    fmt::print("{}:{}: {}\n", file, report.line, report.fault);
  }
  return report.fault.empty() ? 0 : 1;
}

}  // namespace

int main(int argc, char** argv) {
  testing::InitGoogleMock(&argc, argv);
  if (argc == 1) {
    return RUN_ALL_TESTS();
  }
  const std::optional<Options> options = parse_options(argc, argv);
  if (!options.has_value()) {
    return 2;
  }
  if (options->is_handoff) {
    return run_handoff_seeds(*options);
  }
  return options->replay_file.empty() ? run_seeds(*options) : run_replay(options->replay_file);
}
