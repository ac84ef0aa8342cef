#include "serve_flags.h"

#include <fmt/format.h>

#include <utility>

namespace talon {
namespace {

constexpr double kLongest = 1e9;  // seconds: beyond any use, far from overflow

const CLI::Range& some_seconds() {
  static const CLI::Range kRange(0.001, kLongest);
  return kRange;
}

const CLI::Range& seconds_or_none() {
  static const CLI::Range kRange(0.0, kLongest);
  return kRange;
}

// --name and --no-name.
void add_switch(CLI::App& app, const std::string& name, bool& value, const std::string& help) {
  app.add_flag(fmt::format("--{0},!--no-{0}", name), value, help);
}

void add_times(CLI::App& app, ServeFlags& flags) {
  const auto add = [&](const char* name, double& seconds, const char* help) {
    return app.add_option(name, seconds, help)->capture_default_str();
  };
  add("--http-read-timeout", flags.read_timeout_s, "seconds for a whole request")
      ->check(some_seconds());
  add("--timeout-keep-alive", flags.keep_alive_s, "seconds between two requests")
      ->check(some_seconds());
  add("--request-timeout", flags.context.request_timeout_s, "seconds of a request")
      ->check(some_seconds());
  add("--queue-timeout", flags.queue_s, "seconds a request may wait for its turn")
      ->check(some_seconds());
  add("--shutdown-timeout", flags.shutdown_s, "seconds to drain after SIGTERM")
      ->check(seconds_or_none());
  add("--watchdog-timeout", flags.watchdog_s,
      "seconds of work without a step until the process ends (70)")
      ->check(some_seconds());
  add("--stream-stall-timeout", flags.stall_s, "seconds without reading, then a client is cut off")
      ->check(some_seconds());
  add("--sse-keepalive-s", flags.sse_keepalive_s,
      "seconds of silence after which a stream gets a comment; 0: none")
      ->check(seconds_or_none());
}

void add_http_flags(CLI::App& app, ServeFlags& flags) {
  server::HttpServerOptions& http = flags.http;
  app.add_option("--host", http.host, "address to listen on")->capture_default_str();
  app.add_option("--port", flags.port, "port, 8000 by default; 0: one that is free");
  app.add_option("--server-port", flags.server_port, "the same; --port is ignored then");
  app.add_option("--api-key", flags.service.api_keys, "a key that opens the API; repeatable");
  app.add_option("--api-key-file", flags.api_key_file, "a file with one key a line");
  app.add_option("--tls-cert,--ssl-certfile", http.tls_cert, "certificate chain (PEM)");
  app.add_option("--tls-key,--ssl-keyfile", http.tls_key, "its key (PEM)");
  app.add_option("--tls-ca,--ssl-ca-certs", http.tls_ca, "clients need a certificate of this CA");
  app.add_option("--allowed-origins", flags.allowed_origins, "JSON list of origins (CORS)");
  app.add_option("--max-body-bytes", http.max_body_bytes, "of a request")->capture_default_str();
  app.add_option("--max-connections", http.max_connections, "at once")->capture_default_str();
  add_switch(app, "ui", flags.service.has_page, "the chat page");
  app.add_flag("--access-log,!--no-access-log,!--disable-access-log,!--disable-uvicorn-access-log",
               flags.service.access_log, "a line a request, at the level info");
  app.add_option("--request-log", flags.service.request_log,
                 "a file that gets a JSON line a request");
  add_switch(app, "log-prompts", flags.service.log_prompts, "with the prompts in it");
  app.add_option("--otlp-traces-endpoint", flags.service.otlp_traces_endpoint,
                 "http://host:port of a collector of OpenTelemetry; without a path /v1/traces");
  app.add_option("--self-test", flags.self_test,
                 "quick: before serving, a GPU is compared with the CPU")
      ->check(CLI::IsMember({"off", "quick"}))
      ->capture_default_str();
  app.add_flag_callback(
      "--no-self-test", [&flags] { flags.self_test = "off"; }, "the same as --self-test off");
  add_switch(app, "enable-profiling", flags.service.enable_profiling,
             "/start_profile and /stop_profile: the range of the CUDA profiler");
  app.add_option("--torch-profiler-dir", flags.torch_profiler_dir,
                 "the same; the folder has no effect");
  app.add_option("--log-level", flags.log_level, "debug, info, warn, error or off")
      ->check(CLI::IsMember({"debug", "info", "warn", "error", "off"}))
      ->capture_default_str();
  app.add_option("--metrics-compat", flags.metrics_compat, "names known to dashboards for vLLM")
      ->check(CLI::IsMember({"none", "vllm"}))
      ->capture_default_str();
  add_switch(app, "metrics-public", flags.service.metrics_are_public, "/metrics needs no key");
}

void add_stream_flags(CLI::App& app, ServeFlags& flags) {
  server::CoalesceLimits& coalesce = flags.service.coalesce;
  app.add_option("--stream-coalesce", flags.coalesce, "on: short text waits for more")
      ->expected(0, 1)
      ->default_str("on")
      ->check(CLI::IsMember({"on", "off"}));
  app.add_flag("--no-stream-coalesce", flags.no_coalesce, "the same as off");
  app.add_option("--stream-min-chars", coalesce.min_chars, "text worth a frame")
      ->capture_default_str();
  app.add_option("--stream-max-chars", coalesce.max_chars, "longest frame")->capture_default_str();
  app.add_option("--stream-interval", coalesce.min_tokens, "tokens a frame");
  app.add_option("--stream-max-delay-ms", flags.max_delay_ms, "text is held no longer")
      ->capture_default_str();
  app.add_option("--stream-buffer-bytes", flags.service.generation.stream_buffer_bytes,
                 "a client may be this far behind")
      ->capture_default_str();
  app.add_option("--stream-header-delay-ms", flags.header_delay_ms,
                 "a stream begins without a token then")
      ->capture_default_str();
}

void add_api_flags(CLI::App& app, ServeFlags& flags) {
  app.add_option("--served-model-name", flags.context.model_names,
                 "names that requests may use; the first is shown");
  app.add_option("--generation-config", flags.generation_config,
                 "auto: sampling defaults of the model's generation_config.json; none: OpenAI's")
      ->check(CLI::IsMember({"auto", "none"}))
      ->capture_default_str();
  app.add_option("--chat-template", flags.chat_template, "a file; default: the model's own");
  app.add_option("--default-chat-template-kwargs", flags.template_variables,
                 "JSON object of variables that the template gets");
  for (auto [name, value] : {std::pair("--tool-call-parser", &flags.tool_parser),
                             std::pair("--reasoning-parser", &flags.reasoning_parser)}) {
    app.add_option(name, *value, "auto: if the tokenizer has the markers of MiniMax-M3")
        ->check(CLI::IsMember({"auto", "minimax_m3", "none"}))
        ->capture_default_str();
  }
  app.add_option("--reasoning-field", flags.reasoning_field, "where chat answers put reasoning")
      ->check(CLI::IsMember({"reasoning_content", "reasoning", "both"}))
      ->capture_default_str();
  app.add_option("--max-n", flags.context.max_n, "answers a request")
      ->check(CLI::Range(1, kMaxChoices))
      ->capture_default_str();
  add_switch(app, "strict-fields", flags.context.strict_fields, "unknown fields are refused");
  app.add_option("--max-tokens-overflow", flags.overflow, "a limit beyond the context")
      ->check(CLI::IsMember({"clip", "reject"}))
      ->capture_default_str();
  app.add_flag("--always-usage,--enable-force-include-usage,!--no-always-usage",
               flags.service.always_usage, "usage in every stream");
  add_switch(app, "usage-timings", flags.service.generation.usage_timings, "times in usage");
  app.add_option("--grammar-timeout-ms", flags.grammar_timeout_ms, "to compile a grammar")
      ->capture_default_str();
  app.add_option("--grammar-max-bytes", flags.context.max_grammar_bytes, "of a grammar")
      ->capture_default_str();
}

// Names that users of vLLM give the settings of the engine, and what they know besides.
void add_engine_flags(CLI::App& app, ServeFlags& flags) {
  app.add_option("model", flags.positional_model, "the same as --model")
      ->excludes(app.get_option("--model"));
  app.add_option("--tokenizer", flags.tokenizer, "folder; default: the model's");
  CLI::Option* speculative = app.add_option(
      "--speculative-config", flags.speculative_config,
      "JSON object: method, model, num_speculative_tokens, synthetic_acceptance_length");
  for (const char* name : {"--method", "--draft-model", "--num-speculative-tokens",
                           "--spec-decode-acceptance-length", "--spec-decode-acceptance-rate"}) {
    speculative->excludes(app.get_option(name));
  }
  app.add_option("--cudagraph-mode", flags.cudagraph_mode, "FULL; NONE: as --enforce-eager")
      ->check(CLI::IsMember(
          {"FULL", "NONE", "PIECEWISE", "FULL_AND_PIECEWISE", "FULL_DECODE_ONLY", "AF_PIECEWISE"},
          CLI::ignore_case))
      ->capture_default_str();
}

}  // namespace

void add_serve_flags(CLI::App& app, ServeFlags& flags) {
  app.add_option("--config", flags.config_file,
                 "JSON object of flags without their dashes; the command line wins");
  add_model_flags(app, flags.model);
  add_engine_flags(app, flags);
  add_http_flags(app, flags);
  add_times(app, flags);
  add_api_flags(app, flags);
  add_stream_flags(app, flags);
  add_compat_flags(app, flags.compat);
}

}  // namespace talon
