#include "text/tool_tags.h"

#include <algorithm>

namespace talon::text {
namespace {

constexpr std::string_view kInvoke = "<invoke";
constexpr std::string_view kEndInvoke = "</invoke>";
constexpr size_t kMaxInvokeTag = 1024;

bool is_blank(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; }

bool is_name_byte(char c) {
  return !is_blank(c) && c != '<' && c != '>' && c != '/' && c != '"' && c != kMarkerByte &&
         c != kOpenBlockByte && c != kCloseBlockByte;
}

constexpr size_t kNone = std::string_view::npos;
constexpr size_t kMore = kNone - 1;

// Reads forward; a rule that fails leaves `result`.
class InvokeReader {
 public:
  explicit InvokeReader(std::string_view text) : text_(text.substr(0, kMaxInvokeTag)) {}

  // <invoke name="f"> with either quotes or none; the text begins with "<invoke".
  size_t run(std::string& name) {
    at_ = kInvoke.size();
    const size_t before = at_;
    blank();
    if (at_ < text_.size() && at_ == before) {
      return kNone;
    }
    for (const char c : std::string_view("name=")) {
      if (at_ == text_.size()) {
        return end();
      }
      if (text_[at_++] != c) {
        return kNone;
      }
    }
    if (at_ == text_.size()) {
      return end();
    }
    const char quote = text_[at_] == '"' || text_[at_] == '\'' ? text_[at_] : '\0';
    const size_t start = at_ + (quote == '\0' ? 0 : 1);
    const size_t stop = quote == '\0' ? text_.find('>', start) : text_.find(quote, start);
    if (stop == std::string_view::npos) {
      return end();
    }
    name = text_.substr(start, stop - start);
    at_ = stop + (quote == '\0' ? 0 : 1);
    blank();
    if (at_ == text_.size()) {
      return end();
    }
    const bool is_name = std::none_of(name.begin(), name.end(), [](char c) {
      return c == kMarkerByte || c == kOpenBlockByte || c == kCloseBlockByte || c == '<';
    });
    return text_[at_] == '>' && is_name && !name.empty() ? at_ + 1 : kNone;
  }

 private:
  size_t end() const { return text_.size() == kMaxInvokeTag ? kNone : kMore; }
  void blank() {
    while (at_ < text_.size() && is_blank(text_[at_])) {
      ++at_;
    }
  }

  std::string_view text_;
  size_t at_ = 0;
};

ToolTag named_tag(std::string_view text, bool is_final) {
  const bool closes = text.size() > 1 && text[1] == '/';
  const size_t start = closes ? 2 : 1;
  size_t end = start;
  while (end < text.size() && end - start <= kMaxTagName && is_name_byte(text[end])) {
    ++end;
  }
  if (end == text.size() && end - start <= kMaxTagName) {
    return {is_final ? ToolTagKind::kNone : ToolTagKind::kMore};
  }
  if (end == start || end - start > kMaxTagName || text[end] != '>') {
    return {};
  }
  return {closes ? ToolTagKind::kClose : ToolTagKind::kOpen,
          std::string(text.substr(start, end - start)), end + 1};
}

}  // namespace

ToolTag read_tool_tag(std::string_view text, size_t offset, bool is_final) {
  text = text.substr(std::min(offset, text.size()));
  if (text.empty()) {
    return {is_final ? ToolTagKind::kNone : ToolTagKind::kMore};
  }
  if (text[0] == kOpenBlockByte) {
    return {ToolTagKind::kOpenBlock, {}, 1};
  }
  if (text[0] == kCloseBlockByte) {
    return {ToolTagKind::kCloseBlock, {}, 1};
  }
  if (text[0] != '<') {
    return {};
  }
  if (text.starts_with(kEndInvoke)) {
    return {ToolTagKind::kEndInvoke, {}, kEndInvoke.size()};
  }
  if (text.starts_with(kInvoke) && text.size() > kInvoke.size() && is_blank(text[kInvoke.size()])) {
    std::string name;
    const size_t size = InvokeReader(text).run(name);
    if (size == kMore) {
      return {is_final ? ToolTagKind::kNone : ToolTagKind::kMore};
    }
    return size == kNone ? ToolTag{} : ToolTag{ToolTagKind::kInvoke, std::move(name), size};
  }
  return named_tag(text, is_final);
}

size_t skip_blank(std::string_view text, size_t offset) {
  while (offset < text.size() && is_blank(text[offset])) {
    ++offset;
  }
  return offset;
}

}  // namespace talon::text
