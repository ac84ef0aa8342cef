#include "text/vocabulary.h"

#include <functional>
#include <limits>

#include "base/check.h"
#include "base/ids.h"
#include "text/byte_alphabet.h"

namespace talon::text {
namespace {

constexpr size_t kMinSlots = 64;

uint32_t hash_of(std::string_view bytes) {
  const uint64_t hash = std::hash<std::string_view>{}(bytes);
  return static_cast<uint32_t>(hash ^ (hash >> 32));
}

}  // namespace

Vocabulary::Vocabulary(int32_t size) : slots_(kMinSlots) {
  TALON_CHECK(size >= 0 && size <= kMaxVocabulary, "vocabulary of {} ids", size);
  tokens_.resize(static_cast<size_t>(size));
}

bool Vocabulary::add(TokenId id, std::string_view spelling) {
  TALON_CHECK(id.value >= 0 && id.value < size(), "id {} of {}", id.value, size());
  TALON_CHECK(!has(id), "id {} has a token", id.value);
  const std::optional<std::string> decoded = bytes_of_spelling(spelling);
  const Kind kind = decoded ? Kind::kByteLevel : Kind::kPlain;
  const std::string_view bytes = decoded ? std::string_view(*decoded) : spelling;
  if (find(kind, bytes)) {
    return false;
  }
  TALON_CHECK(bytes.size() <= std::numeric_limits<uint32_t>::max() - arena_.size(),
              "tokens of more than 4 GiB");
  tokens_[static_cast<size_t>(id.value)] = {static_cast<uint32_t>(arena_.size()),
                                            static_cast<uint32_t>(bytes.size()), kind};
  arena_ += bytes;
  ++num_tokens_;
  if (num_tokens_ * 2 > slots_.size()) {
    grow();
  } else {
    insert(id);
  }
  return true;
}

bool Vocabulary::has(TokenId id) const {
  return id.value >= 0 && id.value < size() &&
         tokens_[static_cast<size_t>(id.value)].kind != Kind::kAbsent;
}

std::string_view Vocabulary::bytes(TokenId id) const {
  if (!has(id)) {
    return {};
  }
  const Token& token = tokens_[static_cast<size_t>(id.value)];
  return std::string_view(arena_).substr(token.begin, token.num_bytes);
}

bool Vocabulary::is_byte_level(TokenId id) const {
  return has(id) && tokens_[static_cast<size_t>(id.value)].kind == Kind::kByteLevel;
}

std::optional<TokenId> Vocabulary::find_bytes(std::string_view bytes) const {
  return find(Kind::kByteLevel, bytes);
}

std::optional<TokenId> Vocabulary::find_spelling(std::string_view spelling) const {
  const std::optional<std::string> decoded = bytes_of_spelling(spelling);
  return decoded ? find(Kind::kByteLevel, *decoded) : find(Kind::kPlain, spelling);
}

std::optional<TokenId> Vocabulary::find(Kind kind, std::string_view bytes) const {
  const uint32_t hash = hash_of(bytes);
  const size_t mask = slots_.size() - 1;
  for (size_t i = hash & mask; slots_[i].id >= 0; i = (i + 1) & mask) {
    if (slots_[i].hash != hash) {
      continue;
    }
    const Token& token = tokens_[static_cast<size_t>(slots_[i].id)];
    const std::string_view found = std::string_view(arena_).substr(token.begin, token.num_bytes);
    if (token.kind == kind && found == bytes) {
      return TokenId(slots_[i].id);
    }
  }
  return std::nullopt;
}

void Vocabulary::insert(TokenId id) {
  const uint32_t hash = hash_of(bytes(id));
  const size_t mask = slots_.size() - 1;
  size_t i = hash & mask;
  while (slots_[i].id >= 0) {
    i = (i + 1) & mask;
  }
  slots_[i] = {hash, id.value};
}

void Vocabulary::grow() {
  slots_.assign(slots_.size() * 4, Slot{});
  for (int32_t id = 0; id < size(); ++id) {
    if (has(TokenId(id))) {
      insert(TokenId(id));
    }
  }
}

}  // namespace talon::text
