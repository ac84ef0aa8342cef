#include "kv/prefix_index.h"

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstring>

#include "base/check.h"

namespace talon {

Hash128 root_key(std::string_view salt) { return xxh3_128(std::as_bytes(std::span(salt))); }

Hash128 page_key(const Hash128& previous, std::span<const TokenId> tokens) {
  TALON_CHECK(tokens.size() == kPageTokens, "{} tokens", tokens.size());
  std::array<std::byte, sizeof(previous) + kPageTokens * sizeof(TokenId)> bytes;
  std::memcpy(bytes.data(), &previous, sizeof(previous));
  std::memcpy(bytes.data() + sizeof(previous), tokens.data(), tokens.size_bytes());
  return xxh3_128(bytes);
}

PrefixIndex::PrefixIndex(PagePool& pool)
    : pool_(pool), keys_(static_cast<size_t>(pool.num_pages())) {
  pool_.set_eviction_callback([this](PageId page) { forget(page); });
}

PrefixIndex::~PrefixIndex() {
  clear();
  pool_.set_eviction_callback(nullptr);
}

bool PrefixIndex::publish(const Hash128& key, PageId page) {
  const bool is_new = pages_.try_emplace(key, page).second;
  if (is_new) {
    TALON_CHECK(!pool_.is_cacheable(page), "page {} is published twice", page.value);
    pool_.set_cacheable(page, true);
    keys_[static_cast<size_t>(page.value)] = key;
  }
  return is_new;
}

PrefixIndex::Match PrefixIndex::match(const Hash128& root, std::span<const TokenId> tokens) const {
  Match match{.pages = {}, .key = root};
  while (tokens.size() >= kPageTokens) {
    const Hash128 key = page_key(match.key, tokens.first(kPageTokens));
    const auto it = pages_.find(key);
    if (it == pages_.end()) {
      break;
    }
    match.pages.push_back(it->second);
    match.key = key;
    tokens = tokens.subspan(kPageTokens);
  }
  return match;
}

void PrefixIndex::clear() {
  pool_.evict_all();
  for (const auto& [key, page] : pages_) {
    pool_.set_cacheable(page, false);  // still in use: it will not be found again
  }
  pages_.clear();
}

void PrefixIndex::forget(PageId page) {
  const size_t count = pages_.erase(keys_[static_cast<size_t>(page.value)]);
  TALON_CHECK(count == 1, "page {} is not in the index", page.value);
}

void PrefixIndex::check_integrity() const {
  for (const auto& [key, page] : pages_) {
    TALON_CHECK(pool_.is_cacheable(page), "page {} is published and not cacheable", page.value);
    TALON_CHECK(keys_[static_cast<size_t>(page.value)] == key, "page {} has another key",
                page.value);
  }
}

}  // namespace talon
