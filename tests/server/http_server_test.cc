// The HTTP half of the server over real sockets, with handlers that answer in every way: at once,
// in pieces, late, and never.
#include "server/http_server.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <future>
#include <memory>
#include <string>
#include <thread>

#include "support/http_client.h"

namespace talon::server {
namespace {

using test::http_get;
using test::http_post;
using test::HttpAnswer;
using test::HttpClient;
using testing::HasSubstr;

HttpServerOptions options() {
  HttpServerOptions options;
  options.host = "127.0.0.1";
  options.port = 0;
  options.max_body_bytes = 1000;
  options.max_header_bytes = 2000;
  options.read_timeout = std::chrono::milliseconds(300);
  options.keep_alive_timeout = std::chrono::milliseconds(300);
  return options;
}

// A server on a thread of its own, until the end of the test.
class RunningServer {
 public:
  explicit RunningServer(HttpServer::Handler handler, const HttpServerOptions& with = options())
      : server_(with, std::move(handler)),
        port_(server_.port()),
        thread_([this] { server_.run(); }) {}
  ~RunningServer() {
    server_.post([this] { server_.stop(); });
  }

  uint16_t port() const { return port_; }
  HttpServer& operator*() { return server_; }

 private:
  HttpServer server_;
  uint16_t port_;
  std::jthread thread_;
};

void echo(const std::shared_ptr<Exchange>& exchange) {
  const HttpRequest& request = exchange->request();
  exchange->reply({.body = request.method + " " + request.path + "?" + request.query + " " +
                           request.body + " " + std::string(request.header("x-test"))});
}

TEST(HttpServerTest, AnswersRequestsOnOneConnectionInTurn) {
  RunningServer server(echo);
  HttpClient client(server.port());

  client.send_request("POST", "/a?b=c", "body", "X-Test: yes\r\n");
  client.send_request("GET", "/second");  // sent before the first was answered
  const std::optional<HttpAnswer> first = client.read_answer();
  const std::optional<HttpAnswer> second = client.read_answer();

  ASSERT_TRUE(first.has_value() && second.has_value());
  EXPECT_EQ(first->status, 200);
  EXPECT_EQ(first->body, "POST /a?b=c body yes");
  EXPECT_EQ(first->headers.at("content-type"), "application/json");
  EXPECT_EQ(second->body, "GET /second?  ");
}

TEST(HttpServerTest, RequestIdsAreTheClientsOrMade) {
  RunningServer server(echo);

  const HttpAnswer given = http_get(server.port(), "/", "X-Request-Id: mine-1\r\n");
  const HttpAnswer made = http_get(server.port(), "/");
  const HttpAnswer bad = http_get(server.port(), "/", "X-Request-Id: not printable \t\r\n");

  EXPECT_EQ(given.headers.at("x-request-id"), "mine-1");
  EXPECT_EQ(made.headers.at("x-request-id").size(), 32U);
  EXPECT_NE(made.headers.at("x-request-id"), bad.headers.at("x-request-id"));
  EXPECT_EQ(bad.headers.at("x-request-id").size(), 32U);
}

TEST(HttpServerTest, StreamsInChunksThatEndWithTheLast) {
  RunningServer server([](const std::shared_ptr<Exchange>& exchange) {
    exchange->begin({.content_type = "text/event-stream", .body = "one "});
    exchange->write("two ");
    exchange->write("three");
    exchange->end();
  });

  const HttpAnswer answer = http_get(server.port(), "/");

  EXPECT_EQ(answer.headers.at("transfer-encoding"), "chunked");
  EXPECT_EQ(answer.body, "one two three");
  EXPECT_TRUE(answer.is_whole);
}

TEST(HttpServerTest, ACutStreamNeverLooksWhole) {
  RunningServer server([](const std::shared_ptr<Exchange>& exchange) {
    exchange->begin({.body = "half"});
    exchange->cut();
  });

  const HttpAnswer answer = http_get(server.port(), "/");

  EXPECT_EQ(answer.body, "half");
  EXPECT_FALSE(answer.is_whole);
}

TEST(HttpServerTest, HeadHasNoBody) {
  RunningServer server(echo);
  HttpClient client(server.port());

  client.send_request("HEAD", "/");
  client.send_request("GET", "/next");
  const std::optional<HttpAnswer> head = client.read_head();
  const std::optional<HttpAnswer> next = client.read_answer();

  ASSERT_TRUE(head.has_value() && next.has_value());
  EXPECT_NE(head->headers.at("content-length"), "0");
  EXPECT_EQ(next->body, "GET /next?  ");
}

TEST(HttpServerTest, OldClientsGetAStreamThatEndsWithTheConnection) {
  RunningServer server([](const std::shared_ptr<Exchange>& exchange) {
    exchange->begin({.body = "all"});
    exchange->end();
  });
  HttpClient client(server.port());

  client.send("GET / HTTP/1.0\r\n\r\n");
  const std::optional<HttpAnswer> head = client.read_head();

  ASSERT_TRUE(head.has_value());
  EXPECT_EQ(head->headers.count("transfer-encoding"), 0U);
  EXPECT_EQ(client.read_some(), "all");
  EXPECT_EQ(client.read_some(), "");
}

TEST(HttpServerTest, AClientThatLeavesIsNoticedWhileItWaits) {
  std::promise<void> arrived;
  std::promise<void> left;
  std::shared_ptr<Exchange> kept;
  RunningServer server([&](std::shared_ptr<Exchange> exchange) {
    exchange->on_gone([&] { left.set_value(); });
    kept = std::move(exchange);
    arrived.set_value();
  });
  HttpClient client(server.port());
  client.send_request("POST", "/", "{}");
  arrived.get_future().wait();

  client.close();

  EXPECT_EQ(left.get_future().wait_for(std::chrono::seconds(5)), std::future_status::ready);
}

TEST(HttpServerTest, TooLargeIsRefusedWithItsReason) {
  RunningServer server(echo);

  const HttpAnswer body = http_post(server.port(), "/", std::string(1001, 'x'));
  const HttpAnswer header =
      http_get(server.port(), "/", "X-Big: " + std::string(3000, 'x') + "\r\n");

  EXPECT_EQ(body.status, 413);
  EXPECT_THAT(body.body, HasSubstr("body_too_large"));
  EXPECT_EQ(body.headers.at("connection"), "close");
  EXPECT_EQ(header.status, 431);
  EXPECT_EQ(http_get(server.port(), "/").status, 200);
}

TEST(HttpServerTest, MalformedHttpIsRefused) {
  RunningServer server(echo);
  for (const char* bytes :
       {"NOT HTTP\r\n\r\n", "GET / HTTP/9.9\r\n\r\n", "\x16\x03\x01\x02\r\n\r\n",
        "POST / HTTP/1.1\r\nContent-Length: -1\r\n\r\n",
        "POST / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
        "GET / HTTP/1.1\r\nno colon\r\n\r\n"}) {
    HttpClient client(server.port());
    client.send(bytes);

    const std::optional<HttpAnswer> answer = client.read_answer();

    ASSERT_TRUE(answer.has_value()) << bytes;
    EXPECT_EQ(answer->status, 400) << bytes;
    EXPECT_THAT(answer->body, HasSubstr("invalid_request_error")) << bytes;
  }
}

TEST(HttpServerTest, SlowRequestsEnd) {
  RunningServer server(echo);
  HttpClient dripping(server.port());
  HttpClient silent(server.port());
  HttpClient half(server.port());

  dripping.send("GET / HTTP/1.1\r\nHost: x\r\n");
  half.send("POST / HTTP/1.1\r\nContent-Length: 10\r\n\r\nabc");
  const std::optional<HttpAnswer> slow = dripping.read_answer();
  const std::optional<HttpAnswer> unfinished = half.read_answer();

  ASSERT_TRUE(slow.has_value() && unfinished.has_value());
  EXPECT_EQ(slow->status, 408);
  EXPECT_EQ(unfinished->status, 408);
  EXPECT_THAT(unfinished->body, HasSubstr("read_timeout"));
  EXPECT_EQ(silent.read_some(), "");  // nothing to answer: it is closed
}

TEST(HttpServerTest, ASlowReaderSeesAllAndTheServerSeesHowFarBehindItIs) {
  constexpr size_t kPiece = 100'000;
  std::atomic<size_t> most_unsent{0};
  RunningServer server([&](const std::shared_ptr<Exchange>& exchange) {
    exchange->begin({});
    for (int i = 0; i < 100; ++i) {
      exchange->write(std::string(kPiece, static_cast<char>('a' + i % 26)));
      most_unsent = std::max(most_unsent.load(), exchange->num_unsent_bytes());
    }
    exchange->end();
  });

  const HttpAnswer answer = http_get(server.port(), "/");

  EXPECT_TRUE(answer.is_whole);
  ASSERT_EQ(answer.body.size(), 100 * kPiece);
  EXPECT_EQ(answer.body[99 * kPiece], 'a' + 99 % 26);
  EXPECT_GT(most_unsent.load(), 50 * kPiece);
}

TEST(HttpServerTest, DrainingFinishesWhatRunsAndTakesNothingNew) {
  std::promise<void> arrived;
  std::shared_ptr<Exchange> kept;
  HttpServer server(options(), [&](std::shared_ptr<Exchange> exchange) {
    kept = std::move(exchange);
    arrived.set_value();
  });
  const uint16_t port = server.port();
  std::future<void> running = std::async(std::launch::async, [&] { server.run(); });
  HttpClient idle(port);
  HttpClient client(port);
  client.send_request("GET", "/");
  arrived.get_future().wait();

  server.post([&] { server.drain(); });
  EXPECT_EQ(idle.read_some(), "");
  server.post([&] { std::exchange(kept, nullptr)->reply({.body = "late"}); });

  EXPECT_EQ(client.read_answer()->body, "late");
  EXPECT_EQ(running.wait_for(std::chrono::seconds(5)), std::future_status::ready);
}

TEST(HttpServerTest, ATakenPortIsAClearError) {
  HttpServer first(options(), echo);
  HttpServerOptions same = options();
  same.port = first.port();
  try {
    HttpServer second(same, echo);
    FAIL() << "the port was taken twice";
  } catch (const std::exception& error) {
    EXPECT_THAT(error.what(), HasSubstr(std::to_string(same.port)));
  }
}

}  // namespace
}  // namespace talon::server
