// The tokenizer under any file and any text. The input is a tokenizer.json, then a zero byte, then
// text; a file that parses must encode the text to ids that have tokens, and decode them.
#include "text/tokenizer.h"

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/check.h"
#include "base/ids.h"
#include "base/result.h"
#include "base/utf8.h"

using talon::Result;
using talon::TokenId;
using talon::text::Tokenizer;

namespace {

// A hostile pattern may cost its match limit at each place of the text.
constexpr size_t kMaxTextBytes = 256;

void encode(const Tokenizer& tokenizer, std::string_view text) {
  for (const bool parse_special : {true, false}) {
    const Result<std::vector<TokenId>> ids =
        tokenizer.try_encode(text, {.parse_special = parse_special});
    if (!ids.ok()) {
      TALON_CHECK(!ids.message().empty(), "a failure without a message");
      continue;
    }
    for (const TokenId id : ids.value()) {
      TALON_CHECK(tokenizer.has_token(id), "id {} has no token", id.value);
    }
    const std::string decoded = tokenizer.decode(ids.value(), false);
    TALON_CHECK(talon::valid_utf8_prefix(decoded) == decoded.size(), "invalid UTF-8");
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  const size_t zero = input.find('\0');
  const Result<Tokenizer> tokenizer = Tokenizer::parse(input.substr(0, zero));
  if (!tokenizer.ok()) {
    TALON_CHECK(!tokenizer.message().empty(), "a failure without a message");
    TALON_CHECK(tokenizer.message().find('\n') == std::string::npos, "a message of two lines");
    return 0;
  }
  if (zero != std::string_view::npos) {
    encode(tokenizer.value(), input.substr(zero + 1, kMaxTextBytes));
  }
  return 0;
}
