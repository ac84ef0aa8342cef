#include "server/api/delta_buffer.h"

#include <algorithm>
#include <utility>

namespace talon::server {
namespace {

bool begins_character(char c) { return (static_cast<unsigned char>(c) & 0xC0) != 0x80; }

// Bytes of the first `count` characters.
size_t prefix_bytes(std::string_view text, size_t count) {
  size_t seen = 0;
  for (size_t i = 0; i < text.size(); ++i) {
    if (begins_character(text[i]) && ++seen > count) {
      return i;
    }
  }
  return text.size();
}

}  // namespace

size_t count_characters(std::string_view text) {
  return static_cast<size_t>(std::count_if(text.begin(), text.end(), begins_character));
}

void DeltaBuffer::push(DeltaKind kind, int32_t call_index, std::string_view text) {
  if (text.empty() && kind != DeltaKind::kCall) {
    return;
  }
  const bool extends = !deltas_.empty() && kind != DeltaKind::kCall &&
                       deltas_.back().kind == kind && deltas_.back().call_index == call_index;
  if (!extends) {
    deltas_.push_back({.kind = kind, .call_index = call_index});
  }
  deltas_.back().text += text;
  deltas_.back().num_tokens += std::exchange(num_loose_tokens_, 0);
}

bool DeltaBuffer::is_due(const Delta& last) const {
  if (last.kind == DeltaKind::kCall || (!has_sent_ && deltas_.size() == 1)) {
    return true;
  }
  if (limits_.min_tokens > 0) {
    return last.num_tokens >= limits_.min_tokens;
  }
  return count_characters(last.text) >= limits_.min_chars;
}

std::vector<Delta> DeltaBuffer::take(bool all) {
  std::vector<Delta> out;
  if (deltas_.empty()) {
    return out;
  }
  std::vector<Delta> held;
  if (!all && !is_due(deltas_.back())) {
    held.push_back(std::move(deltas_.back()));
    deltas_.pop_back();
  }
  out.reserve(deltas_.size());
  for (const Delta& delta : deltas_) {
    split(delta, out);
  }
  deltas_ = std::move(held);
  has_sent_ = has_sent_ || !out.empty();
  if (limits_.on_delta) {
    for (const Delta& delta : out) {
      limits_.on_delta(count_characters(delta.text));
    }
  }
  return out;
}

size_t DeltaBuffer::take_loose_tokens() { return std::exchange(num_loose_tokens_, 0); }

void DeltaBuffer::split(const Delta& delta, std::vector<Delta>& out) const {
  std::string_view rest = delta.text;
  size_t num_tokens = delta.num_tokens;
  do {
    const size_t count =
        delta.kind == DeltaKind::kCall ? rest.size() : prefix_bytes(rest, limits_.max_chars);
    out.push_back({.kind = delta.kind,
                   .call_index = delta.call_index,
                   .text = std::string(rest.substr(0, count)),
                   .num_tokens = std::exchange(num_tokens, 0)});
    rest.remove_prefix(count);
  } while (!rest.empty());
}

}  // namespace talon::server
