#include "serve_settings.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <chrono>
#include <fstream>
#include <functional>
#include <memory>
#include <utility>

#include "arguments.h"
#include "base/error.h"
#include "base/json.h"
#include "server/line_log.h"
#include "server/otlp_exporter.h"
#include "text/jinja/json_value.h"

namespace talon {
namespace {

std::chrono::milliseconds to_ms(double seconds) {
  return std::chrono::milliseconds(static_cast<int64_t>(seconds * 1000.0));
}

[[noreturn]] void fail(const std::string& message) {
  throw Error(ErrorCode::kInvalidArgument, message);
}

void read_key_file(const std::string& file, std::vector<std::string>& keys) {
  std::ifstream in(file);
  if (!in) {
    fail(fmt::format("--api-key-file {}: cannot be read", file));
  }
  const size_t before = keys.size();
  for (std::string line; std::getline(in, line);) {
    if (!line.empty()) {
      keys.push_back(line);
    }
  }
  if (keys.size() == before) {
    fail(fmt::format("--api-key-file {}: no key", file));
  }
}

Json object_of(const char* flag, const std::string& text) {
  Result<Json> parsed = parse_json(text);
  if (!parsed.ok() || !parsed.value().is_object()) {
    fail(fmt::format("{}: {}", flag,
                     parsed.ok() ? std::string("a JSON object is needed") : parsed.message()));
  }
  return std::move(parsed).value();
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
    fail("--allowed-origins: a JSON list of strings is needed");
  }
  return origins;
}

// The settings of vLLM's object, as the flags of the same meaning.
void read_speculative_config(const std::string& text, ModelFlags& model) {
  const Json config = object_of("--speculative-config", text);
  for (const auto& [key, value] : config.items()) {
    const auto need = [&, &key = key](bool is_right, const char* what) {
      if (!is_right) {
        fail(fmt::format("--speculative-config: {}: {}", key, what));
      }
    };
    if (key == "method") {
      need(value == "eagle3" || value == "none", "\"eagle3\" or \"none\" is needed");
      model.method = value.get<std::string>();
    } else if (key == "model") {
      need(value.is_string(), "a folder is needed");
      model.draft_model = value.get<std::string>();
    } else if (key == "num_speculative_tokens") {
      need(value.is_number_integer() && value.get<int64_t>() >= 0 &&
               value.get<int64_t>() <= kMaxDrafts,
           "0 to 7 is needed");
      model.num_speculative_tokens = value.get<int32_t>();
    } else if (key == "synthetic_acceptance_length") {
      need(value.is_number(), "a number is needed");
      model.engine.acceptance_length = value.get<double>();
    } else if (key == "draft_tensor_parallel_size") {
      need(value == 1, "the model runs on one rank");
    } else {
      need(false, "there is no such setting");
    }
  }
}

text::Dict variables_of(const std::string& text) {
  text::Dict variables;
  const Json object = object_of("--default-chat-template-kwargs", text);
  for (const auto& [name, value] : object.items()) {
    variables.set(name, text::value_of_json(value));
  }
  return variables;
}

EngineConfig engine_of(const ServeFlags& flags, std::vector<std::string>& warnings) {
  ModelFlags model = flags.model;
  if (!flags.positional_model.empty()) {
    model.model = flags.positional_model;
  }
  read_speculative_config(flags.speculative_config, model);
  const std::string mode = CLI::detail::to_lower(flags.cudagraph_mode);
  if (mode == "none") {
    model.engine.enforce_eager = true;
  } else if (mode != "full") {
    warnings.push_back(
        fmt::format("--cudagraph-mode {} acts as FULL: whole rounds are captured", mode));
  }
  EngineConfig config = resolve(model);
  config.tokenizer_dir = flags.tokenizer;
  return config;
}

server::HttpServerOptions http_of(const ServeFlags& flags, std::vector<std::string>& warnings) {
  server::HttpServerOptions http = flags.http;
  http.port = flags.server_port.value_or(flags.port.value_or(8000));
  if (flags.port.has_value() && flags.server_port.has_value()) {
    warnings.push_back(fmt::format("--port {} has no effect: --server-port {} is the public one",
                                   *flags.port, *flags.server_port));
  }
  if (http.tls_cert.empty() != http.tls_key.empty()) {
    fail("--tls-cert and --tls-key go together");
  }
  http.read_timeout = to_ms(flags.read_timeout_s);
  http.keep_alive_timeout = to_ms(flags.keep_alive_s);
  http.write_timeout = to_ms(flags.stall_s);
  return http;
}

// What cannot fail.
server::ServiceOptions service_of(const ServeFlags& flags) {
  server::ServiceOptions options = flags.service;
  options.vllm_metrics = flags.metrics_compat == "vllm";
  if (flags.no_coalesce || flags.coalesce == "off") {
    options.coalesce.min_chars = 0;
  }
  options.generation.max_delay = std::chrono::milliseconds(flags.max_delay_ms);
  options.generation.header_delay = std::chrono::milliseconds(flags.header_delay_ms);
  options.generation.stall_timeout = to_ms(flags.stall_s);
  options.generation.queue_timeout = to_ms(flags.queue_s);
  options.generation.keepalive = to_ms(flags.sse_keepalive_s);
  options.grammar_timeout = std::chrono::milliseconds(flags.grammar_timeout_ms);
  options.shutdown_timeout = to_ms(flags.shutdown_s);
  options.watchdog_timeout = to_ms(flags.watchdog_s);
  return options;
}

server::ApiContext context_of(const ServeFlags& flags) {
  server::ApiContext context = flags.context;
  context.rejects_overflow = flags.overflow == "reject";
  context.reasoning_field =
      flags.reasoning_field == "reasoning" ? server::ReasoningField::kReasoning
      : flags.reasoning_field == "both"    ? server::ReasoningField::kBoth
                                           : server::ReasoningField::kReasoningContent;
  return context;
}

// Fills `settings` as far as the flags allow; what they do not allow is returned.
std::vector<std::string> try_settle(const ServeFlags& flags, ServeSettings& settings) {
  std::vector<std::string> faults = compat_faults(flags.compat);
  const auto attempt = [&](const std::function<void()>& part) {
    try {
      part();
    } catch (const Error& error) {
      faults.emplace_back(error.what());
    }
  };
  settings.warnings = compat_warnings(flags.compat);
  settings.service = service_of(flags);
  settings.context = context_of(flags);
  if (!flags.torch_profiler_dir.empty()) {
    settings.service.enable_profiling = true;
    settings.warnings.emplace_back(
        "--torch-profiler-dir acts as --enable-profiling: what is recorded where is the "
        "profiler's");
  }
  settings.chat_template_file = flags.chat_template;
  settings.tool_parser = flags.tool_parser;
  settings.reasoning_parser = flags.reasoning_parser;
  settings.model_defaults = flags.generation_config == "auto";
  attempt([&] { settings.engine = engine_of(flags, settings.warnings); });
  attempt([&] { settings.http = http_of(flags, settings.warnings); });
  attempt([&] { settings.service.allowed_origins = origins_of(flags.allowed_origins); });
  attempt([&] { settings.context.template_variables = variables_of(flags.template_variables); });
  attempt([&] {
    if (!flags.service.request_log.empty()) {
      const server::LineLog probe("--request-log", flags.service.request_log, 0);
    }
  });
  attempt([&] {
    if (!flags.service.otlp_traces_endpoint.empty()) {
      (void)server::otlp_url(flags.service.otlp_traces_endpoint);
    }
  });
  attempt([&] {
    if (!flags.api_key_file.empty()) {
      read_key_file(flags.api_key_file, settings.service.api_keys);
    }
  });
  return faults;
}

}  // namespace

ServeSettings settle(const ServeFlags& flags) {
  ServeSettings settings;
  const std::vector<std::string> faults = try_settle(flags, settings);
  if (!faults.empty()) {
    fail(fmt::format("{}", fmt::join(faults, "; ")));
  }
  return settings;
}

std::vector<std::string> serve_faults(const std::vector<std::string>& arguments) {
  std::vector<std::string> usable;
  std::vector<std::string> faults = find_faults(
      [flags = std::make_shared<ServeFlags>()](CLI::App& app) {
        *flags = {};
        add_serve_flags(app, *flags);
      },
      arguments, usable);
  ServeFlags flags;
  CLI::App app;
  add_serve_flags(app, flags);
  try {
    parse_arguments(app, usable);
  } catch (const CLI::ParseError& error) {
    faults.emplace_back(error.what());
    return faults;
  }
  ServeSettings ignored;
  for (std::string& fault : try_settle(flags, ignored)) {
    faults.push_back(std::move(fault));
  }
  return faults;
}

}  // namespace talon
