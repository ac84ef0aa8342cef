#include "text/stop_scanner.h"

#include <deque>

#include "base/check.h"

namespace talon::text {

StopScanner::StopScanner(const std::vector<std::string>& stops, bool include_stop)
    : nodes_(1), include_stop_(include_stop) {
  for (const std::string& stop : stops) {
    TALON_CHECK(!stop.empty(), "an empty stop string");
    insert(stop, static_cast<int32_t>(stop_bytes_.size()));
    stop_bytes_.push_back(static_cast<int64_t>(stop.size()));
  }
  link();
}

void StopScanner::insert(std::string_view stop, int32_t stop_index) {
  int32_t node = 0;
  for (const char byte : stop) {
    int32_t next = child(node, byte);
    if (next < 0) {
      next = static_cast<int32_t>(nodes_.size());
      const int32_t depth = nodes_[static_cast<size_t>(node)].depth + 1;
      nodes_.emplace_back();
      nodes_.back().depth = depth;
      nodes_[static_cast<size_t>(node)].children.emplace_back(byte, next);
    }
    node = next;
  }
  int32_t& owner = nodes_[static_cast<size_t>(node)].stop;
  if (owner < 0) {
    owner = stop_index;
  }
}

// Breadth first, so that the node of the fail link, which is shallower, is complete when it is
// read.
void StopScanner::link() {
  std::deque<int32_t> queue = {0};
  while (!queue.empty()) {
    const int32_t parent = queue.front();
    queue.pop_front();
    for (const auto& [byte, index] : nodes_[static_cast<size_t>(parent)].children) {
      Node& node = nodes_[static_cast<size_t>(index)];
      node.fail = parent == 0 ? 0 : step(nodes_[static_cast<size_t>(parent)].fail, byte);
      const Node& suffix = nodes_[static_cast<size_t>(node.fail)];
      if (node.stop < 0) {
        node.stop = suffix.stop;
      }
      node.live_bytes = node.children.empty() ? suffix.live_bytes : node.depth;
      queue.push_back(index);
    }
  }
}

int32_t StopScanner::child(int32_t node, char byte) const {
  for (const auto& [label, index] : nodes_[static_cast<size_t>(node)].children) {
    if (label == byte) {
      return index;
    }
  }
  return -1;
}

int32_t StopScanner::step(int32_t node, char byte) const {
  while (true) {
    const int32_t next = child(node, byte);
    if (next >= 0) {
      return next;
    }
    if (node == 0) {
      return 0;
    }
    node = nodes_[static_cast<size_t>(node)].fail;
  }
}

std::string StopScanner::push(std::string_view piece, bool may_stop) {
  if (match_) {
    return {};
  }
  for (size_t i = 0; i < piece.size(); ++i) {
    state_ = step(state_, piece[i]);
    if (may_stop && nodes_[static_cast<size_t>(state_)].stop >= 0) {
      held_ += piece.substr(0, i + 1);
      return cut_at_match();
    }
  }
  held_ += piece;
  const auto num_live = static_cast<size_t>(nodes_[static_cast<size_t>(state_)].live_bytes);
  std::string shown = held_.substr(0, held_.size() - num_live);
  held_.erase(0, shown.size());
  num_shown_ += static_cast<int64_t>(shown.size());
  return shown;
}

// The text not shown yet ends with the match.
std::string StopScanner::cut_at_match() {
  const int32_t stop = nodes_[static_cast<size_t>(state_)].stop;
  const int64_t end = num_shown_ + static_cast<int64_t>(held_.size());
  const int64_t begin = end - stop_bytes_[static_cast<size_t>(stop)];
  TALON_CHECK(begin >= num_shown_, "a match at {} starts in shown text", begin);
  match_ = StopMatch{static_cast<size_t>(stop), begin, end};
  std::string shown = held_.substr(0, static_cast<size_t>(cut() - num_shown_));
  held_.clear();
  num_shown_ = cut();
  return shown;
}

std::string StopScanner::finish() {
  std::string shown = std::move(held_);
  held_.clear();
  num_shown_ += static_cast<int64_t>(shown.size());
  state_ = 0;
  return shown;
}

int64_t StopScanner::cut() const {
  TALON_CHECK(match_.has_value(), "no match");
  return include_stop_ ? match_->end : match_->begin;
}

}  // namespace talon::text
