#include "server/http_post.h"

#include <fmt/format.h>

#include <algorithm>
#include <boost/asio.hpp>
#include <boost/beast/core.hpp>
#include <boost/beast/http.hpp>
#include <charconv>
#include <optional>
#include <utility>

namespace talon::server {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = boost::beast::http;
using SystemError = boost::system::error_code;

constexpr auto kAwait = asio::as_tuple(asio::use_awaitable);
constexpr std::string_view kScheme = "http://";
constexpr uint64_t kMaxAnswerBytes = uint64_t{64} * 1024;

// As each step ends, so that a time-out can tell how far it came.
struct Progress {
  const char* step = "resolve";
  SystemError error{};
  std::optional<int> status{};
};

http::request<http::string_body> message_of(const PostRequest& request) {
  http::request<http::string_body> message{http::verb::post, request.url.path, 11};
  message.set(http::field::host, fmt::format("{}:{}", request.url.host, request.url.port));
  message.set(http::field::content_type, request.content_type);
  message.set(http::field::user_agent, "talon");
  message.set(http::field::connection, "close");
  message.body() = request.body;
  message.prepare_payload();
  return message;
}

// co_await stands alone: see http_connection.h.
asio::awaitable<void> run(const PostRequest& request, Progress& progress) {
  const auto executor = co_await asio::this_coro::executor;
  asio::ip::tcp::resolver resolver(executor);
  auto [resolve_error, places] =
      co_await resolver.async_resolve(request.url.host, std::to_string(request.url.port), kAwait);
  progress.error = resolve_error;
  if (resolve_error) {
    co_return;
  }
  progress.step = "connect";
  beast::tcp_stream stream(executor);
  auto [connect_error, place] = co_await stream.async_connect(places, kAwait);
  progress.error = connect_error;
  if (connect_error) {
    co_return;
  }
  progress.step = "write";
  http::request<http::string_body> message = message_of(request);
  auto [write_error, written] = co_await http::async_write(stream, message, kAwait);
  progress.error = write_error;
  if (write_error) {
    co_return;
  }
  progress.step = "read";
  beast::flat_buffer buffer;
  http::response_parser<http::string_body> parser;
  parser.body_limit(kMaxAnswerBytes);
  auto [read_error, count] = co_await http::async_read(stream, buffer, parser, kAwait);
  progress.error = read_error;
  if (!read_error) {
    progress.status = parser.get().result_int();
  }
}

}  // namespace

Result<HttpUrl> parse_http_url(std::string_view text) {
  if (!text.starts_with(kScheme)) {
    return Failure{"an address that begins with http:// is needed"};
  }
  text.remove_prefix(kScheme.size());
  const size_t end = std::min(text.find_first_of("/?"), text.size());
  const std::string_view authority = text.substr(0, end);
  HttpUrl url;
  url.path = text.substr(end);
  if (!url.path.starts_with('/')) {
    url.path.insert(0, "/");
  }
  // An IPv6 address stands in brackets.
  const size_t bracket = authority.starts_with('[') ? authority.find(']') : 0;
  const size_t colon = bracket == std::string_view::npos ? bracket : authority.find(':', bracket);
  url.host = authority.substr(0, colon);
  if (url.host.starts_with('[') && url.host.ends_with(']')) {
    url.host = url.host.substr(1, url.host.size() - 2);
  }
  const std::string_view port =
      colon == std::string_view::npos ? std::string_view("80") : authority.substr(colon + 1);
  const auto [rest, error] = std::from_chars(port.data(), port.data() + port.size(), url.port);
  const bool has_port = error == std::errc() && rest == port.data() + port.size() && url.port > 0;
  if (url.host.empty() || url.host.find_first_of("@[] ") != std::string::npos || !has_port) {
    return Failure{"host and port are not valid"};
  }
  for (const char c : url.path) {
    if (c <= ' ' || c > '~') {
      return Failure{"the path has characters that must be escaped"};
    }
  }
  return url;
}

Result<int> http_post(const PostRequest& request) {
  asio::io_context context(1);
  Progress progress;
  asio::co_spawn(context, run(request, progress), asio::detached);
  context.run_for(request.timeout);
  if (progress.status.has_value()) {
    return *progress.status;
  }
  return Failure{fmt::format("{}: {}", progress.step,
                             progress.error ? progress.error.message() : "no answer in time")};
}

}  // namespace talon::server
