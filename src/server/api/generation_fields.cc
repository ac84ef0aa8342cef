#include "server/api/generation_fields.h"

#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <string>
#include <utility>

#include "base/printable.h"
#include "engine/request_checks.h"
#include "server/api/json_text.h"
#include "server/api/sampling_fields.h"

namespace talon::server {
namespace {

constexpr size_t kMaxBadWords = 1024;
constexpr size_t kMaxBadWordBytes = 256;
constexpr size_t kMaxStops = 16;
constexpr size_t kMaxStopBytes = 256;
constexpr size_t kMaxStopTokenIds = 64;
constexpr size_t kMaxRequestIdBytes = 128;
constexpr size_t kMaxSaltBytes = 256;
constexpr int64_t kMaxPriority = 1000;

std::string_view without_slashes(std::string_view name) {
  while (name.size() > 1 && name.ends_with('/')) {
    name.remove_suffix(1);
  }
  return name;
}

// How many strings of how many bytes a list may have.
struct ListLimits {
  size_t max_entries = 0;
  size_t max_bytes = 0;  // at least 1
};

void add_string(Fields& fields,
                const std::string& path,
                const Json& entry,
                const ListLimits& limits,
                std::vector<std::string>& out) {
  if (!entry.is_string()) {
    fields.fail_at("invalid_type", path, path + " must be a string");
    return;
  }
  const auto& text = entry.get_ref<const std::string&>();
  if (text.empty() || text.size() > limits.max_bytes) {
    fields.fail_at("invalid_value", path,
                   fmt::format("{} must have 1..{} bytes", path, limits.max_bytes));
    return;
  }
  out.push_back(text);
}

void read_strings(Fields& fields,
                  std::string_view name,
                  const Json& list,
                  const ListLimits& limits,
                  std::vector<std::string>& out) {
  if (list.size() > limits.max_entries) {
    fields.fail(
        "invalid_value", name,
        fmt::format("{} has more than {} entries", fields.path_of(name), limits.max_entries));
    return;
  }
  out.reserve(list.size());
  for (size_t i = 0; i < list.size(); ++i) {
    add_string(fields, fmt::format("{}[{}]", fields.path_of(name), i), list[i], limits, out);
  }
}

void read_stream(Fields& fields, GenerationCall& call) {
  fields.read("stream", call.stream);
  const Json* options = fields.find_object("stream_options");
  if (options == nullptr) {
    return;
  }
  if (!call.stream) {
    fields.fail("invalid_value", "stream_options", "stream_options needs \"stream\": true");
    return;
  }
  Fields inner = fields.inner(*options, "stream_options");
  inner.read("include_usage", call.include_usage);
  inner.read("continuous_usage_stats", call.continuous_usage);
  inner.ignore({"include_obfuscation"});
  inner.close();
}

void read_choices(Fields& fields, const ApiContext& context, Request& settings) {
  const int32_t max_n = std::min(context.max_n, kMaxChoices);
  fields.read("n", settings.num_choices, IntRange{.low = 1, .high = max_n});
  int32_t best_of = settings.num_choices;
  fields.read("best_of", best_of, IntRange{.low = 1, .high = std::numeric_limits<int32_t>::max()});
  if (best_of != settings.num_choices) {
    fields.fail("invalid_value", "best_of",
                fmt::format("best_of = {} must equal n = {}", best_of, settings.num_choices));
  }
}

void read_request_id(Fields& fields, std::string& id) {
  fields.read("request_id", id);
  if (fields.find("request_id") == nullptr) {
    return;
  }
  const bool is_printable =
      std::all_of(id.begin(), id.end(), [](char c) { return c >= 0x20 && c < 0x7F; });
  if (id.empty() || id.size() > kMaxRequestIdBytes || !is_printable) {
    fields.fail("invalid_value", "request_id",
                fmt::format("request_id must be 1..{} printable bytes", kMaxRequestIdBytes));
  }
}

void read_routing(Fields& fields, const ApiContext& context, GenerationCall& call) {
  fields.read("priority", call.settings.priority,
              IntRange{.low = -kMaxPriority, .high = kMaxPriority});
  fields.read("cache_salt", call.settings.cache_salt);
  if (call.settings.cache_salt.size() > kMaxSaltBytes) {
    fields.fail("invalid_value", "cache_salt",
                fmt::format("cache_salt has more than {} bytes", kMaxSaltBytes));
  }
  if (fields.find("timeout") != nullptr) {
    double timeout = context.request_timeout_s;
    fields.read("timeout", timeout,
                RealRange{.low = 0.0, .high = context.request_timeout_s, .low_is_excluded = true});
    call.timeout_s = timeout;
  }
  read_request_id(fields, call.request_id);
  int64_t rank = 0;
  fields.read("data_parallel_rank", rank, IntRange{.low = 0, .high = 0});
  const Json* transfer = fields.find_object("kv_transfer_params");
  if (transfer != nullptr && !context.has_transfer_role) {
    fields.fail("unsupported_parameter", "kv_transfer_params",
                "kv_transfer_params needs an engine with a prefill or decode role");
  } else if (transfer != nullptr) {
    call.kv_transfer_params = json_line(*transfer);
  }
}

// A switch that may be off.
void refuse_if_on(Fields& fields, std::string_view name, const std::string& why) {
  bool is_on = false;
  fields.read(name, is_on);
  if (is_on) {
    fields.fail("unsupported_parameter", name, why);
  }
}

// Fields that OpenAI or vLLM know and nothing here acts on, and those that would change the answer
// if they were acted on.
void read_the_rest(Fields& fields) {
  fields.ignore({"user", "metadata", "store", "service_tier", "safety_identifier",
                 "prompt_cache_key", "prompt_cache_retention", "add_special_tokens",
                 "spaces_between_special_tokens", "length_penalty", "early_stopping"});
  fields.refuse("suffix", "the model has no fill-in-the-middle form");
  fields.refuse("audio", "the model has no audio");
  fields.refuse("truncate_prompt_tokens", "a prompt is taken whole or refused");
  fields.refuse("logits_processors", "code of clients is not run");
  refuse_if_on(fields, "use_beam_search", "beam search is not supported");
  refuse_if_on(fields, "return_tokens_as_token_ids", "ids come with return_token_ids");
  const Json* modalities = fields.find_array("modalities");
  for (size_t i = 0; modalities != nullptr && i < modalities->size(); ++i) {
    if ((*modalities)[i] != "text") {
      fields.fail_at("unsupported_parameter", fmt::format("modalities[{}]", i),
                     "the only modality is \"text\"");
    }
  }
}

}  // namespace

bool is_served_model(std::string_view name, const ApiContext& context) {
  const std::string_view wanted = without_slashes(name);
  return std::any_of(context.model_names.begin(), context.model_names.end(),
                     [wanted](const std::string& one) { return without_slashes(one) == wanted; });
}

void read_model(Fields& fields, const ApiContext& context, std::string& model) {
  model = context.model_names.front();
  std::string name = model;
  fields.read("model", name);
  if (fields.failed()) {
    return;
  }
  if (!is_served_model(name, context)) {
    fields.fail("model_not_found", "model",
                fmt::format("the model \"{}\" does not exist", printable(name)));
    return;
  }
  model = std::string(without_slashes(name));
}

std::optional<int64_t> read_max_tokens(Fields& fields, int64_t low) {
  std::optional<int64_t> limit;
  for (const char* name : {"max_tokens", "max_completion_tokens"}) {
    int64_t value = 0;
    fields.read(name, value,
                IntRange{.low = std::string_view(name) == "max_tokens" ? low : 1,
                         .high = std::numeric_limits<int64_t>::max()});
    if (fields.find(name) != nullptr) {
      limit = value;
    }
  }
  return limit;
}

void read_stop(Fields& fields, std::string_view name, std::vector<std::string>& out) {
  constexpr ListLimits kLimits = {.max_entries = kMaxStops, .max_bytes = kMaxStopBytes};
  const Json* stop = fields.find(name);
  if (stop == nullptr) {
    return;
  }
  if (stop->is_string()) {
    add_string(fields, fields.path_of(name), *stop, kLimits, out);
  } else if (stop->is_array()) {
    read_strings(fields, name, *stop, kLimits, out);
  } else {
    fields.fail_type(name, "a string or a list of strings");
  }
}

void read_generation(Fields& fields,
                     const ApiContext& context,
                     const Arrival& arrival,
                     GenerationCall& call) {
  read_model(fields, context, call.model);
  Request& settings = call.settings;
  settings.sampling = read_sampling(fields, context, arrival);
  fields.read("min_tokens", settings.sampling.min_tokens,
              IntRange{.low = 0, .high = std::numeric_limits<int32_t>::max()});
  call.output.min_tokens = settings.sampling.min_tokens;
  read_choices(fields, context, settings);
  read_stop(fields, "stop", call.output.stop);
  if (const Json* words = fields.find_array("bad_words")) {
    read_strings(fields, "bad_words", *words,
                 {.max_entries = kMaxBadWords, .max_bytes = kMaxBadWordBytes}, call.bad_words);
  }
  fields.read_ids("stop_token_ids", kMaxStopTokenIds, context.vocab_size, settings.stop_token_ids);
  fields.read("include_stop_str_in_output", call.output.include_stop);
  fields.read("ignore_eos", settings.ignore_eos);
  fields.read("skip_special_tokens", call.output.skip_special_tokens);
  read_stream(fields, call);
  fields.read("prompt_logprobs", settings.num_prompt_logprobs,
              IntRange{.low = 0, .high = kMaxTopLogprobs});
  if (settings.num_prompt_logprobs >= 0 && call.stream) {
    fields.fail("invalid_value", "prompt_logprobs", "prompt_logprobs cannot be streamed");
  }
  fields.read("return_token_ids", call.return_token_ids);
  fields.read("return_spec_info", call.return_spec_info);
  read_routing(fields, context, call);
  read_the_rest(fields);
}

void apply_limits(Fields& fields,
                  const ApiContext& context,
                  std::string_view prompt_field,
                  std::optional<int64_t> limit,
                  GenerationCall& call) {
  int64_t longest = 0;
  for (const std::vector<TokenId>& prompt : call.prompts) {
    longest = std::max<int64_t>(longest, std::ssize(prompt));
  }
  const int64_t room = context.context_limit - longest;
  if (room < 1) {
    fields.fail("context_length_exceeded", prompt_field,
                fmt::format("the prompt has {} tokens and the context holds {}, one of them for "
                            "the answer",
                            longest, context.context_limit));
    return;
  }
  if (limit.has_value() && *limit > room && context.rejects_overflow) {
    fields.fail("context_length_exceeded", "max_tokens",
                fmt::format("the prompt has {} tokens and the answer may have {}: more than the "
                            "{} of the context",
                            longest, *limit, context.context_limit));
    return;
  }
  const int64_t most = std::min<int64_t>(context.context_limit, limit.value_or(room));
  call.settings.max_tokens = static_cast<int32_t>(std::max<int64_t>(most, 1));
  const int64_t least = std::min(most, room);
  if (call.settings.sampling.min_tokens > least) {
    fields.fail("invalid_value", "min_tokens",
                fmt::format("min_tokens = {} is more than the answer may have: {}",
                            call.settings.sampling.min_tokens, least));
  }
}

}  // namespace talon::server
