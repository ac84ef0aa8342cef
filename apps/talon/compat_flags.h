// Flags of ATOM and vLLM that `talon serve` knows without acting on them: some change nothing here
// and get a warning, some would change what is served and are refused by name.
#pragma once

#include <CLI/CLI.hpp>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace talon {

struct CompatFlags {
  // By flag: how often it was given (a switch), or its values.
  std::map<std::string, std::vector<std::string>> values{};
  std::map<std::string, int64_t> switches{};
};

void add_compat_flags(CLI::App& app, CompatFlags& flags);

// One a flag whose value is not the only one that there is, or that nothing here does.
std::vector<std::string> compat_faults(const CompatFlags& flags);

// One a flag that was given and has no effect.
std::vector<std::string> compat_warnings(const CompatFlags& flags);

}  // namespace talon
