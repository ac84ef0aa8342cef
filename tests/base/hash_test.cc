// XXH3-128 against the digests of xxHash's own command line tool (xxhsum -H2).
#include "base/hash.h"

#include <gtest/gtest.h>

#include <string_view>

namespace talon {
namespace {

TEST(HashTest, MatchesTheReferenceTool) {
  EXPECT_EQ(to_hex(xxh3_128({})), "99aa06d3014798d86001c324468d497f");
  EXPECT_EQ(to_hex(xxh3_128(std::as_bytes(std::span(std::string_view("a"))))),
            "a96faf705af16834e6c632b61e964e1f");
}

TEST(HashTest, StreamEqualsOneCall) {
  const std::string_view text = "the quick brown fox jumps over the lazy dog";
  HashStream stream;

  for (size_t i = 0; i < text.size(); i += 7) {
    stream.update(std::as_bytes(std::span(text.substr(i, 7))));
  }

  EXPECT_EQ(stream.digest(), xxh3_128(std::as_bytes(std::span(text))));
}

}  // namespace
}  // namespace talon
