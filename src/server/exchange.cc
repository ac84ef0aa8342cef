#include "server/exchange.h"

#include <utility>

#include "base/check.h"

namespace talon::server {

void Exchange::reply(HttpReply reply) {
  begin(std::move(reply));
  is_streamed_ = false;
  end();
}

void Exchange::begin(HttpReply head) {
  TALON_CHECK(!has_begun_, "an answer began twice");
  has_begun_ = true;
  is_streamed_ = true;
  head_ = std::move(head);
  const std::string body = std::exchange(head_.body, {});
  write(body);
}

void Exchange::write(std::string_view bytes) {
  TALON_CHECK(has_begun_, "no answer began");
  if (is_over()) {
    return;
  }
  unsent_ += bytes;
  num_written_ += bytes.size();
  // The whole of a short answer goes out with its head.
  if (is_streamed_) {
    ready();
  }
}

void Exchange::end() {
  if (!is_over()) {
    state_ = State::kEnded;
    on_gone_ = nullptr;
    ready();
  }
}

void Exchange::cut() {
  if (!is_over()) {
    state_ = State::kCut;
    on_gone_ = nullptr;
    ready();
  }
}

std::string Exchange::take() {
  num_in_write_ = unsent_.size();
  return std::exchange(unsent_, {});
}

void Exchange::client_left() {
  if (state_ == State::kGone) {
    return;
  }
  state_ = State::kGone;
  unsent_.clear();
  num_in_write_ = 0;
  ready();
  // What it holds may hold this exchange.
  if (const std::function<void()> callback = std::exchange(on_gone_, nullptr)) {
    callback();
  }
}

void Exchange::ready() {
  if (on_ready_) {
    on_ready_();
  }
}

}  // namespace talon::server
