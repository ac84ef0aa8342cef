// The subcommands of `talon`, one file each. Each adds itself to the program; its callback throws
// Error, which `main` prints as one line.
#pragma once

#include <CLI/CLI.hpp>

namespace talon {

void register_generate(CLI::App& app);
void register_chat(CLI::App& app);
void register_eval(CLI::App& app);
void register_bench(CLI::App& app);
void register_inspect(CLI::App& app);
void register_serve(CLI::App& app);

}  // namespace talon
