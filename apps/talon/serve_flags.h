// The flags of `talon serve` as they are given; serve_settings.h says what they mean together.
#pragma once

#include <CLI/CLI.hpp>
#include <cstdint>
#include <optional>
#include <string>

#include "compat_flags.h"
#include "model_flags.h"
#include "server/api/context.h"
#include "server/http_server.h"
#include "server/service.h"

namespace talon {

struct ServeFlags {
  ModelFlags model;
  CompatFlags compat;
  server::HttpServerOptions http;
  server::ServiceOptions service;
  server::ApiContext context;
  std::string config_file;  // read before the flags are: apps/talon/arguments.h
  std::string positional_model;
  std::string speculative_config = "{}";
  std::string tokenizer;
  std::string chat_template;
  std::string template_variables = "{}";
  std::string tool_parser = "auto";
  std::string reasoning_parser = "auto";
  std::string reasoning_field = "reasoning_content";
  std::string cudagraph_mode = "FULL";
  std::optional<uint16_t> port;
  std::optional<uint16_t> server_port;  // --port is ATOM's internal one then
  std::string torch_profiler_dir;
  std::string api_key_file;
  std::string allowed_origins = "[]";
  std::string metrics_compat = "none";
  std::string overflow = "clip";
  std::string generation_config = "auto";
  std::string log_level = "info";
  std::string self_test = "quick";
  std::string coalesce = "on";
  bool no_coalesce = false;
  double read_timeout_s = 30.0;
  double keep_alive_s = 5.0;
  double shutdown_s = 60.0;
  double watchdog_s = 60.0;
  double queue_s = 600.0;
  double stall_s = 30.0;
  double sse_keepalive_s = 0.0;
  int64_t max_delay_ms = 100;
  int64_t header_delay_ms = 5000;
  int64_t grammar_timeout_ms = 2000;
};

void add_serve_flags(CLI::App& app, ServeFlags& flags);

}  // namespace talon
