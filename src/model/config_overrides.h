// Values that stand in for those of a config.json (--hf-overrides). The text that comes out is read
// like the file, with the same checks.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"

namespace talon {

inline constexpr size_t kMaxOverrideBytes = size_t{1} << 20;

// A JSON object; empty text: nothing is replaced. Objects are merged member by member, other values
// are replaced. A key at the top that the config has there goes there. One that it has in
// `text_config`, or in the `sparse_attention_config` in that, goes where it is; so do keys of
// sparse attention (sparse_..., use_index_cache, index_...). Others go to `text_config`, where a
// key that nobody knows is told like any of the file. Fails, naming the key where there is one.
Result<std::string> override_config(std::string_view config, std::string_view overrides);

}  // namespace talon
