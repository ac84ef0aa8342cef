// Serves a model that is open, and ends as the engine does.
#pragma once

#include <cstdint>
#include <functional>

#include "server/api/context.h"
#include "server/http_server.h"
#include "server/service.h"
#include "stream/local_model.h"

namespace talon {

// Returns when the server has drained; `on_listening` gets the port before the first request is
// taken. Throws Error with the reason if the engine failed: by then every request was told, and no
// other one was taken. `options.on_failure` is set here.
void serve_model(LocalModel& model,
                 const server::ApiContext& context,
                 server::ServiceOptions options,
                 const server::HttpServerOptions& http,
                 const std::function<void(uint16_t port)>& on_listening);

}  // namespace talon
