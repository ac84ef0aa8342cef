// What an answer adds, held until it is worth a frame (spec/serving.md 2.6, coalescing). One
// choice, one thread.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

namespace talon::server {

enum class DeltaKind : uint8_t {
  kText,
  kReasoning,
  kCall,       // the start of tool call `call_index`; the text is its name
  kArguments,  // text of the arguments of that call
};

// Tokens belong to the delta in which their text begins; those without text to the next one.
struct Delta {
  DeltaKind kind = DeltaKind::kText;
  int32_t call_index = 0;
  std::string text{};
  size_t num_tokens = 0;
};

struct CoalesceLimits {
  size_t min_chars = 5;    // fewer are held; 0: nothing is held
  size_t max_chars = 200;  // longer text is split
  size_t min_tokens = 0;   // not 0: text of fewer tokens is held, instead of min_chars
  // Is told the characters of each delta that goes out, where the delta is taken. Null: nobody.
  std::function<void(size_t num_chars)> on_delta{};
};

class DeltaBuffer {
 public:
  explicit DeltaBuffer(const CoalesceLimits& limits) : limits_(limits) {}

  // Adds tokens; their text follows.
  void push_tokens(size_t num_tokens) { num_loose_tokens_ += num_tokens; }
  // Adds text, UTF-8 of whole characters; empty text adds nothing, but a call's start always does.
  void push(DeltaKind kind, int32_t call_index, std::string_view text);

  // The deltas that may go out, each at most max_chars long. What is still short is held, unless it
  // is the first ever, something of another kind follows, or `all` is wanted.
  std::vector<Delta> take(bool all);
  // Tokens that no delta took: at the end of a choice.
  size_t take_loose_tokens();

  bool empty() const { return deltas_.empty(); }

 private:
  bool is_due(const Delta& last) const;
  void split(const Delta& delta, std::vector<Delta>& out) const;

  CoalesceLimits limits_;
  std::vector<Delta> deltas_;
  size_t num_loose_tokens_ = 0;
  bool has_sent_ = false;
};

// Characters of UTF-8 text.
size_t count_characters(std::string_view text);

}  // namespace talon::server
