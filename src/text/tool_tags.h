// The tags of M3's tool calls in text where the special tokens stand as single bytes that UTF-8
// does not have. Pure functions.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace talon::text {

inline constexpr char kMarkerByte = '\xFF';
inline constexpr char kOpenBlockByte = '\xFE';
inline constexpr char kCloseBlockByte = '\xFD';

inline constexpr size_t kMaxTagName = 256;
// Blank text in which a tag is still looked for.
inline constexpr size_t kMaxBlankLookahead = 64;

enum class ToolTagKind {
  kNone,        // no tag here
  kMore,        // what is here could become one
  kOpenBlock,   // <tool_call>
  kCloseBlock,  // </tool_call>
  kInvoke,      // <invoke name="...">
  kEndInvoke,   // </invoke>
  kOpen,        // <name>
  kClose,       // </name>
};

struct ToolTag {
  ToolTagKind kind = ToolTagKind::kNone;
  std::string name = {};
  size_t num_bytes = 0;
};

// The tag that begins at `offset`, without its marker. With `is_final` nothing follows the text,
// so the result is never kMore.
ToolTag read_tool_tag(std::string_view text, size_t offset, bool is_final);

// The first byte at or after `offset` that is not blank.
size_t skip_blank(std::string_view text, size_t offset);

}  // namespace talon::text
