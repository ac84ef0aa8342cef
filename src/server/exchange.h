// One request and its answer, between a handler and a connection. On the io thread only.
//
// The handler answers once: with `reply`, or with `begin`, any number of `write`, and `end` or
// `cut`. It may do so long after it was called and keeps the exchange until then. What it writes is
// held until the connection took it: `num_unsent_bytes` tells how far the client is behind. When
// the client leaves before the end, `on_gone` is called once, and what is written afterwards is
// dropped.
#pragma once

#include <chrono>
#include <cstddef>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "server/http_types.h"

namespace talon::server {

class Exchange {
 public:
  explicit Exchange(HttpRequest request) : request_(std::move(request)) {}

  const HttpRequest& request() const { return request_; }
  // The body of a request may state its id.
  void rename(std::string id) { request_.id = std::move(id); }
  // Moves the body out, so that it is not kept while the answer runs.
  std::string take_body() { return std::move(request_.body); }

  void reply(HttpReply reply);

  void begin(HttpReply head);  // its body is the first that is sent
  void write(std::string_view bytes);
  void end();
  // Ends a begun answer so that it does not look complete: the connection closes.
  void cut();

  bool has_begun() const { return has_begun_; }
  bool is_over() const { return state_ != State::kOpen; }
  bool is_gone() const { return state_ == State::kGone; }
  int status() const { return head_.status; }  // once begun
  size_t num_unsent_bytes() const { return unsent_.size() + num_in_write_; }
  size_t num_written_bytes() const { return num_written_; }  // of the body, by the handler

  void on_gone(std::function<void()> callback) { on_gone_ = std::move(callback); }
  // Called once when the answer has ended, whichever way, after `on_gone`. There may be several,
  // called in their order.
  void on_over(std::function<void()> callback) { on_over_.push_back(std::move(callback)); }
  // Headers that the answer gets besides its own.
  void add_headers(const HttpHeaders& headers) {
    more_headers_.insert(more_headers_.end(), headers.begin(), headers.end());
  }

  // The connection's side -----------------------------------------------------------------------

  // Called whenever there is something to do for the connection.
  void on_ready(std::function<void()> callback) { on_ready_ = std::move(callback); }
  const HttpReply& head() const { return head_; }
  bool is_streamed() const { return is_streamed_; }
  bool is_cut() const { return state_ == State::kCut; }
  // Bytes to write now; they count as unsent until `written`.
  std::string take();
  void written() { num_in_write_ = 0; }
  void client_left();

 private:
  enum class State { kOpen, kEnded, kCut, kGone };

  void over(State state);
  void ready();

  HttpRequest request_;
  HttpReply head_;
  std::string unsent_;
  size_t num_in_write_ = 0;
  size_t num_written_ = 0;
  bool has_begun_ = false;
  bool is_streamed_ = false;
  State state_ = State::kOpen;
  HttpHeaders more_headers_;
  std::function<void()> on_gone_;
  std::vector<std::function<void()>> on_over_;
  std::function<void()> on_ready_;
};

}  // namespace talon::server
