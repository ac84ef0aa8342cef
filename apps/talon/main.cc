// The program: reads the command line and the environment, runs one subcommand, turns errors into
// one line and an exit code (2: a wrong flag, 1: anything else).
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "arguments.h"
#include "base/error.h"
#include "base/log.h"
#include "build_info.h"
#include "commands.h"
#include "core/backend.h"
#include "core/cuda/device.h"
#include "serve_settings.h"

namespace {

// The arguments of `serve` beside what a file sets, and without what has no effect here.
std::vector<std::string> serve_arguments(const CLI::App& app, std::vector<std::string> arguments) {
  for (const std::string& flag : talon::take_out(arguments, "--uvicorn-")) {
    talon::log(talon::LogLevel::kWarn, "serve", "text=\"{} has no effect\"", flag);
  }
  return talon::with_config(*app.get_subcommand("serve"), std::move(arguments));
}

// Every fault of a command line that does not parse.
std::string faults_of(const std::vector<std::string>& arguments, const CLI::ParseError& error) {
  if (arguments.empty() || arguments.front() != "serve") {
    return error.what();
  }
  const std::vector<std::string> faults =
      talon::serve_faults(std::vector<std::string>(arguments.begin() + 1, arguments.end()));
  return faults.empty() ? error.what() : fmt::format("{}", fmt::join(faults, "; "));
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
  app.set_version_flag("--version", talon::version_text());
  talon::register_generate(app);
  talon::register_chat(app);
  talon::register_eval(app);
  talon::register_bench(app);
  talon::register_inspect(app);
  talon::register_serve(app);
  std::vector<std::string> arguments =
      talon::normalised(std::vector<std::string>(argv + 1, argv + argc));
  try {
    if (!arguments.empty() && arguments.front() == "serve") {
      arguments = serve_arguments(app, std::move(arguments));
    }
    talon::parse_arguments(app, arguments);
    return 0;
  } catch (const CLI::ParseError& error) {
    if (error.get_exit_code() == 0) {
      return app.exit(error);  // --help
    }
    fmt::print(stderr, "talon: {}\n", faults_of(arguments, error));
    return 2;
  } catch (const talon::Error& error) {
    fmt::print(stderr, "talon: {}\n", error.what());
    return talon::exit_code_of(error.code());
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
