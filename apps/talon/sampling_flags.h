// The flags that say how an answer is drawn and where it ends, the same for every command that
// makes one from a prompt. Without them the answer is greedy.
#pragma once

#include <CLI/CLI.hpp>

#include "stream/completion.h"

namespace talon {

void add_sampling_flags(CLI::App& app, CompletionRequest& request);

}  // namespace talon
