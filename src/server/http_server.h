// HTTP/1.1 on a TCP port, with or without TLS: reads requests within limits, hands each to the
// handler as an Exchange, and writes what the handler answers. Faults of HTTP itself (too large,
// too slow, malformed) are answered here, in the API's error shape.
//
// The thread that calls `run` is the io thread: handlers, tasks and exchanges live on it, and none
// may block it. A connection serves one request after another; what a client sends ahead waits. A
// client that closes its side counts as gone.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "server/exchange.h"

namespace talon::server {

struct HttpServerOptions {
  std::string host = "0.0.0.0";
  uint16_t port = 8000;  // 0: one that is free
  size_t max_header_bytes = size_t{64} * 1024;
  size_t max_body_bytes = size_t{64} * 1024 * 1024;
  size_t max_connections = 8192;                        // further ones get 503
  std::chrono::milliseconds read_timeout{30'000};       // of a whole request
  std::chrono::milliseconds keep_alive_timeout{5'000};  // between two requests
  std::chrono::milliseconds write_timeout{30'000};      // without progress
  // TLS 1.2 and newer, if both are given (PEM files).
  std::string tls_cert{};
  std::string tls_key{};
  std::string tls_ca{};  // clients need a certificate signed by it
};

class HttpServer {
 public:
  using Handler = std::function<void(std::shared_ptr<Exchange>)>;

  // Binds the port. Throws Error naming the address or file.
  HttpServer(const HttpServerOptions& options, Handler handler);
  ~HttpServer();
  HttpServer(const HttpServer&) = delete;
  HttpServer& operator=(const HttpServer&) = delete;

  uint16_t port() const;

  // Serves until `stop`, or until `drain` and the last connection's end.
  void run();

  // From any thread: runs the task on the io thread, in the order of posting.
  void post(std::function<void()> task);

  // On the io thread, or before `run`:
  void every(std::chrono::milliseconds period, std::function<void()> task);
  void on_signal(std::function<void()> task);  // SIGINT and SIGTERM, each time
  // No new connections; each closes when its request is answered, at once if it has none.
  void drain();
  bool is_draining() const;
  // Cuts all connections.
  void stop();
  size_t num_connections() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace talon::server
