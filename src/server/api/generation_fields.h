// The fields that chat and completions have in common (spec/serving.md 2.3), but for logprobs and
// what constrains the answer. Include from .cc files only.
#pragma once

#include <cstdint>
#include <optional>

#include "server/api/context.h"
#include "server/api/fields.h"
#include "server/api/generation_call.h"

namespace talon::server {

// All but the prompts, the limit of tokens and logprobs.
void read_generation(Fields& fields,
                     const ApiContext& context,
                     const Arrival& arrival,
                     GenerationCall& call);

// Whether it is one of the served names; slashes at the end do not count.
bool is_served_model(std::string_view name, const ApiContext& context);

// Also of other routes: an unknown name is an error with status 404.
void read_model(Fields& fields, const ApiContext& context, std::string& model);

// max_completion_tokens, else max_tokens, else nothing; at least `low`.
std::optional<int64_t> read_max_tokens(Fields& fields, int64_t low);

// `stop`: a string, or a list of at most 16.
void read_stop(Fields& fields, std::string_view name, std::vector<std::string>& out);

// Checks the prompts against the context, and sets max_tokens: `limit`, or what the context leaves
// if there is none. `prompt_field` is named in errors.
void apply_limits(Fields& fields,
                  const ApiContext& context,
                  std::string_view prompt_field,
                  std::optional<int64_t> limit,
                  GenerationCall& call);

}  // namespace talon::server
