// What a request asks for, whatever its route: what the engine needs and what the answer is made
// from. Values.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "engine/request.h"
#include "stream/grammar_constraint.h"
#include "stream/output_processor.h"
#include "text/grammar.h"

namespace talon::server {

struct GenerationCall {
  // All but the prompt and the constraints. max_tokens is cut to the context, not to a prompt.
  Request settings{};
  std::vector<std::vector<TokenId>> prompts{};  // one submission each, of settings.num_choices
  OutputSettings output{};
  std::vector<std::string> bad_words{};  // that answers must not contain; not empty ones
  // To be compiled, with one constraint a choice of every prompt.
  std::optional<text::GrammarSource> grammar{};
  // The grammar begins after reasoning; else at once.
  std::optional<ReasoningBefore> reasoning_before{};

  std::string model{};  // the name that answers carry
  bool stream = false;
  bool include_usage = false;     // of stream_options
  bool continuous_usage = false;  // of stream_options: usage in every frame
  bool return_token_ids = false;
  bool return_spec_info = false;
  std::optional<double> timeout_s{};
  std::string request_id{};          // empty: the server makes one
  std::string kv_transfer_params{};  // JSON object as given; empty: none

  // What to submit for prompt `index`: the settings with its tokens and max_tokens cut to the room
  // that it leaves in the context.
  Request request_of(size_t index, int64_t context_limit) const;
  int32_t num_answers() const;  // choices of all prompts
};

}  // namespace talon::server
