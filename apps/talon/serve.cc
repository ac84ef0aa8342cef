// `talon serve`: the OpenAI API on a port, on one model.
#include <fmt/format.h>

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <memory>
#include <optional>
#include <sstream>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/json.h"
#include "base/log.h"
#include "commands.h"
#include "measure/step_times.h"
#include "model_flags.h"
#include "server/api/generation_config.h"
#include "server/service.h"
#include "stream/chat_tokens.h"
#include "stream/self_test.h"
#include "text/chat_template.h"

namespace talon {
namespace {

constexpr int kWatchdogExit = 70;  // of sysexits.h: an internal fault

struct ServeFlags {
  ModelFlags model;
  server::HttpServerOptions http;
  server::ServiceOptions service;
  server::ApiContext context;
  std::string api_key_file;
  std::string allowed_origins = "[]";
  std::string metrics_compat = "none";
  std::string overflow = "clip";
  std::string generation_config = "auto";
  std::string log_level = "info";
  std::string self_test = "quick";
  bool coalesce = true;
  double read_timeout_s = 30.0;
  double keep_alive_s = 5.0;
  double shutdown_s = 60.0;
  double watchdog_s = 60.0;
  double stall_s = 30.0;
  int64_t max_delay_ms = 100;
  int64_t header_delay_ms = 5000;
  int64_t grammar_timeout_ms = 2000;
};

std::chrono::milliseconds to_ms(double seconds) {
  return std::chrono::milliseconds(static_cast<int64_t>(seconds * 1000.0));
}

void read_key_file(const std::string& file, std::vector<std::string>& keys) {
  std::ifstream in(file);
  if (!in) {
    throw Error(ErrorCode::kNotFound, fmt::format("--api-key-file {}: cannot be read", file));
  }
  for (std::string line; std::getline(in, line);) {
    if (!line.empty()) {
      keys.push_back(line);
    }
  }
  if (keys.empty()) {
    throw Error(ErrorCode::kInvalidArgument, fmt::format("--api-key-file {}: no key", file));
  }
}

std::vector<std::string> origins_of(const std::string& text) {
  const Result<Json> parsed = parse_json(text);
  std::vector<std::string> origins;
  if (parsed.ok() && parsed.value().is_array()) {
    for (const Json& origin : parsed.value()) {
      if (origin.is_string()) {
        origins.push_back(origin.get<std::string>());
      }
    }
  }
  if (!parsed.ok() || !parsed.value().is_array() || origins.size() != parsed.value().size()) {
    throw Error(ErrorCode::kInvalidArgument, "--allowed-origins: a JSON list of strings is needed");
  }
  return origins;
}

void add_http_flags(CLI::App& app, ServeFlags& flags) {
  server::HttpServerOptions& http = flags.http;
  app.add_option("--host", http.host, "address to listen on")->capture_default_str();
  app.add_option("--port,--server-port", http.port, "port; 0: one that is free")
      ->capture_default_str();
  app.add_option("--api-key", flags.service.api_keys, "a key that opens the API; repeatable");
  app.add_option("--api-key-file", flags.api_key_file, "a file with one key a line");
  app.add_option("--tls-cert,--ssl-certfile", http.tls_cert, "certificate chain (PEM)");
  app.add_option("--tls-key,--ssl-keyfile", http.tls_key, "its key (PEM)");
  app.add_option("--tls-ca,--ssl-ca-certs", http.tls_ca, "clients need a certificate of this CA");
  app.add_option("--allowed-origins", flags.allowed_origins, "JSON list of origins (CORS)");
  app.add_option("--max-body-bytes", http.max_body_bytes, "of a request")->capture_default_str();
  app.add_option("--max-connections", http.max_connections, "at once")->capture_default_str();
  app.add_option("--http-read-timeout", flags.read_timeout_s, "seconds for a whole request")
      ->capture_default_str();
  app.add_option("--timeout-keep-alive", flags.keep_alive_s, "seconds between two requests")
      ->capture_default_str();
  app.add_option("--shutdown-timeout", flags.shutdown_s, "seconds to drain after SIGTERM")
      ->capture_default_str();
  app.add_option("--watchdog-timeout", flags.watchdog_s,
                 "seconds of work without a step until the process ends (70)")
      ->capture_default_str();
  app.add_flag("!--no-ui", flags.service.has_page, "no chat page");
  app.add_flag("!--disable-access-log", flags.service.access_log, "no line a request");
  app.add_option("--log-level", flags.log_level, "debug, info, warn, error or off")
      ->check(CLI::IsMember({"debug", "info", "warn", "error", "off"}))
      ->capture_default_str();
}

void add_api_flags(CLI::App& app, ServeFlags& flags) {
  app.add_option("--served-model-name", flags.context.model_names,
                 "names that requests may use; the first is shown");
  app.add_option("--generation-config", flags.generation_config,
                 "auto: sampling defaults of the model's generation_config.json; none: OpenAI's")
      ->check(CLI::IsMember({"auto", "none"}))
      ->capture_default_str();
  app.add_option("--max-n", flags.context.max_n, "answers a request")->capture_default_str();
  app.add_option("--request-timeout", flags.context.request_timeout_s, "seconds of a request")
      ->capture_default_str();
  app.add_flag("--strict-fields", flags.context.strict_fields, "unknown fields are refused");
  app.add_option("--max-tokens-overflow", flags.overflow, "a limit beyond the context")
      ->check(CLI::IsMember({"clip", "reject"}))
      ->capture_default_str();
  app.add_flag("--always-usage", flags.service.always_usage, "usage in every stream");
  app.add_flag("--usage-timings", flags.service.generation.usage_timings, "times in usage");
  app.add_flag("--stream-coalesce,!--no-stream-coalesce", flags.coalesce,
               "short text waits for more");
  app.add_option("--stream-min-chars", flags.service.coalesce.min_chars, "text worth a frame")
      ->capture_default_str();
  app.add_option("--stream-max-chars", flags.service.coalesce.max_chars, "longest frame")
      ->capture_default_str();
  app.add_option("--stream-interval", flags.service.coalesce.min_tokens, "tokens a frame");
  app.add_option("--stream-max-delay-ms", flags.max_delay_ms, "text is held no longer")
      ->capture_default_str();
  app.add_option("--stream-buffer-bytes", flags.service.generation.stream_buffer_bytes,
                 "a client may be this far behind")
      ->capture_default_str();
  app.add_option("--stream-stall-timeout", flags.stall_s, "seconds, then it is cut off")
      ->capture_default_str();
  app.add_option("--stream-header-delay-ms", flags.header_delay_ms,
                 "a stream begins without a token then")
      ->capture_default_str();
  app.add_option("--grammar-timeout-ms", flags.grammar_timeout_ms, "to compile a grammar")
      ->capture_default_str();
  app.add_option("--grammar-max-bytes", flags.context.max_grammar_bytes, "of a grammar")
      ->capture_default_str();
  app.add_option("--metrics-compat", flags.metrics_compat, "names known to dashboards for vLLM")
      ->check(CLI::IsMember({"none", "vllm"}))
      ->capture_default_str();
  app.add_flag("--metrics-public", flags.service.metrics_are_public, "/metrics needs no key");
}

server::ServiceOptions service_options(const ServeFlags& flags) {
  server::ServiceOptions options = flags.service;
  if (!flags.api_key_file.empty()) {
    read_key_file(flags.api_key_file, options.api_keys);
  }
  options.allowed_origins = origins_of(flags.allowed_origins);
  options.vllm_metrics = flags.metrics_compat == "vllm";
  if (!flags.coalesce) {
    options.coalesce.min_chars = 0;
  }
  options.generation.max_delay = std::chrono::milliseconds(flags.max_delay_ms);
  options.generation.header_delay = std::chrono::milliseconds(flags.header_delay_ms);
  options.generation.stall_timeout = to_ms(flags.stall_s);
  options.grammar_timeout = std::chrono::milliseconds(flags.grammar_timeout_ms);
  options.shutdown_timeout = to_ms(flags.shutdown_s);
  options.watchdog_timeout = to_ms(flags.watchdog_s);
  // The engine's thread hangs: nothing can be ended in order.
  options.on_stall = [] { std::_Exit(kWatchdogExit); };
  return options;
}

// The model's own sampling defaults, if it states any.
SamplingSettings sampling_defaults(const std::filesystem::path& model_dir) {
  const std::filesystem::path file = model_dir / "generation_config.json";
  std::ifstream in(file, std::ios::binary);
  if (!in) {
    return server::open_sampling();
  }
  std::stringstream text;
  text << in.rdbuf();
  const Result<SamplingSettings> settings = server::read_generation_config(text.str());
  if (!settings.ok()) {
    throw Error(ErrorCode::kCorruptFile, fmt::format("{}: {}", file.string(), settings.message()));
  }
  return settings.value();
}

// What is served: names, limits, template.
server::ApiContext api_context(const ServeFlags& flags,
                               const EngineConfig& config,
                               const LocalModel& model,
                               const text::ChatTemplate* chat_template) {
  server::ApiContext context = flags.context;
  if (context.model_names.empty()) {
    context.model_names.push_back(config.model_dir.filename().string());
  }
  context.model_names.push_back(config.model_dir.string());
  context.tokenizer = model.tokenizer.get();
  context.chat_template = chat_template;
  context.vocab_size = model.engine->runner().model().limits().vocab_size;
  context.context_limit = model.engine->context_limit();
  context.rejects_overflow = flags.overflow == "reject";
  if (flags.generation_config == "auto") {
    context.defaults = sampling_defaults(config.model_dir);
  }
  context.reasoning = find_reasoning_tags(*model.tokenizer);
  context.tool_tokens = find_tool_tokens(*model.tokenizer);
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

void serve(const ServeFlags& flags) {
  set_log_level(parse_log_level(flags.log_level).value());
  server::HttpServerOptions http = flags.http;
  http.read_timeout = to_ms(flags.read_timeout_s);
  http.keep_alive_timeout = to_ms(flags.keep_alive_s);
  http.write_timeout = to_ms(flags.stall_s);
  const EngineConfig config = resolve(flags.model);
  server::ServiceOptions options = service_options(flags);
  LocalModel model = open_measured_model(config);
  if (flags.self_test == "quick") {
    (void)self_test(model, config);
  }
  std::optional<text::ChatTemplate> chat_template;
  try {
    chat_template = text::ChatTemplate::load(config.model_dir);
  } catch (const Error& error) {
    log(LogLevel::kWarn, "serve", "text=\"no chat: {}\"", error.what());
  }
  const server::ApiContext context =
      api_context(flags, config, model, chat_template ? &*chat_template : nullptr);
  options.version = TALON_VERSION;
  options.server_info = Json{{"version", TALON_VERSION},
                             {"model", context.model_names.front()},
                             {"max_model_len", context.context_limit},
                             {"tp_size", 1},
                             {"num_speculative_tokens", model.engine->max_drafts()},
                             {"max_num_seqs", model.engine->max_sequences()},
                             {"synthetic_acceptance", model.synthetic_acceptance}}
                            .dump();
  server::Service service(model, context, options, http);
  warn_if_open(http, options);
  fmt::print("talon: serving {} on http{}://{}:{}\n", context.model_names.front(),
             http.tls_cert.empty() ? "" : "s", http.host, service.port());
  std::fflush(stdout);
  service.run();
}

}  // namespace

void register_serve(CLI::App& app) {
  auto flags = std::make_shared<ServeFlags>();
  CLI::App* command = app.add_subcommand("serve", "serve the OpenAI API over HTTP");
  add_model_flags(*command, flags->model);
  command
      ->add_option("--self-test", flags->self_test,
                   "quick: before serving, a GPU is compared with the CPU")
      ->check(CLI::IsMember({"off", "quick"}))
      ->capture_default_str();
  command->add_flag_callback(
      "--no-self-test", [flags] { flags->self_test = "off"; }, "the same as --self-test off");
  add_http_flags(*command, *flags);
  add_api_flags(*command, *flags);
  command->callback([flags] { serve(*flags); });
}

}  // namespace talon
