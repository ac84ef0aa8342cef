#include "text/pattern.h"

#ifndef PCRE2_CODE_UNIT_WIDTH
#define PCRE2_CODE_UNIT_WIDTH 8
#endif
#include <fmt/format.h>
#include <pcre2.h>

#include <algorithm>
#include <array>
#include <cstdint>

#include "base/check.h"
#include "base/result.h"
#include "base/utf8.h"

namespace talon::text {
namespace {

// Steps back that one match may take: a legitimate pattern goes back over the run it is in a few
// times. A million is a few milliseconds.
constexpr uint64_t kMatchLimitBase = 1'000'000;
constexpr uint64_t kMatchLimitPerByte = 8;
constexpr uint64_t kMaxMatchLimit = 1'000'000'000;
// Bounds of the interpreter, which is used where the JIT gets no executable memory.
constexpr uint32_t kDepthLimit = 10'000;
constexpr uint32_t kHeapLimitKib = 65'536;
constexpr size_t kJitStackBytes = 16 << 20;
constexpr uint32_t kMaxParentheses = 64;

constexpr uint32_t kCompileOptions =
    PCRE2_UTF | PCRE2_UCP | PCRE2_MULTILINE | PCRE2_NEVER_BACKSLASH_C | PCRE2_NO_UTF_CHECK;

std::string pcre2_message(int code) {
  std::array<PCRE2_UCHAR, 256> buffer{};
  pcre2_get_error_message(code, buffer.data(), buffer.size());
  return reinterpret_cast<const char*>(buffer.data());
}

PCRE2_SPTR units(std::string_view text) { return reinterpret_cast<PCRE2_SPTR>(text.data()); }

struct CompileContextDeleter {
  void operator()(pcre2_compile_context* context) const { pcre2_compile_context_free(context); }
};
struct MatchContextDeleter {
  void operator()(pcre2_match_context* context) const { pcre2_match_context_free(context); }
};
struct JitStackDeleter {
  void operator()(pcre2_jit_stack* stack) const { pcre2_jit_stack_free(stack); }
};
struct MatchDataDeleter {
  void operator()(pcre2_match_data* data) const { pcre2_match_data_free(data); }
};

}  // namespace

struct Pattern::Code {
  explicit Code(pcre2_code* code) : compiled(code) {}
  ~Code() { pcre2_code_free(compiled); }
  Code(const Code&) = delete;
  Code& operator=(const Code&) = delete;

  pcre2_code* compiled;
};

struct MatchScratch::Data {
  void limit_for(size_t num_bytes) const {
    const uint64_t limit = kMatchLimitBase + kMatchLimitPerByte * num_bytes;
    pcre2_set_match_limit(context.get(), static_cast<uint32_t>(std::min(limit, kMaxMatchLimit)));
  }

  // Compiled code starts with 32 KiB of the thread's stack, which repeated groups may use up. Gives
  // it more; false if it has had that already.
  bool add_jit_stack() {
    if (jit_stack) {
      return false;
    }
    jit_stack.reset(pcre2_jit_stack_create(kJitStackBytes / 64, kJitStackBytes, nullptr));
    pcre2_jit_stack_assign(context.get(), nullptr, jit_stack.get());
    return jit_stack != nullptr;
  }

  // One search from `offset` on. A negative result is PCRE2's error or PCRE2_ERROR_NOMATCH.
  int search(const pcre2_code* code, std::string_view text, size_t offset) {
    int count = 0;
    do {
      count = pcre2_match(code, units(text), text.size(), offset, PCRE2_NO_UTF_CHECK, match.get(),
                          context.get());
    } while (count == PCRE2_ERROR_JIT_STACKLIMIT && add_jit_stack());
    return count;
  }

  std::unique_ptr<pcre2_match_context, MatchContextDeleter> context;
  std::unique_ptr<pcre2_match_data, MatchDataDeleter> match;
  std::unique_ptr<pcre2_jit_stack, JitStackDeleter> jit_stack;
};

MatchScratch::MatchScratch() : data_(std::make_unique<Data>()) {
  data_->context.reset(pcre2_match_context_create(nullptr));
  data_->match.reset(pcre2_match_data_create(1, nullptr));
  TALON_CHECK(data_->context != nullptr, "no memory for a match context");
  TALON_CHECK(data_->match != nullptr, "no memory for match data");
  pcre2_set_depth_limit(data_->context.get(), kDepthLimit);
  pcre2_set_heap_limit(data_->context.get(), kHeapLimitKib);
}

MatchScratch::~MatchScratch() = default;

Pattern::Pattern(std::unique_ptr<const Code> code) : code_(std::move(code)) {}
Pattern::~Pattern() = default;
Pattern::Pattern(Pattern&&) noexcept = default;
Pattern& Pattern::operator=(Pattern&&) noexcept = default;

Result<Pattern> Pattern::compile(std::string_view expression) {
  Result<std::string> translated = translate(expression);
  if (!translated.ok()) {
    return Failure{translated.message()};
  }
  const std::string& source = translated.value();
  const std::unique_ptr<pcre2_compile_context, CompileContextDeleter> context(
      pcre2_compile_context_create(nullptr));
  TALON_CHECK(context != nullptr, "no memory for a compile context");
  pcre2_set_newline(context.get(), PCRE2_NEWLINE_LF);
  pcre2_set_parens_nest_limit(context.get(), kMaxParentheses);
  int error = 0;
  PCRE2_SIZE offset = 0;
  pcre2_code* compiled =
      pcre2_compile(units(source), source.size(), kCompileOptions, &error, &offset, context.get());
  if (compiled == nullptr) {
    return Failure{fmt::format("unusable pattern: {}", pcre2_message(error))};
  }
  auto code = std::make_unique<const Code>(compiled);
  // Without executable memory this fails and the interpreter does the work, within the limits.
  pcre2_jit_compile(compiled, PCRE2_JIT_COMPLETE);
  return Pattern(std::move(code));
}

bool Pattern::matches_whole(std::string_view text) const {
  const MatchScratch scratch;
  scratch.data_->limit_for(text.size());
  const int count = scratch.data_->search(code_->compiled, text, 0);
  if (count < 0) {
    return false;
  }
  const PCRE2_SIZE* bounds = pcre2_get_ovector_pointer(scratch.data_->match.get());
  return bounds[0] == 0 && bounds[1] == text.size();
}

PatternSplitter::PatternSplitter(const Pattern& pattern,
                                 MatchScratch& scratch,
                                 std::string_view text)
    : pattern_(pattern), scratch_(scratch), text_(text) {
  scratch_.data_->limit_for(text.size());
}

std::optional<std::string_view> PatternSplitter::next() {
  while (!at_end_) {
    if (match_pending_) {
      match_pending_ = false;
      if (match_begin_ != match_end_) {
        return cut(match_begin_, match_end_);
      }
    }
    if (search() == Search::kEnd) {
      at_end_ = true;
      if (failure_.empty() && emitted_ != text_.size()) {
        return cut(emitted_, text_.size());
      }
      return std::nullopt;
    }
    match_pending_ = true;
    if (match_begin_ != emitted_) {
      return cut(emitted_, match_begin_);
    }
  }
  return std::nullopt;
}

std::string_view PatternSplitter::cut(size_t begin, size_t end) {
  emitted_ = end;
  return text_.substr(begin, end - begin);
}

// Finds the next match. An empty one right behind the match before is passed over by one character,
// as Oniguruma's iterator does.
PatternSplitter::Search PatternSplitter::search() {
  while (search_from_ <= text_.size()) {
    const int count = scratch_.data_->search(pattern_.code_->compiled, text_, search_from_);
    if (count == PCRE2_ERROR_NOMATCH) {
      return Search::kEnd;
    }
    if (count < 0) {
      failure_ = fmt::format("the pattern fails on this text: {}", pcre2_message(count));
      return Search::kEnd;
    }
    const PCRE2_SIZE* bounds = pcre2_get_ovector_pointer(scratch_.data_->match.get());
    match_begin_ = bounds[0];
    match_end_ = bounds[1];
    const bool empty = match_begin_ == match_end_;
    if (empty && last_match_end_ == match_end_) {
      const bool inside = search_from_ < text_.size();
      search_from_ += inside ? next_utf8(text_.substr(search_from_)).num_bytes : 1;
      continue;
    }
    search_from_ = match_end_;
    last_match_end_ = match_end_;
    return Search::kFound;
  }
  return Search::kEnd;
}

}  // namespace talon::text
