// A server on a free port, on a thread of its own, until the end of the test: of the embedded pair,
// or of any other model with its tokenizer and template. Header-only.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <thread>
#include <utility>

#include "server/service.h"
#include "stream/chat_tokens.h"
#include "stream/local_model.h"
#include "text/chat_template.h"

namespace talon::test {

inline LocalModel open_embedded_pair(int32_t max_queue_len = 64) {
  EngineConfig config;
  config.model_dir = "models/talon-tiny";
  config.draft_model_dir = "models/talon-tiny-eagle3";
  config.max_model_len = 2048;
  config.max_num_seqs = 4;
  config.max_queue_len = max_queue_len;
  return open_local_model(config);
}

class RunningService {
 public:
  // `prepare` sees the engine before it is served.
  explicit RunningService(server::ServiceOptions options = {},
                          int32_t max_queue_len = 64,
                          const std::function<void(Engine&)>& prepare = nullptr)
      : RunningService(prepared(open_embedded_pair(max_queue_len), prepare), std::move(options)) {}

  explicit RunningService(LocalModel model, server::ServiceOptions options = {})
      : model_(std::move(model)) {
    server::ApiContext context;
    context.model_names = {"tiny", "models/talon-tiny"};
    context.tokenizer = model_.tokenizer.get();
    context.chat_template = &template_;
    context.vocab_size = model_.engine->runner().model().limits().vocab_size;
    context.context_limit = model_.engine->context_limit();
    context.reasoning = find_reasoning_tags(*model_.tokenizer);
    context.tool_tokens = find_tool_tokens(*model_.tokenizer);
    server::HttpServerOptions http;
    http.host = "127.0.0.1";
    http.port = 0;
    options.access_log = false;
    service_ = std::make_unique<server::Service>(model_, context, options, http);
    thread_ = std::jthread([this] { service_->run(); });
  }
  ~RunningService() { service_->drain(); }

  uint16_t port() const { return service_->port(); }
  server::Service& operator*() { return *service_; }

 private:
  static LocalModel prepared(LocalModel model, const std::function<void(Engine&)>& prepare) {
    if (prepare) {
      prepare(*model.engine);
    }
    return model;
  }

  LocalModel model_;
  text::ChatTemplate template_ = text::ChatTemplate::load("models/talon-tiny");
  std::unique_ptr<server::Service> service_;
  std::jthread thread_;
};

}  // namespace talon::test
