// What an answer of HTTP/1.1 looks like in bytes, and the faults that HTTP itself has. Pure, but
// for request ids that are made.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "server/api/error.h"
#include "server/http_types.h"

namespace talon::server {

struct ReplyFraming {
  int64_t length = -1;      // of the body; -1: it is not known
  bool is_last = false;     // the connection closes after it
  bool is_chunked = false;  // the body comes in chunks
};

// Status line and headers. The values of the reply are the server's own: they hold no line breaks.
std::string reply_head(const HttpReply& reply,
                       std::string_view request_id,
                       const ReplyFraming& framing);

// Nothing for no bytes: an empty chunk is the last.
std::string chunk(std::string_view bytes);
inline constexpr std::string_view kLastChunk = "0\r\n\r\n";

std::string lower_case(std::string_view ascii);

// The client's id if it is 1 to 128 printable characters, else a new one.
std::string request_id(std::string_view from_client);

ApiError read_timeout_error();
ApiError body_too_large_error(size_t max_bytes);
ApiError header_too_large_error(size_t max_bytes);
ApiError malformed_http_error(std::string_view what);

}  // namespace talon::server
