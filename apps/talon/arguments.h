// A command line before CLI11 sees it: spelling, a file of settings, and all its faults at once.
// Arguments are in their order, without the program's name.
#pragma once

#include <CLI/CLI.hpp>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"

namespace talon {

// Flags may be written with - or _ between words. -tp, -pp, -dp, -pcp and -dcp, which are no short
// names as CLI11 knows them, become the long ones.
std::vector<std::string> normalised(std::vector<std::string> arguments);

// Takes out all flags that begin so ("--uvicorn-"), with their values, and gives their names.
std::vector<std::string> take_out(std::vector<std::string>& arguments, std::string_view prefix);

// The arguments with what `--config FILE` sets and they do not, under any name of the option. The
// file is a JSON object of flag names without dashes: a boolean is a flag or its --no- form, a list
// several values, an object its JSON text. Throws Error that names file and key.
std::vector<std::string> with_config(const CLI::App& command, std::vector<std::string> arguments);

// What is wrong with the arguments, each flag with its values parsed on its own by a command that
// `add_flags` fills. `usable` gets the arguments without the faulty ones.
std::vector<std::string> find_faults(const std::function<void(CLI::App&)>& add_flags,
                                     const std::vector<std::string>& arguments,
                                     std::vector<std::string>& usable);

// Throws CLI::ParseError.
void parse_arguments(CLI::App& app, const std::vector<std::string>& arguments);

// How the program ends with an error: 2 if a flag is wrong, 1 for anything else.
int exit_code_of(ErrorCode code);

}  // namespace talon
