#include "serve_model.h"

#include <fmt/format.h>

#include "base/error.h"

namespace talon {

void serve_model(LocalModel& model,
                 const server::ApiContext& context,
                 server::ServiceOptions options,
                 const server::HttpServerOptions& http,
                 const std::function<void(uint16_t port)>& on_listening) {
  server::Service* running = nullptr;
  options.on_failure = [&running] { running->drain(); };
  server::Service service(model, context, options, http);
  running = &service;
  on_listening(service.port());
  service.run();
  if (!service.failure().empty()) {
    throw Error(ErrorCode::kUnavailable, fmt::format("the engine failed: {}", service.failure()));
  }
}

}  // namespace talon
