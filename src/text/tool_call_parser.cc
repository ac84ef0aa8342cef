#include "text/tool_call_parser.h"

#include <algorithm>
#include <utility>

namespace talon::text {
namespace {

constexpr std::string_view kTokenBytes("\xFF\xFE\xFD", 3);

using Kind = ToolTagKind;

}  // namespace

ToolCallParser::ToolCallParser(ToolTokens tokens, ToolSchemas schemas)
    : tokens_(std::move(tokens)), schemas_(std::move(schemas)) {}

ToolCallOutput ToolCallParser::push(TokenId id, std::string_view text) {
  const std::pair<TokenId, std::pair<std::string_view, char>> specials[] = {
      {tokens_.marker, {tokens_.marker_text, kMarkerByte}},
      {tokens_.open, {tokens_.open_text, kOpenBlockByte}},
      {tokens_.close, {tokens_.close_text, kCloseBlockByte}}};
  std::string_view tag;
  char special = '\0';
  for (const auto& [token, form] : specials) {
    if (token == id) {
      tag = form.first;
      special = form.second;
      if (text.ends_with(tag)) {
        text.remove_suffix(tag.size());
      }
    }
  }
  if (tokens_.may_be_spelled) {
    held_ += text;
    held_ += tag;
    settle_spelled();
  } else {
    add_text(text);
    input_ += special == '\0' ? std::string_view() : std::string_view(&special, 1);
  }
  while (!input_.empty() && step()) {
  }
  return std::exchange(output_, {});
}

void ToolCallParser::add_text(std::string_view text) {
  for (const char c : text) {
    // These bytes are in no UTF-8; a detokenizer gives none.
    input_ += kTokenBytes.find(c) == std::string_view::npos ? c : '?';
  }
}

// Moves held text to the input, with the bytes of tokens for each marker and the tag of a block
// behind it. What may still become one of them stays.
void ToolCallParser::settle_spelled() {
  const std::string& marker = tokens_.marker_text;
  for (size_t at = held_.find(marker); at != std::string::npos; at = held_.find(marker)) {
    add_text(std::string_view(held_).substr(0, at));
    held_.erase(0, at);
    const std::string_view rest = std::string_view(held_).substr(marker.size());
    const bool opens = rest.starts_with(tokens_.open_text);
    const bool closes = rest.starts_with(tokens_.close_text);
    const bool may_grow = std::string_view(tokens_.open_text).starts_with(rest) ||
                          std::string_view(tokens_.close_text).starts_with(rest);
    if (!opens && !closes && may_grow && !is_final_) {
      return;
    }
    input_ += kMarkerByte;
    size_t num_taken = marker.size();
    if (opens || closes) {
      input_ += opens ? kOpenBlockByte : kCloseBlockByte;
      num_taken += opens ? tokens_.open_text.size() : tokens_.close_text.size();
    }
    held_.erase(0, num_taken);
  }
  size_t length = is_final_ ? 0 : std::min(held_.size(), marker.size() - 1);
  while (!held_.ends_with(std::string_view(marker).substr(0, length))) {
    --length;
  }
  add_text(std::string_view(held_).substr(0, held_.size() - length));
  held_.erase(0, held_.size() - length);
}

ToolCallOutput ToolCallParser::finish() {
  is_final_ = true;
  settle_spelled();
  while (!input_.empty() && step()) {
  }
  is_truncated_ = in_call() || state_ == State::kTail;
  if (state_ == State::kValue) {
    end_value();
  }
  if (is_truncated_) {
    end_call();
  }
  state_ = State::kAfter;
  return std::exchange(output_, {});
}

bool ToolCallParser::step() {
  switch (state_) {
    case State::kContent:
      return step_content();
    case State::kBlock:
      return step_block();
    case State::kInvoke:
      return step_invoke();
    case State::kTail:
      return step_tail();
    case State::kValue:
      return step_value();
    case State::kAfter:
      return step_after();
  }
  return false;
}

bool ToolCallParser::step_content() {
  const size_t plain = std::min(input_.find_first_of(kTokenBytes), input_.size());
  if (plain > 0) {
    output_.content += input_.substr(0, plain);
    take(plain);
    return true;
  }
  const bool marked = input_[0] == kMarkerByte;
  const ToolTag tag = tag_at(marked ? 1 : 0);
  if (tag.kind == Kind::kMore) {
    return false;
  }
  if (marked) {
    const bool opens = tag.kind == Kind::kOpenBlock || tag.kind == Kind::kInvoke;
    state_ = opens ? State::kBlock : state_;
    // A stray marker never shows, nor does the end of a block that was not opened.
    take(tag.kind == Kind::kOpenBlock || tag.kind == Kind::kCloseBlock ? 2 : 1);
    return true;
  }
  if (tag.kind == Kind::kCloseBlock) {
    output_.content += tokens_.close_text;
    take(1);
    return true;
  }
  // Without a marker it opens a block only if a call follows.
  size_t next = skip_blank(input_, 1);
  const bool too_far = next - 1 > kMaxBlankLookahead;
  next += next < input_.size() && input_[next] == kMarkerByte ? 1 : 0;
  const ToolTag after = too_far ? ToolTag{} : tag_at(next);
  if (after.kind == Kind::kMore) {
    return false;
  }
  if (after.kind == Kind::kInvoke) {
    state_ = State::kBlock;
  } else {
    output_.content += tokens_.open_text;
  }
  take(1);
  return true;
}

bool ToolCallParser::step_block() {
  const size_t marker = input_[0] == kMarkerByte ? 1 : 0;
  const ToolTag tag = tag_at(marker);
  if (tag.kind == Kind::kMore) {
    return false;
  }
  if (tag.kind == Kind::kInvoke) {
    take(marker + tag.num_bytes);
    begin_call(tag);
  } else if (tag.kind == Kind::kCloseBlock) {
    take(marker + 1);
    state_ = State::kAfter;
  } else {
    take(1);
  }
  return true;
}

// Drops what is there until a block opens, which a model does not do twice, but may.
bool ToolCallParser::step_after() {
  const size_t plain = std::min(input_.find_first_of(kTokenBytes), input_.size());
  if (plain > 0) {
    take(plain);
    return true;
  }
  if (input_[0] != kMarkerByte) {
    take(1);
    return true;
  }
  const ToolTag tag = tag_at(1);
  if (tag.kind == Kind::kMore) {
    return false;
  }
  const bool opens = tag.kind == Kind::kOpenBlock || tag.kind == Kind::kInvoke;
  state_ = opens ? State::kBlock : state_;
  take(tag.kind == Kind::kOpenBlock ? 2 : 1);
  return true;
}

bool ToolCallParser::step_invoke() {
  const size_t blank = skip_blank(input_, 0);
  if (blank > 0) {
    take(blank);
    return true;
  }
  const size_t marker = input_[0] == kMarkerByte ? 1 : 0;
  const ToolTag tag = tag_at(marker);
  switch (tag.kind) {
    case Kind::kMore:
      return false;
    case Kind::kOpen:
      take(marker + tag.num_bytes);
      begin_value(tag, marker > 0);
      return true;
    case Kind::kEndInvoke:
      take(marker + tag.num_bytes);
      end_call();
      return true;
    case Kind::kInvoke:
    case Kind::kCloseBlock:
      end_call();  // and the block goes on with what is there
      return true;
    case Kind::kClose:
    case Kind::kOpenBlock:
      take(marker + tag.num_bytes);
      return true;
    default:
      break;
  }
  // A marker before nothing is dropped; text ends the list of parameters.
  state_ = marker > 0 ? state_ : State::kTail;
  take(marker);
  return true;
}

bool ToolCallParser::step_tail() {
  const size_t marker = input_[0] == kMarkerByte ? 1 : 0;
  const ToolTag tag = tag_at(marker);
  if (tag.kind == Kind::kMore) {
    return false;
  }
  if (tag.kind == Kind::kEndInvoke) {
    take(marker + tag.num_bytes);
    end_call();
  } else if (tag.kind == Kind::kInvoke || tag.kind == Kind::kCloseBlock) {
    end_call();
  } else {
    take(1);
  }
  return true;
}

void ToolCallParser::take_text(size_t num_bytes) {
  const std::string_view text = std::string_view(input_).substr(0, num_bytes);
  if (is_text_ && !is_dropped_) {
    emit(json_escaped(text));
  } else {
    elements_.back().text += text;
  }
  take(num_bytes);
}

bool ToolCallParser::step_value() {
  const size_t plain = std::min(input_.find_first_of("<\xFF\xFE\xFD"), input_.size());
  if (plain > 0) {
    take_text(plain);
    return true;
  }
  if (input_[0] == kMarkerByte) {
    return step_marked_value();
  }
  if (input_[0] == '<') {
    return step_plain_value();
  }
  if (input_[0] == kCloseBlockByte && !marked_) {
    end_value();
    return true;
  }
  const std::string& text = input_[0] == kOpenBlockByte ? tokens_.open_text : tokens_.close_text;
  input_.replace(0, 1, text);
  take_text(text.size());
  return true;
}

// Whether a tag cannot be inside the present value.
bool ToolCallParser::ends_value(const ToolTag& tag) const {
  switch (tag.kind) {
    case Kind::kEndInvoke:
    case Kind::kInvoke:
    case Kind::kCloseBlock:
      return true;
    case Kind::kClose:
      return tag.name == elements_.front().name;
    case Kind::kOpen:
      // The closing tag is missing if the next parameter begins.
      return is_text_ && tag.name != elements_.front().name &&
             !member_schema(parameters_, tag.name).is_undefined();
    default:
      return false;
  }
}

bool ToolCallParser::step_child(const ToolTag& tag) {
  if (is_text_) {
    return false;
  }
  if (tag.kind == Kind::kOpen && elements_.size() <= kMaxElementDepth) {
    elements_.push_back({.name = tag.name});
    return true;
  }
  const bool is_open = tag.kind == Kind::kClose &&
                       std::any_of(elements_.begin() + 1, elements_.end(),
                                   [&](const auto& open) { return open.name == tag.name; });
  bool closed = false;
  while (is_open && !closed) {
    ArgumentElement child = std::move(elements_.back());
    elements_.pop_back();
    closed = child.name == tag.name;
    elements_.back().children.push_back(std::move(child));
  }
  return is_open;
}

bool ToolCallParser::step_marked_value() {
  const ToolTag tag = tag_at(1);
  if (tag.kind == Kind::kMore) {
    return false;
  }
  const size_t num_bytes = tag.num_bytes + 1;
  if (step_child(tag)) {
    take(num_bytes);
    return true;
  }
  if (ends_value(tag)) {
    take(tag.kind == Kind::kClose ? num_bytes : 0);
    end_value();
    return true;
  }
  take(1);  // what follows is text
  if (tag.num_bytes > 1) {
    take_text(tag.num_bytes);
  }
  return true;
}

// Whether the unmarked closing tag that ends at `offset` is meant as one, in a value whose tag had
// a marker: a tag with a marker that can stand after a parameter must follow.
bool ToolCallParser::closes_unmarked(size_t offset, bool& needs_more) const {
  const size_t next = skip_blank(input_, offset);
  if (next - offset > kMaxBlankLookahead) {
    return false;
  }
  if (next == input_.size()) {
    needs_more = !is_final_;
    return false;
  }
  const ToolTag tag = input_[next] == kMarkerByte ? tag_at(next + 1) : ToolTag{};
  needs_more = tag.kind == Kind::kMore;
  return tag.kind == Kind::kOpen || tag.kind == Kind::kEndInvoke || tag.kind == Kind::kInvoke ||
         tag.kind == Kind::kCloseBlock;
}

bool ToolCallParser::step_plain_value() {
  const ToolTag tag = tag_at(0);
  if (tag.kind == Kind::kMore) {
    return false;
  }
  const bool own_close = tag.kind == Kind::kClose && tag.name == elements_.front().name;
  if (marked_) {
    bool needs_more = false;
    const bool closes = own_close && closes_unmarked(tag.num_bytes, needs_more);
    if (needs_more) {
      return false;
    }
    if (closes) {
      take(tag.num_bytes);
      end_value();
      return true;
    }
    take_text(1);
    return true;
  }
  // Without markers, children are looked for only where the schema expects some, and not in text.
  const JsonTypes types = types_of(member_schema(parameters_, elements_.front().name));
  const std::string& text = elements_.back().text;
  const bool opens_child = tag.kind == Kind::kOpen && (types.object || types.array) &&
                           skip_blank(text, 0) == text.size();
  const bool closes_child =
      tag.kind == Kind::kClose && elements_.size() > 1 && tag.name == elements_.back().name;
  if ((opens_child || closes_child) && step_child(tag)) {
    take(tag.num_bytes);
    return true;
  }
  if (own_close || tag.kind == Kind::kEndInvoke) {
    take(own_close ? tag.num_bytes : 0);
    end_value();
    return true;
  }
  take_text(1);
  return true;
}

void ToolCallParser::begin_call(const ToolTag& tag) {
  output_.calls.push_back({.index = num_calls_, .name = tag.name});
  ++num_calls_;
  parameters_ = schemas_.parameters_of(tag.name);
  seen_.clear();
  state_ = State::kInvoke;
}

void ToolCallParser::end_call() {
  emit(seen_.empty() ? "{}" : "}");
  state_ = State::kBlock;
}

void ToolCallParser::begin_value(const ToolTag& tag, bool marked) {
  marked_ = marked;
  is_dropped_ = seen_.contains(tag.name);
  is_text_ = types_of(member_schema(parameters_, tag.name)).only_string();
  elements_.assign(1, {.name = tag.name});
  state_ = State::kValue;
  if (is_dropped_) {
    return;
  }
  // What this adds is one with the value, so that a call is valid JSON as soon as that is complete.
  emit(seen_.empty() ? "{\"" : ", \"");
  emit(json_escaped(tag.name));
  emit(is_text_ ? "\": \"" : "\": ");
  seen_.insert(tag.name);
}

void ToolCallParser::end_value() {
  while (elements_.size() > 1) {
    ArgumentElement child = std::move(elements_.back());
    elements_.pop_back();
    elements_.back().children.push_back(std::move(child));
  }
  if (!is_dropped_) {
    const ArgumentElement& value = elements_.front();
    emit(is_text_ ? "\"" : argument_json(value, member_schema(parameters_, value.name)));
  }
  state_ = State::kInvoke;
}

void ToolCallParser::emit(std::string_view arguments) {
  if (output_.calls.empty() || output_.calls.back().index != num_calls_ - 1) {
    output_.calls.push_back({.index = num_calls_ - 1});
  }
  output_.calls.back().arguments += arguments;
}

}  // namespace talon::text
