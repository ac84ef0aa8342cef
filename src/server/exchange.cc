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
  head_.headers.insert(head_.headers.end(), more_headers_.begin(), more_headers_.end());
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
    over(State::kEnded);
  }
}

void Exchange::cut() {
  if (!is_over()) {
    over(State::kCut);
  }
}

std::string Exchange::take() {
  num_in_write_ = unsent_.size();
  return std::exchange(unsent_, {});
}

void Exchange::client_left() {
  const bool was_open = state_ == State::kOpen;
  const std::function<void()> gone = std::exchange(on_gone_, nullptr);
  state_ = State::kGone;
  unsent_.clear();
  num_in_write_ = 0;
  if (was_open && gone) {
    gone();
  }
  over(State::kGone);
}

// The callbacks may hold what holds this exchange: none outlives the end.
void Exchange::over(State state) {
  state_ = state;
  on_gone_ = nullptr;
  for (const std::function<void()>& callback : std::exchange(on_over_, {})) {
    callback();
  }
  ready();
}

void Exchange::ready() {
  if (on_ready_) {
    on_ready_();
  }
}

}  // namespace talon::server
