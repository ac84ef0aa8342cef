// `talon serve`: the OpenAI API on a port, on one model.
#include <fmt/format.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/ids.h"
#include "base/json.h"
#include "base/log.h"
#include "base/log_thread.h"
#include "build_info.h"
#include "commands.h"
#include "core/backend.h"
#include "core/cuda/profiler.h"
#include "engine/choose_device.h"
#include "measure/step_times.h"
#include "serve_model.h"
#include "serve_settings.h"
#include "server/api/generation_config.h"
#include "server/service.h"
#include "stream/chat_tokens.h"
#include "stream/self_test.h"
#include "text/chat_template.h"

namespace talon {
namespace {

constexpr int kWatchdogExit = 70;  // of sysexits.h: an internal fault

// Empty if there is no such file.
std::string read_optional(const std::filesystem::path& file) {
  std::ifstream in(file, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

// The model's own sampling defaults, if it states any.
SamplingSettings sampling_defaults(const std::filesystem::path& model_dir) {
  const std::filesystem::path file = model_dir / "generation_config.json";
  const std::string text = read_optional(file);
  if (text.empty()) {
    return server::open_sampling();
  }
  const Result<SamplingSettings> settings = server::read_generation_config(text);
  if (!settings.ok()) {
    throw Error(ErrorCode::kCorruptFile, fmt::format("{}: {}", file.string(), settings.message()));
  }
  return settings.value();
}

// Whether a parser acts, when the tokenizer has its markers or not.
bool is_wanted(const char* flag, const std::string& parser, bool has_markers) {
  if (parser == "minimax_m3" && !has_markers) {
    throw Error(ErrorCode::kInvalidArgument,
                fmt::format("{} {}: the tokenizer has no such markers", flag, parser));
  }
  return parser != "none";
}

// What is served: names, limits, template.
server::ApiContext api_context(const ServeSettings& settings,
                               const LocalModel& model,
                               const text::ChatTemplate* chat_template) {
  const EngineConfig& config = settings.engine;
  server::ApiContext context = settings.context;
  if (context.model_names.empty()) {
    context.model_names.push_back(config.model_dir.filename().string());
  }
  context.model_names.push_back(config.model_dir.string());
  context.tokenizer = model.tokenizer.get();
  context.chat_template = chat_template;
  context.vocab_size = model.engine->runner().model().limits().vocab_size;
  context.context_limit = model.engine->context_limit();
  if (settings.model_defaults) {
    context.defaults = sampling_defaults(config.model_dir);
  }
  context.reasoning = find_reasoning_tags(*model.tokenizer);
  context.tool_tokens = find_tool_tokens(*model.tokenizer);
  if (!is_wanted("--reasoning-parser", settings.reasoning_parser, context.reasoning.has_value())) {
    context.reasoning.reset();
  }
  if (!is_wanted("--tool-call-parser", settings.tool_parser, context.tool_tokens.has_value())) {
    context.tool_tokens.reset();
  }
  return context;
}

void warn_if_open(const server::HttpServerOptions& http, const server::ServiceOptions& service) {
  const bool is_local = http.host == "127.0.0.1" || http.host == "localhost" || http.host == "::1";
  if (!is_local && service.api_keys.empty()) {
    log(LogLevel::kWarn, "serve",
        "host={} text=\"anybody who reaches this port may use it: "
        "--api-key asks for a key\"",
        http.host);
  }
}

// The model's template, or the one that the operator gives; none if there is none that works.
std::optional<text::ChatTemplate> chat_template_of(const ServeSettings& settings) {
  const EngineConfig& config = settings.engine;
  if (!settings.chat_template_file.empty()) {
    const std::string source = read_optional(settings.chat_template_file);
    if (source.empty()) {
      throw Error(ErrorCode::kNotFound, fmt::format("--chat-template {}: empty or not to be read",
                                                    settings.chat_template_file));
    }
    Result<text::ChatTemplate> parsed = text::ChatTemplate::parse(
        {.chat_template = source,
         .tokenizer_config = read_optional(config.text_dir() / "tokenizer_config.json")});
    if (!parsed.ok()) {
      throw Error(
          ErrorCode::kInvalidArgument,
          fmt::format("--chat-template {}: {}", settings.chat_template_file, parsed.message()));
    }
    return std::move(parsed).value();
  }
  try {
    return text::ChatTemplate::load(config.text_dir());
  } catch (const Error& error) {
    log(LogLevel::kWarn, "serve", "text=\"no chat: {}\"", error.what());
    return std::nullopt;
  }
}

std::string server_info(const server::ApiContext& context,
                        const EngineConfig& config,
                        const LocalModel& model) {
  return Json{
      {"version", TALON_VERSION},
      {"commit", source_commit()},
      {"model", context.model_names.front()},
      {"max_model_len", context.context_limit},
      {"tp_size", 1},
      {"num_speculative_tokens", model.engine->max_drafts()},
      {"max_num_seqs", model.engine->max_sequences()},
      {"max_num_batched_tokens", config.max_num_batched_tokens},
      {"max_queue_len", config.max_queue_len},
      {"block_size", kPageTokens},
      {"kv_pages", model.engine->scheduler().pool().num_pages() - 1},
      {"enable_prefix_caching", config.enable_prefix_caching},
      {"scheduling_policy",
       config.scheduling_policy == SchedulingPolicy::kPriority ? "priority" : "fcfs"},
      {"spec_decode_policy", config.spec_policy == SpecPolicyKind::kAuto ? "auto" : "fixed"},
      {"has_drafter", !config.draft_model_dir.empty()},
      {"device", choose_gpu(config.device).has_value() ? "cuda" : "cpu"},
      {"dtype", config.dtype == ActivationType::kF32 ? "float32" : "bf16"},
      {"kv_cache_dtype", cache_dtype_name(config.kv_cache_dtype, config.dtype)},
      {"index_cache_dtype", cache_dtype_name(config.index_cache_dtype, config.dtype)},
      {"synthetic_acceptance", model.synthetic_acceptance},
      {"synthetic_weights", model.synthetic_weights}}
      .dump();
}

void serve(const ServeFlags& flags) {
  set_log_level(parse_log_level(flags.log_level).value());
  const ServeSettings settings = settle(flags);
  // From here on nobody waits for who reads stderr, the HTTP thread least of all.
  const LogThread log_thread;
  for (const std::string& warning : settings.warnings) {
    log(LogLevel::kWarn, "serve", "text=\"{}\"", warning);
  }
  LocalModel model = open_measured_model(settings.engine);
  if (flags.self_test == "quick") {
    (void)self_test(model, settings.engine);
  }
  const std::optional<text::ChatTemplate> chat_template = chat_template_of(settings);
  const server::ApiContext context =
      api_context(settings, model, chat_template ? &*chat_template : nullptr);
  server::ServiceOptions options = settings.service;
  // The engine's thread hangs: nothing can be ended in order. What was logged goes out first.
  options.on_stall = [&log_thread] {
    log_thread.flush(std::chrono::milliseconds(1000));
    std::_Exit(kWatchdogExit);
  };
  options.num_dropped_lines = [&log_thread] { return log_thread.num_dropped(); };
  options.version = TALON_VERSION;
  options.commit = source_commit();
  if constexpr (kHasCuda) {
    if (choose_gpu(settings.engine.device).has_value()) {
      options.device = "cuda";
      options.profile = [](bool starts) {
        starts ? cuda::start_profiler() : cuda::stop_profiler();
      };
    }
  }
  options.device = choose_gpu(settings.engine.device).has_value() ? "cuda" : "cpu";
  options.server_info = server_info(context, settings.engine, model);
  warn_if_open(settings.http, options);
  serve_model(model, context, options, settings.http, [&](uint16_t port) {
    fmt::print("talon: serving {} on http{}://{}:{}\n", context.model_names.front(),
               settings.http.tls_cert.empty() ? "" : "s", settings.http.host, port);
    std::fflush(stdout);
  });
}

}  // namespace

void register_serve(CLI::App& app) {
  auto flags = std::make_shared<ServeFlags>();
  CLI::App* command = app.add_subcommand("serve", "serve the OpenAI API over HTTP");
  add_serve_flags(*command, *flags);
  command->callback([flags] { serve(*flags); });
}

}  // namespace talon
