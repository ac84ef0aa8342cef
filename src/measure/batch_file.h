// Offline batches: one JSON object a line in, one a line out, in the same order, as many at once as
// the engine takes.
//
// A line has `prompt` (string) and may have `max_tokens`, `n`, `ignore_eos` and `stop` (a string or
// a list), which replace the defaults given; other members are copied to the answer line, so that
// an id finds its way. The answer has the members of completions_json besides.
#pragma once

#include <filesystem>

#include "stream/completion.h"

namespace talon {

// An empty `output` is standard output. Throws Error naming file, line and field: before the first
// line runs if any line is malformed, and in place of the answer if the engine refuses one.
void run_batch_file(LocalModel& model,
                    const CompletionRequest& defaults,
                    const std::filesystem::path& input,
                    const std::filesystem::path& output);

}  // namespace talon
