// The Unicode normalisation that a tokenizer file asks for: none, or NFC. Pure functions.
#pragma once

#include <string>
#include <string_view>

namespace talon::text {

enum class Normalization { kNone, kNfc };

// `text` must be valid UTF-8. The result is a view of `text` where nothing changes, else of
// `storage`.
std::string_view normalize(Normalization form, std::string_view text, std::string& storage);

}  // namespace talon::text
