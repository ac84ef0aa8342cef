#include "server/api/completion_request.h"

#include <fmt/format.h>

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/result.h"
#include "engine/request_checks.h"
#include "server/api/fields.h"
#include "server/api/generation_fields.h"
#include "server/api/grammar_fields.h"

namespace talon::server {
namespace {

constexpr size_t kMaxPrompts = 256;
constexpr int64_t kDefaultMaxTokens = 16;

class PromptReader {
 public:
  PromptReader(Fields& fields, const ApiContext& context) : fields_(fields), context_(context) {}

  std::vector<std::vector<TokenId>> read() {
    const Json* prompt = fields_.find("prompt");
    if (prompt == nullptr) {
      fields_.fail("missing_field", "prompt", "prompt is needed");
    } else if (prompt->is_string()) {
      add_text("prompt", prompt->get_ref<const std::string&>());
    } else if (!prompt->is_array()) {
      fields_.fail_type("prompt", "a string, a list of strings, or lists of token ids");
    } else if (!prompt->empty() && prompt->front().is_number()) {
      add_ids("prompt", *prompt);
    } else {
      add_several(*prompt);
    }
    return std::move(prompts_);
  }

 private:
  void add_several(const Json& list) {
    if (list.empty() || list.size() > kMaxPrompts) {
      fields_.fail("invalid_value", "prompt",
                   fmt::format("prompt must have 1..{} entries", kMaxPrompts));
      return;
    }
    prompts_.reserve(list.size());
    for (size_t i = 0; i < list.size() && !fields_.failed(); ++i) {
      const std::string path = fmt::format("prompt[{}]", i);
      if (list[i].is_string() && list.front().is_string()) {
        add_text(path, list[i].get_ref<const std::string&>());
      } else if (list[i].is_array() && list.front().is_array()) {
        add_ids(path, list[i]);
      } else {
        fields_.fail_at("invalid_type", path,
                        path +
                            " must be of the type of the first entry: a "
                            "string or a list of token ids");
      }
    }
  }

  void add_text(const std::string& path, const std::string& text) {
    Result<std::vector<TokenId>> ids = context_.tokenizer->try_encode(text);
    if (!ids.ok()) {
      fields_.fail_at("invalid_value", path, ids.message());
      return;
    }
    add(path, std::move(ids).value());
  }

  void add_ids(const std::string& path, const Json& list) {
    std::vector<TokenId> ids;
    ids.reserve(list.size());
    for (size_t i = 0; i < list.size(); ++i) {
      if (!list[i].is_number_integer()) {
        fields_.fail_at("invalid_type", fmt::format("{}[{}]", path, i), "a token id is an integer");
        return;
      }
      const auto id = list[i].get<int64_t>();
      if (id < 0 || id >= context_.vocab_size) {
        fields_.fail_at(
            "invalid_value", fmt::format("{}[{}]", path, i),
            fmt::format("id {} is outside the vocabulary of {}", id, context_.vocab_size));
        return;
      }
      ids.push_back(TokenId{static_cast<int32_t>(id)});
    }
    add(path, std::move(ids));
  }

  void add(const std::string& path, std::vector<TokenId> ids) {
    if (ids.empty()) {
      fields_.fail_at("invalid_value", path, "the prompt has no token");
      return;
    }
    prompts_.push_back(std::move(ids));
  }

  Fields& fields_;
  const ApiContext& context_;
  std::vector<std::vector<TokenId>> prompts_;
};

void read_logprobs(Fields& fields, CompletionCall& call) {
  Request& settings = call.generation.settings;
  fields.read("logprobs", call.num_logprobs, IntRange{.low = 0, .high = kMaxTopLogprobs});
  settings.num_logprobs = call.num_logprobs;
  if (call.echo && call.num_logprobs > settings.num_prompt_logprobs) {
    settings.num_prompt_logprobs = call.num_logprobs;
  }
}

}  // namespace

std::variant<CompletionCall, ApiError> parse_completion_request(std::string_view body,
                                                                const ApiContext& context,
                                                                const Arrival& arrival) {
  std::optional<ApiError> fault;
  const std::optional<Json> json = read_body(body, fault);
  if (!json.has_value()) {
    return *std::move(fault);
  }
  Fields fields(*json, "", fault, context.strict_fields);
  CompletionCall call;
  GenerationCall& generation = call.generation;
  read_generation(fields, context, arrival, generation);
  fields.read("echo", call.echo);
  read_logprobs(fields, call);
  generation.grammar = read_grammar(fields, context);
  int64_t limit = read_max_tokens(fields, call.echo ? 0 : 1).value_or(kDefaultMaxTokens);
  call.is_prompt_only = limit == 0;
  fields.ignore({"prompt"});  // read when all else is known to be right
  fields.close();
  if (!fields.failed()) {
    generation.prompts = PromptReader(fields, context).read();
  }
  if (!fields.failed()) {
    apply_limits(fields, context, "prompt", std::max<int64_t>(limit, 1), generation);
  }
  if (fault.has_value()) {
    return *std::move(fault);
  }
  return call;
}

}  // namespace talon::server
