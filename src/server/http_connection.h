// One connection of an HttpServer, over TCP or TLS. Private to http_server.cc: heavy headers.
//
// co_await stands alone in its statement throughout: g++ 12 miscompiles it within conditions and
// beside temporaries.
#pragma once

#include <fmt/format.h>

#include <boost/asio.hpp>
#include <boost/asio/ssl.hpp>
#include <boost/beast/core.hpp>
#include <boost/beast/http.hpp>
#include <chrono>
#include <memory>
#include <string>
#include <utility>

#include "server/api/error.h"
#include "server/exchange.h"
#include "server/http_server.h"
#include "server/http_wire.h"

namespace talon::server {

namespace asio = boost::asio;
namespace beast = boost::beast;

using SystemError = boost::system::error_code;
inline constexpr auto kAwait = asio::as_tuple(asio::use_awaitable);

// What a connection needs of its server.
struct ConnectionHost {
  const HttpServerOptions& options;
  const HttpServer::Handler& handler;
  bool is_draining = false;
};

class AnyConnection {
 public:
  virtual ~AnyConnection() = default;
  virtual void close_if_idle() = 0;
  virtual void cut() = 0;
};

template <class Stream>
class Connection : public AnyConnection {
 public:
  Connection(Stream stream, std::string peer, const ConnectionHost& host)
      : stream_(std::move(stream)),
        deadline_(stream_.get_executor()),
        wake_(stream_.get_executor()),
        peer_(std::move(peer)),
        host_(host) {}

  asio::awaitable<void> run() {
    bool goes_on = co_await handshake();
    while (goes_on) {
      goes_on = co_await serve_one();
    }
    co_await close();
  }

  void close_if_idle() override {
    if (exchange_ == nullptr) {
      cancel();
    }
  }
  void cut() override {
    SystemError ignored;
    socket().close(ignored);
    cancel();
  }

 private:
  using Parser = beast::http::request_parser<beast::http::string_body>;

  auto& socket() { return beast::get_lowest_layer(stream_); }

  void cancel() {
    SystemError ignored;
    socket().cancel(ignored);
    wake_.cancel();
  }

  // Operations that run past the deadline are cancelled.
  void start_deadline(std::chrono::milliseconds timeout) {
    timed_out_ = false;
    deadline_.expires_after(timeout);
    deadline_.async_wait([this, number = std::weak_ptr(deadline_number_)](SystemError error) {
      if (!error && !number.expired()) {
        timed_out_ = true;
        cancel();
      }
    });
  }
  void stop_deadline() {
    deadline_number_ = std::make_shared<int>(0);  // a wait that ended just now is of the past
    deadline_.cancel();
  }

  asio::awaitable<bool> handshake() {
    if constexpr (!std::is_same_v<Stream, asio::ip::tcp::socket>) {
      start_deadline(host_.options.read_timeout);
      auto [error] = co_await stream_.async_handshake(asio::ssl::stream_base::server, kAwait);
      stop_deadline();
      co_return !error;
    }
    co_return true;
  }

  // False if the connection ends here.
  asio::awaitable<bool> serve_one() {
    if (buffer_.size() == 0) {
      const bool has_bytes = co_await wait_for_bytes();
      if (!has_bytes) {
        co_return false;
      }
    }
    Parser parser;
    parser.header_limit(static_cast<uint32_t>(host_.options.max_header_bytes));
    parser.body_limit(host_.options.max_body_bytes);
    start_deadline(host_.options.read_timeout);
    const SystemError error = co_await read(parser);
    stop_deadline();
    if (error) {
      co_await refuse(error);
      co_return false;
    }
    const bool goes_on = co_await answer(parser);
    co_return goes_on;
  }

  asio::awaitable<bool> wait_for_bytes() {
    const auto timeout = is_first_ ? host_.options.read_timeout : host_.options.keep_alive_timeout;
    is_first_ = false;
    if (host_.is_draining) {
      co_return false;
    }
    start_deadline(timeout);
    auto [error, count] = co_await stream_.async_read_some(buffer_.prepare(4096), kAwait);
    stop_deadline();
    buffer_.commit(count);
    co_return !error;
  }

  asio::awaitable<SystemError> read(Parser& parser) {
    auto [error, ignored] =
        co_await beast::http::async_read_header(stream_, buffer_, parser, kAwait);
    if (error) {
      co_return error;
    }
    if (beast::iequals(parser.get()[beast::http::field::expect], "100-continue")) {
      static constexpr std::string_view kContinue = "HTTP/1.1 100 Continue\r\n\r\n";
      auto [write_error, count] = co_await asio::async_write(
          stream_, asio::buffer(kContinue.data(), kContinue.size()), kAwait);
      if (write_error) {
        co_return write_error;
      }
    }
    auto [body_error, count] = co_await beast::http::async_read(stream_, buffer_, parser, kAwait);
    co_return body_error;
  }

  // A fault of HTTP: tells it, if there is somebody to tell.
  asio::awaitable<void> refuse(SystemError error) {
    namespace http = beast::http;
    ApiError fault;
    if (timed_out_) {
      fault = read_timeout_error();
    } else if (error == http::error::body_limit) {
      fault = body_too_large_error(host_.options.max_body_bytes);
    } else if (error == http::error::header_limit || error == http::error::buffer_overflow) {
      fault = header_too_large_error(host_.options.max_header_bytes);
    } else if (error.category() == make_error_code(http::error::bad_method).category() &&
               error != http::error::end_of_stream && error != http::error::partial_message) {
      fault = malformed_http_error(error.message());
    } else {
      co_return;  // the client is gone
    }
    HttpReply reply{.status = fault.status, .body = error_body(fault)};
    const ReplyFraming framing{.length = std::ssize(reply.body), .is_last = true};
    const std::string out = reply_head(reply, request_id(""), framing) + reply.body;
    co_await write(out);
  }

  // Hands the request to the handler and writes until the answer is over.
  asio::awaitable<bool> answer(Parser& parser) {
    const ReplyFraming framing{.is_last = !parser.get().keep_alive() || host_.is_draining,
                               .is_chunked = parser.get().version() >= 11};
    exchange_ = std::make_shared<Exchange>(to_request(parser));
    exchange_->on_ready([this] { wake_.cancel(); });
    asio::co_spawn(stream_.get_executor(), watch(), asio::detached);
    host_.handler(exchange_);
    const bool is_whole = co_await write_answer(framing);
    if (!is_whole) {
      exchange_->client_left();
    }
    exchange_->on_ready(nullptr);
    exchange_.reset();
    while (is_watching_) {
      SystemError ignored;
      socket().cancel(ignored);
      co_await sleep();
    }
    co_return is_whole && !closes_ && !host_.is_draining;
  }

  // Sees a client leave while its answer is made. Bytes that come are the next request's.
  asio::awaitable<void> watch() {
    is_watching_ = true;
    auto [error, count] = co_await stream_.async_read_some(buffer_.prepare(4096), kAwait);
    buffer_.commit(count);
    is_watching_ = false;
    if (error && error != asio::error::operation_aborted && exchange_ != nullptr) {
      exchange_->client_left();
    }
    wake_.cancel();
  }

  // False if the answer did not reach the client whole.
  asio::awaitable<bool> write_answer(ReplyFraming framing) {
    Exchange& exchange = *exchange_;
    while (!exchange.has_begun() && !exchange.is_gone()) {
      co_await sleep();
    }
    bool is_first = true;
    while (!exchange.is_gone()) {
      const bool is_last = exchange.is_over();
      const std::string bytes = exchange.take();
      if (is_first || is_last || !bytes.empty()) {
        const std::string out = frame(bytes, framing, is_first, is_last);
        const bool is_written = co_await write(out);
        if (!is_written) {
          co_return false;
        }
        exchange.written();
        is_first = false;
      }
      if (is_last) {
        co_return !exchange.is_cut();
      }
      if (exchange.num_unsent_bytes() == 0 && !exchange.is_over()) {
        co_await sleep();
      }
    }
    co_return false;
  }

  std::string frame(const std::string& bytes, ReplyFraming framing, bool is_first, bool is_last) {
    const Exchange& exchange = *exchange_;
    std::string out;
    framing.is_chunked = exchange.is_streamed() && framing.is_chunked;
    if (is_first) {
      framing.length = exchange.is_streamed() ? -1 : std::ssize(bytes);
      // Without chunks only the end of the connection tells where a stream ends.
      framing.is_last = framing.is_last || (exchange.is_streamed() && !framing.is_chunked);
      closes_ = framing.is_last;
      out = reply_head(exchange.head(), exchange.request().id, framing);
    }
    if (exchange.request().method == "HEAD") {
      return out;
    }
    out += framing.is_chunked ? chunk(bytes) : bytes;
    if (framing.is_chunked && is_last && !exchange.is_cut()) {
      out += kLastChunk;
    }
    return out;
  }

  // Until somebody wakes the connection.
  asio::awaitable<void> sleep() {
    wake_.expires_at(std::chrono::steady_clock::time_point::max());
    co_await wake_.async_wait(kAwait);
  }

  asio::awaitable<bool> write(const std::string& bytes) {
    start_deadline(host_.options.write_timeout);
    auto [error, count] = co_await asio::async_write(stream_, asio::buffer(bytes), kAwait);
    stop_deadline();
    co_return !error;
  }

  HttpRequest to_request(Parser& parser) const {
    auto& message = parser.get();
    HttpRequest request;
    request.method = message.method_string();
    const std::string_view target(message.target().data(), message.target().size());
    const size_t question = target.find('?');
    request.path = target.substr(0, question);
    request.query = question == std::string_view::npos ? "" : target.substr(question + 1);
    for (const auto& field : message) {
      request.headers.emplace_back(
          lower_case({field.name_string().data(), field.name_string().size()}),
          std::string(field.value()));
    }
    request.body = std::move(message.body());
    request.peer = peer_;
    request.id = request_id(request.header("x-request-id"));
    return request;
  }

  // The client may still be sending: what it sends is read for a moment, or it would never see the
  // answer for the reset.
  asio::awaitable<void> close() {
    if constexpr (!std::is_same_v<Stream, asio::ip::tcp::socket>) {
      start_deadline(kLinger);
      co_await stream_.async_shutdown(kAwait);
      stop_deadline();
    }
    SystemError error;
    socket().shutdown(asio::ip::tcp::socket::shutdown_send, error);
    start_deadline(kLinger);
    std::array<char, 4096> sink{};
    while (!error && !timed_out_) {
      size_t count = 0;
      std::tie(error, count) = co_await socket().async_read_some(asio::buffer(sink), kAwait);
    }
    stop_deadline();
    socket().close(error);
  }

  static constexpr std::chrono::milliseconds kLinger{1000};

  Stream stream_;
  asio::steady_timer deadline_;
  asio::steady_timer wake_;
  std::shared_ptr<int> deadline_number_ = std::make_shared<int>(0);  // a new one each deadline
  std::string peer_;
  const ConnectionHost& host_;
  beast::flat_buffer buffer_;
  std::shared_ptr<Exchange> exchange_;  // while a request is answered
  bool is_first_ = true;
  bool closes_ = false;  // the present answer is the connection's last
  bool is_watching_ = false;
  bool timed_out_ = false;
};

}  // namespace talon::server
