// A server that keeps the bodies it gets, on a free port: what a collector of traces looks like to
// a client. Header-only.
#pragma once

#include <fmt/format.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "server/http_server.h"

namespace talon::test {

class HttpSink {
 public:
  // Answers with this status; 0: never.
  explicit HttpSink(int status = 200)
      : status_(status),
        server_({.host = "127.0.0.1", .port = 0},
                [this](const std::shared_ptr<server::Exchange>& exchange) { take(exchange); }),
        thread_([this] { server_.run(); }) {}
  ~HttpSink() {
    server_.post([this] {
      for (const std::shared_ptr<server::Exchange>& exchange : kept_) {
        exchange->client_left();  // or its connection would wait for the answer
      }
      server_.stop();
    });
  }

  uint16_t port() const { return server_.port(); }
  std::string address() const { return fmt::format("http://127.0.0.1:{}", port()); }

  std::vector<std::string> bodies() const {
    const std::lock_guard lock(mutex_);
    return bodies_;
  }
  std::string last_path() const {
    const std::lock_guard lock(mutex_);
    return path_;
  }

 private:
  void take(const std::shared_ptr<server::Exchange>& exchange) {
    {
      const std::lock_guard lock(mutex_);
      path_ = exchange->request().path;
      bodies_.push_back(exchange->take_body());
    }
    if (status_ == 0) {
      kept_.push_back(exchange);
    } else {
      exchange->reply({.status = status_, .body = "{}"});
    }
  }

  int status_;
  mutable std::mutex mutex_;  // the test reads what the server's thread writes
  std::vector<std::string> bodies_;
  std::string path_;
  std::vector<std::shared_ptr<server::Exchange>> kept_;  // never answered
  server::HttpServer server_;
  std::jthread thread_;
};

}  // namespace talon::test
