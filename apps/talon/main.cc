// The program: reads the command line and the environment, runs one subcommand, turns errors into
// one line and an exit code (2: a wrong flag, 1: anything else).
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "base/log.h"
#include "commands.h"
#include "core/backend.h"
#include "core/cuda/device.h"

namespace {

// Flags may be written with - or _ between words.
std::vector<std::string> normalised_arguments(int argc, char** argv) {
  std::vector<std::string> arguments;
  for (int i = argc - 1; i > 0; --i) {  // CLI11 takes them last first
    std::string argument = argv[i];
    if (argument.starts_with("--")) {
      const auto end = argument.begin() +
                       static_cast<std::ptrdiff_t>(std::min(argument.find('='), argument.size()));
      std::replace(argument.begin(), end, '_', '-');
    }
    arguments.push_back(std::move(argument));
  }
  return arguments;
}

// TALON_LOG = debug, info, warn (default), error or off.
void set_log_level_from_environment() {
  const char* value = std::getenv("TALON_LOG");
  const std::string_view name = value == nullptr ? "" : value;
  if (const std::optional<talon::LogLevel> level = talon::parse_log_level(name)) {
    talon::set_log_level(*level);
  }
}

// TALON_SYNC = 1: every kernel is waited for.
void set_synchronous_launches_from_environment() {
  if constexpr (talon::kHasCuda) {
    const char* value = std::getenv("TALON_SYNC");
    talon::cuda::set_synchronous_launches(value != nullptr && std::string_view(value) == "1");
  }
}

int run(int argc, char** argv) {
  set_log_level_from_environment();
  set_synchronous_launches_from_environment();
  CLI::App app("Talon: MiniMax-M3 with EAGLE-3 speculative decoding", "talon");
  app.require_subcommand(1);
  talon::register_generate(app);
  talon::register_chat(app);
  talon::register_eval(app);
  talon::register_bench(app);
  talon::register_inspect(app);
  talon::register_serve(app);
  try {
    app.parse(normalised_arguments(argc, argv));
    return 0;
  } catch (const CLI::ParseError& error) {
    if (error.get_exit_code() == 0) {
      return app.exit(error);  // --help
    }
    fmt::print(stderr, "talon: {}\n", error.what());
    return 2;
  } catch (const talon::Error& error) {
    fmt::print(stderr, "talon: {}\n", error.what());
    return error.code() == talon::ErrorCode::kInvalidArgument ? 2 : 1;
  }
}

}  // namespace

int main(int argc, char** argv) {
  try {
    return run(argc, argv);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "talon: %s\n", error.what());
    return 1;
  }
}
