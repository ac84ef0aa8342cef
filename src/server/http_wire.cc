#include "server/http_wire.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <random>
#include <utility>

#include "base/check.h"

namespace talon::server {
namespace {

constexpr size_t kMaxIdBytes = 128;

constexpr std::array<std::pair<int, std::string_view>, 14> kReasons = {{
    {200, "OK"},
    {204, "No Content"},
    {400, "Bad Request"},
    {401, "Unauthorized"},
    {404, "Not Found"},
    {405, "Method Not Allowed"},
    {408, "Request Timeout"},
    {413, "Content Too Large"},
    {429, "Too Many Requests"},
    {431, "Request Header Fields Too Large"},
    {500, "Internal Server Error"},
    {501, "Not Implemented"},
    {502, "Bad Gateway"},
    {503, "Service Unavailable"},
}};

std::string_view reason_of(int status) {
  const auto* found = std::ranges::find(kReasons, status, [](const auto& r) { return r.first; });
  return found == kReasons.end() ? "" : found->second;
}

bool is_printable(char c) { return c > ' ' && c < '\x7F'; }

}  // namespace

std::string reply_head(const HttpReply& reply,
                       std::string_view request_id,
                       const ReplyFraming& framing) {
  std::string head = fmt::format("HTTP/1.1 {} {}\r\nx-request-id: {}\r\n", reply.status,
                                 reason_of(reply.status), request_id);
  if (!reply.content_type.empty()) {
    head += fmt::format("content-type: {}\r\n", reply.content_type);
  }
  for (const auto& [name, value] : reply.headers) {
    TALON_CHECK(value.find_first_of("\r\n") == std::string::npos, "a line break in {}", name);
    head += fmt::format("{}: {}\r\n", name, value);
  }
  if (framing.is_chunked) {
    head += "transfer-encoding: chunked\r\n";
  } else if (framing.length >= 0) {
    head += fmt::format("content-length: {}\r\n", framing.length);
  }
  head += framing.is_last ? "connection: close\r\n\r\n" : "connection: keep-alive\r\n\r\n";
  return head;
}

std::string chunk(std::string_view bytes) {
  return bytes.empty() ? "" : fmt::format("{:x}\r\n{}\r\n", bytes.size(), bytes);
}

std::string lower_case(std::string_view ascii) {
  std::string out(ascii);
  for (char& c : out) {
    c = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  }
  return out;
}

std::string request_id(std::string_view from_client) {
  if (!from_client.empty() && from_client.size() <= kMaxIdBytes &&
      std::ranges::all_of(from_client, is_printable)) {
    return std::string(from_client);
  }
  static thread_local std::mt19937_64 random(std::random_device{}());
  const uint64_t high = random();
  return fmt::format("{:016x}{:016x}", high, random());
}

ApiError read_timeout_error() {
  return {.status = 408,
          .type = "timeout_error",
          .code = "read_timeout",
          .message = "the request did not arrive in time"};
}

ApiError body_too_large_error(size_t max_bytes) {
  return {.status = 413,
          .code = "body_too_large",
          .message = fmt::format("the body has more than {} bytes", max_bytes)};
}

ApiError header_too_large_error(size_t max_bytes) {
  return {.status = 431,
          .code = "header_too_large",
          .message = fmt::format("the headers have more than {} bytes", max_bytes)};
}

ApiError malformed_http_error(std::string_view what) {
  return {.code = "invalid_http", .message = fmt::format("not HTTP/1.1: {}", what)};
}

}  // namespace talon::server
