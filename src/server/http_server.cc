#include "server/http_server.h"

#include <fmt/format.h>

#include <list>
#include <utility>

#include "base/error.h"
#include "base/log.h"
#include "server/http_connection.h"

namespace talon::server {
namespace {

using asio::ip::tcp;
using TlsStream = asio::ssl::stream<tcp::socket>;

// After an error of accept (no file descriptor is left, say) the next try waits.
constexpr std::chrono::milliseconds kAcceptPause(50);

tcp::endpoint resolve(asio::io_context& io, const HttpServerOptions& options) {
  SystemError error;
  const auto found = tcp::resolver(io).resolve(options.host, std::to_string(options.port),
                                               tcp::resolver::passive, error);
  if (error || found.empty()) {
    throw Error(ErrorCode::kInvalidArgument,
                fmt::format("--host {}: {}", options.host, error.message()));
  }
  return found.begin()->endpoint();
}

[[noreturn]] void fail_tls(const char* flag, const std::string& file, const SystemError& error) {
  throw Error(ErrorCode::kInvalidArgument, fmt::format("{} {}: {}", flag, file, error.message()));
}

std::unique_ptr<asio::ssl::context> tls_context(const HttpServerOptions& options) {
  if (options.tls_cert.empty() != options.tls_key.empty()) {
    throw Error(ErrorCode::kInvalidArgument,
                "--tls-cert and --tls-key belong together: one is missing");
  }
  if (options.tls_cert.empty()) {
    return nullptr;
  }
  auto context = std::make_unique<asio::ssl::context>(asio::ssl::context::tls_server);
  context->set_options(asio::ssl::context::no_tlsv1 | asio::ssl::context::no_tlsv1_1);
  SystemError error;
  if (context->use_certificate_chain_file(options.tls_cert, error)) {
    fail_tls("--tls-cert", options.tls_cert, error);
  }
  if (context->use_private_key_file(options.tls_key, asio::ssl::context::pem, error)) {
    fail_tls("--tls-key", options.tls_key, error);
  }
  if (!options.tls_ca.empty()) {
    if (context->load_verify_file(options.tls_ca, error)) {
      fail_tls("--tls-ca", options.tls_ca, error);
    }
    context->set_verify_mode(asio::ssl::verify_peer | asio::ssl::verify_fail_if_no_peer_cert);
  }
  return context;
}

}  // namespace

struct HttpServer::State {
  State(HttpServerOptions given, Handler given_handler)
      : options(std::move(given)),
        handler(std::move(given_handler)),
        host{.options = options, .handler = handler},
        tls(tls_context(options)),
        acceptor(io),
        signals(io) {}

  void listen();
  asio::awaitable<void> accept();
  asio::awaitable<void> serve(tcp::socket socket);
  template <class Stream>
  asio::awaitable<void> run_connection(Stream stream, std::string peer);
  asio::awaitable<void> repeat(std::chrono::milliseconds period, std::function<void()> task);
  void wait_for_signal();
  void finish_if_drained();

  HttpServerOptions options;
  Handler handler;
  ConnectionHost host;
  asio::io_context io{1};
  std::unique_ptr<asio::ssl::context> tls;  // absent: plain TCP
  tcp::acceptor acceptor;
  asio::signal_set signals;
  std::function<void()> signal_task;
  std::list<AnyConnection*> connections;  // each is on the frame of its coroutine
};

void HttpServer::State::listen() {
  const tcp::endpoint endpoint = resolve(io, options);
  SystemError error;
  acceptor.open(endpoint.protocol());
  acceptor.set_option(tcp::acceptor::reuse_address(true));
  if (acceptor.bind(endpoint, error) ||
      acceptor.listen(asio::socket_base::max_listen_connections, error)) {
    throw Error(ErrorCode::kUnavailable,
                fmt::format("{}:{}: {}", options.host, options.port, error.message()));
  }
}

asio::awaitable<void> HttpServer::State::accept() {
  while (acceptor.is_open()) {
    auto [error, socket] = co_await acceptor.async_accept(kAwait);
    if (!error) {
      asio::co_spawn(io, serve(std::move(socket)), asio::detached);
    } else if (error != asio::error::operation_aborted) {
      log(LogLevel::kWarn, "server", "accept=\"{}\"", error.message());
      asio::steady_timer pause(io, kAcceptPause);
      co_await pause.async_wait(kAwait);
    }
  }
}

asio::awaitable<void> HttpServer::State::serve(tcp::socket socket) {
  SystemError error;
  const tcp::endpoint remote = socket.remote_endpoint(error);
  if (error || connections.size() >= options.max_connections) {
    co_return;
  }
  error = socket.set_option(tcp::no_delay(true), error);
  std::string peer = remote.address().to_string();
  if (tls == nullptr) {
    co_await run_connection(std::move(socket), std::move(peer));
  } else {
    TlsStream stream(std::move(socket), *tls);
    co_await run_connection(std::move(stream), std::move(peer));
  }
}

template <class Stream>
asio::awaitable<void> HttpServer::State::run_connection(Stream stream, std::string peer) {
  Connection<Stream> connection(std::move(stream), std::move(peer), host);
  const auto place = connections.insert(connections.end(), &connection);
  co_await connection.run();
  connections.erase(place);
  finish_if_drained();
}

asio::awaitable<void> HttpServer::State::repeat(std::chrono::milliseconds period,
                                                std::function<void()> task) {
  asio::steady_timer timer(io);
  for (;;) {
    timer.expires_after(period);
    co_await timer.async_wait(kAwait);
    task();
  }
}

void HttpServer::State::wait_for_signal() {
  signals.async_wait([this](SystemError error, int) {
    if (!error) {
      signal_task();
      wait_for_signal();
    }
  });
}

void HttpServer::State::finish_if_drained() {
  if (host.is_draining && connections.empty()) {
    io.stop();
  }
}

HttpServer::HttpServer(const HttpServerOptions& options, Handler handler)
    : state_(std::make_unique<State>(options, std::move(handler))) {
  state_->listen();
  asio::co_spawn(state_->io, state_->accept(), asio::detached);
}

HttpServer::~HttpServer() = default;

uint16_t HttpServer::port() const { return state_->acceptor.local_endpoint().port(); }

void HttpServer::run() { state_->io.run(); }

void HttpServer::post(std::function<void()> task) { asio::post(state_->io, std::move(task)); }

void HttpServer::every(std::chrono::milliseconds period, std::function<void()> task) {
  asio::co_spawn(state_->io, state_->repeat(period, std::move(task)), asio::detached);
}

void HttpServer::on_signal(std::function<void()> task) {
  state_->signal_task = std::move(task);
  state_->signals.add(SIGINT);
  state_->signals.add(SIGTERM);
  state_->wait_for_signal();
}

void HttpServer::drain() {
  state_->host.is_draining = true;
  SystemError ignored;
  ignored = state_->acceptor.close(ignored);
  for (AnyConnection* connection : state_->connections) {
    connection->close_if_idle();
  }
  state_->finish_if_drained();
}

bool HttpServer::is_draining() const { return state_->host.is_draining; }

void HttpServer::stop() {
  state_->host.is_draining = true;
  SystemError ignored;
  ignored = state_->acceptor.close(ignored);
  for (AnyConnection* connection : state_->connections) {
    connection->cut();
  }
  state_->finish_if_drained();
}

size_t HttpServer::num_connections() const { return state_->connections.size(); }

}  // namespace talon::server
