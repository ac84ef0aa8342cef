#include "support/http_client.h"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cctype>
#include <utility>

#include "base/check.h"

namespace talon::test {
namespace {

HttpAnswer parse_head(const std::string& head) {
  HttpAnswer answer;
  answer.status = std::stoi(head.substr(head.find(' ') + 1));
  size_t at = head.find("\r\n") + 2;
  while (at < head.size()) {
    const size_t end = head.find("\r\n", at);
    const size_t colon = head.find(": ", at);
    std::string name = head.substr(at, colon - at);
    for (char& c : name) {
      c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
    }
    answer.headers[name] = head.substr(colon + 2, end - colon - 2);
    at = end + 2;
  }
  return answer;
}

}  // namespace

HttpClient::HttpClient(uint16_t port) : socket_(socket(AF_INET, SOCK_STREAM, 0)) {
  TALON_CHECK(socket_ >= 0, "no socket");
  const timeval timeout{.tv_sec = 60, .tv_usec = 0};
  setsockopt(socket_, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof timeout);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  const int status = connect(socket_, reinterpret_cast<const sockaddr*>(&address), sizeof address);
  TALON_CHECK(status == 0, "port {} does not answer", port);
}

HttpClient::~HttpClient() { close(); }

void HttpClient::close() {
  if (socket_ >= 0) {
    ::close(socket_);
    socket_ = -1;
  }
}

void HttpClient::close_sending() { shutdown(socket_, SHUT_WR); }

void HttpClient::send(std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t count = ::send(socket_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (count <= 0) {
      return;  // the server closed; the answer tells
    }
    bytes.remove_prefix(static_cast<size_t>(count));
  }
}

void HttpClient::send_request(std::string_view method,
                              std::string_view path,
                              std::string_view body,
                              std::string_view more_headers) {
  send(fmt::format("{} {} HTTP/1.1\r\nHost: test\r\nContent-Length: {}\r\n{}\r\n{}", method, path,
                   body.size(), more_headers, body));
}

bool HttpClient::fill() {
  std::array<char, 65536> bytes{};
  const ssize_t count = recv(socket_, bytes.data(), bytes.size(), 0);
  if (count <= 0) {
    return false;
  }
  held_.append(bytes.data(), static_cast<size_t>(count));
  return true;
}

std::string HttpClient::read_some() {
  if (held_.empty()) {
    (void)fill();
  }
  return std::exchange(held_, {});
}

std::optional<HttpAnswer> HttpClient::read_head() {
  size_t end = held_.find("\r\n\r\n");
  while (end == std::string::npos) {
    if (!fill()) {
      return std::nullopt;
    }
    end = held_.find("\r\n\r\n");
  }
  HttpAnswer answer = parse_head(held_.substr(0, end + 2));
  held_.erase(0, end + 4);
  return answer;
}

std::optional<HttpAnswer> HttpClient::read_answer() {
  std::optional<HttpAnswer> answer = read_head();
  if (answer.has_value()) {
    read_body(*answer);
  }
  return answer;
}

void HttpClient::read_body(HttpAnswer& answer) {
  const bool is_chunked = answer.headers["transfer-encoding"] == "chunked";
  const auto has = [this](size_t count) {
    while (held_.size() < count) {
      if (!fill()) {
        return false;
      }
    }
    return true;
  };
  if (!is_chunked) {
    const size_t length = std::stoul("0" + answer.headers["content-length"]);
    answer.is_whole = has(length);
    answer.body = held_.substr(0, length);
    held_.erase(0, answer.body.size());
    return;
  }
  for (;;) {
    size_t line = held_.find("\r\n");
    while (line == std::string::npos) {
      if (!has(held_.size() + 1)) {
        return;
      }
      line = held_.find("\r\n");
    }
    const size_t length = std::stoul(held_.substr(0, line), nullptr, 16);
    if (!has(line + 2 + length + 2)) {
      return;
    }
    answer.body += held_.substr(line + 2, length);
    held_.erase(0, line + 2 + length + 2);
    if (length == 0) {
      answer.is_whole = true;
      return;
    }
  }
}

HttpAnswer http_get(uint16_t port, std::string_view path, std::string_view more_headers) {
  HttpClient client(port);
  client.send_request("GET", path, "", more_headers);
  return client.read_answer().value_or(HttpAnswer{});
}

HttpAnswer http_post(uint16_t port,
                     std::string_view path,
                     std::string_view body,
                     std::string_view more_headers) {
  HttpClient client(port);
  client.send_request("POST", path, body, more_headers);
  return client.read_answer().value_or(HttpAnswer{});
}

}  // namespace talon::test
