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

PrefixIndex::PrefixIndex(PagePool& pool, bool by_successor)
    : pool_(pool), by_successor_(by_successor), published_(static_cast<size_t>(pool.num_pages())) {
  pool_.set_eviction_callback([this](PageId page) { forget(page); });
}

PrefixIndex::~PrefixIndex() {
  clear();
  pool_.set_eviction_callback(nullptr);
}

bool PrefixIndex::publish(const Hash128& key, PageId page, TokenId successor) {
  const Name name{.key = key, .successor = by_successor_ ? successor : TokenId{}};
  if (!pages_.try_emplace(name, page).second) {
    return false;
  }
  TALON_CHECK(!pool_.is_cacheable(page), "page {} is published twice", page.value);
  pool_.set_cacheable(page, true);
  PageId& newest = newest_[key];
  at(page) = {.name = name, .older = newest, .newer = kNullPage};
  if (newest != kNullPage) {
    at(newest).newer = page;
  }
  newest = page;
  return true;
}

PrefixIndex::Match PrefixIndex::match(const Hash128& root,
                                      std::span<const TokenId> tokens,
                                      TokenId successor) const {
  Match match{.pages = {}, .key = root, .key_before = root};
  bool is_exact = true;
  while (is_exact && tokens.size() >= kPageTokens) {
    const Hash128 key = page_key(match.key, tokens.first(kPageTokens));
    const auto newest = newest_.find(key);
    if (newest == newest_.end()) {
      break;
    }
    tokens = tokens.subspan(kPageTokens);
    const TokenId next = tokens.empty() ? successor : tokens.front();
    const auto exact = pages_.find({.key = key, .successor = by_successor_ ? next : TokenId{}});
    is_exact = exact != pages_.end();
    match.pages.push_back(is_exact ? exact->second : newest->second);
    match.key_before = match.key;
    match.key = key;
  }
  return match;
}

void PrefixIndex::clear() {
  pool_.evict_all();
  for (const auto& [name, page] : pages_) {
    pool_.set_cacheable(page, false);  // still in use: it will not be found again
  }
  pages_.clear();
  newest_.clear();
}

void PrefixIndex::forget(PageId page) {
  const Published& gone = at(page);
  const size_t count = pages_.erase(gone.name);
  TALON_CHECK(count == 1, "page {} is not in the index", page.value);
  if (gone.older != kNullPage) {
    at(gone.older).newer = gone.newer;
  }
  if (gone.newer != kNullPage) {
    at(gone.newer).older = gone.older;
  } else if (gone.older != kNullPage) {
    newest_[gone.name.key] = gone.older;
  } else {
    newest_.erase(gone.name.key);
  }
}

void PrefixIndex::check_integrity() const {
  for (const auto& [name, page] : pages_) {
    TALON_CHECK(pool_.is_cacheable(page), "page {} is published and not cacheable", page.value);
    TALON_CHECK(published_[static_cast<size_t>(page.value)].name == name,
                "page {} has another name", page.value);
  }
  size_t num_listed = 0;
  for (const auto& [key, newest] : newest_) {
    for (PageId page = newest; page != kNullPage; ++num_listed) {
      const Published& published = published_[static_cast<size_t>(page.value)];
      TALON_CHECK(published.name.key == key, "page {} is listed under another key", page.value);
      page = published.older;
    }
  }
  TALON_CHECK(num_listed == pages_.size(), "{} pages listed, {} known", num_listed, pages_.size());
}

}  // namespace talon
