// What the flags of `talon serve` mean together.
#pragma once

#include <string>
#include <vector>

#include "engine/config.h"
#include "serve_flags.h"
#include "server/api/context.h"
#include "server/http_server.h"
#include "server/service.h"

namespace talon {

struct ServeSettings {
  EngineConfig engine{};
  server::HttpServerOptions http{};
  server::ServiceOptions service{};
  server::ApiContext context{};      // but for what the model decides
  std::string chat_template_file{};  // empty: the model's own
  std::string tool_parser = "auto";  // or "minimax_m3", "none"
  std::string reasoning_parser = "auto";
  bool model_defaults = true;           // sampling defaults of the model's generation_config.json
  std::vector<std::string> warnings{};  // flags that have no effect
};

// Throws Error that lists every fault.
ServeSettings settle(const ServeFlags& flags);

// What is wrong with a command line that does not parse: all of it.
std::vector<std::string> serve_faults(const std::vector<std::string>& arguments);

}  // namespace talon
