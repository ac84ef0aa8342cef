// A client of HTTP/1.1 over a blocking socket, for tests of the server: sends what it is told, also
// what no proper client would, and reads answers whole or as they come. One thread.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>

namespace talon::test {

struct HttpAnswer {
  int status = 0;
  std::map<std::string, std::string> headers{};  // names in lower case
  std::string body{};                            // chunks joined
  bool is_whole = false;                         // the framing says that nothing is missing
};

class HttpClient {
 public:
  // Connects to the loopback address. Reads give up after a minute.
  explicit HttpClient(uint16_t port);
  ~HttpClient();
  HttpClient(const HttpClient&) = delete;
  HttpClient& operator=(const HttpClient&) = delete;

  void send(std::string_view bytes);
  void send_request(std::string_view method,
                    std::string_view path,
                    std::string_view body = "",
                    std::string_view more_headers = "");  // lines that end in \r\n
  void close_sending();                                   // half of the connection
  void close();

  // The next answer; nullopt if the connection ended before its head.
  std::optional<HttpAnswer> read_answer();
  // The head of the next answer; its body comes by read_some.
  std::optional<HttpAnswer> read_head();
  // Bytes of the connection as they come; empty at its end.
  std::string read_some();

 private:
  bool fill();  // false at the end
  void read_body(HttpAnswer& answer);

  int socket_ = -1;
  std::string held_;
};

// One request on a connection of its own.
HttpAnswer http_get(uint16_t port, std::string_view path, std::string_view more_headers = "");
HttpAnswer http_post(uint16_t port,
                     std::string_view path,
                     std::string_view body,
                     std::string_view more_headers = "");

}  // namespace talon::test
