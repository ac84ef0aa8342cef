// The tokens of a model: bytes by id, and ids by bytes.
//
// A token of the vocabulary is spelled in the byte alphabet and stands for bytes. A token with a
// character outside that alphabet, as many added tokens have, stands for the UTF-8 bytes of its
// text; encoding never builds it from bytes, so the two kinds are looked up apart. Filled once,
// then immutable and shared by threads; views of bytes live as long as the vocabulary.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/ids.h"

namespace talon::text {

// Ids are below this bound, so a file cannot make its reader allocate without limit. The largest
// vocabulary known has 262 144 entries.
inline constexpr int32_t kMaxVocabulary = 1 << 22;

class Vocabulary {
 public:
  // `size` is the highest id + 1.
  explicit Vocabulary(int32_t size);

  // Gives an id its token. The id must be free and below size(). Returns false, and changes
  // nothing, if the vocabulary has a token of this spelling already.
  [[nodiscard]] bool add(TokenId id, std::string_view spelling);

  int32_t size() const { return static_cast<int32_t>(tokens_.size()); }
  bool has(TokenId id) const;

  // Empty for an id without a token.
  std::string_view bytes(TokenId id) const;

  // The token that is spelled in the byte alphabet and stands for these bytes.
  std::optional<TokenId> find_bytes(std::string_view bytes) const;

  // The token with this spelling in the file.
  std::optional<TokenId> find_spelling(std::string_view spelling) const;

  // True if the token is spelled in the byte alphabet.
  bool is_byte_level(TokenId id) const;

 private:
  enum class Kind : uint8_t { kAbsent, kByteLevel, kPlain };
  struct Token {
    uint32_t begin = 0;
    uint32_t num_bytes = 0;
    Kind kind = Kind::kAbsent;
  };
  // Open addressing with linear probing; the number of slots is a power of two.
  struct Slot {
    uint32_t hash = 0;
    int32_t id = -1;
  };

  std::optional<TokenId> find(Kind kind, std::string_view bytes) const;
  void insert(TokenId id);
  void grow();

  std::string arena_;
  std::vector<Token> tokens_;
  std::vector<Slot> slots_;
  size_t num_tokens_ = 0;
};

}  // namespace talon::text
