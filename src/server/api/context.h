// What the reading of a request depends on besides its body: the model that is served, the server's
// limits and switches, and the moment. Plain values; pointers must outlive all use.
#pragma once

#include <cstdint>
#include <ctime>
#include <optional>
#include <string>
#include <vector>

#include "engine/sampling.h"
#include "text/chat_template.h"
#include "text/reasoning_parser.h"
#include "text/tokenizer.h"
#include "text/tool_call_parser.h"

namespace talon::server {

// The defaults of OpenAI's API, where the model states none.
inline SamplingSettings open_sampling() {
  SamplingSettings settings;
  settings.temperature = 1.0F;
  return settings;
}

// Where chat answers put reasoning (--reasoning-field).
enum class ReasoningField : uint8_t { kReasoningContent, kReasoning, kBoth };

struct ApiContext {
  std::vector<std::string> model_names{};  // the first is the one shown; not empty
  const text::Tokenizer* tokenizer = nullptr;
  const text::ChatTemplate* chat_template = nullptr;  // absent: chat requests are refused
  int32_t vocab_size = 0;                             // ids in requests are below
  int64_t context_limit = 0;                          // tokens of prompt and answer together
  SamplingSettings defaults = open_sampling();        // or of generation_config.json
  std::optional<text::ReasoningTags> reasoning{};     // absent: nothing is split
  std::optional<text::ToolTokens> tool_tokens{};      // absent: tools are refused
  text::Dict template_variables{};                    // --default-chat-template-kwargs

  ReasoningField reasoning_field = ReasoningField::kReasoningContent;

  int32_t max_n = 16;
  double request_timeout_s = 1800.0;
  bool strict_fields = false;      // unknown fields are refused
  bool rejects_overflow = false;   // a limit beyond the context is refused instead of clipped
  bool has_grammars = false;       // the program was built with xgrammar
  bool has_transfer_role = false;  // kv_transfer_params may be there
  size_t max_grammar_bytes = size_t{1024} * 1024;
};

// What a request gets from outside when it comes in, so that reading it is a pure function.
struct Arrival {
  std::tm local_time = {};  // for templates that show a date
  int64_t seed = 0;         // used if the request has none
};

}  // namespace talon::server
