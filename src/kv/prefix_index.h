// Which cached pages hold which prefix: full pages by chain key,
//
//   key(i) = XXH3-128(key(i - 1) || tokens of page i),   key(-1) = XXH3-128(salt)
//
// so that equal keys mean equal tokens from position 0 on. Host only; the engine thread owns it. It
// holds no references: a page stays findable while it is in use or cached in the pool, which tells
// the index when it gives a cached page away.
//
// With a drafter the entry at a page's last position is made from the token after the page, its
// successor, which the key does not cover. Pages of one key are then told apart by it: inside a
// match the successor must be the next token, and only the last page may have another one, for its
// reader copies it and makes that entry again. So as many pages match as without a drafter.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/hash.h"
#include "base/ids.h"
#include "kv/page_pool.h"

namespace talon {

Hash128 root_key(std::string_view salt);
Hash128 page_key(const Hash128& previous, std::span<const TokenId> tokens);  // kPageTokens tokens

class PrefixIndex {
 public:
  // Takes over the pool's eviction callback; the pool must outlive the index. Without
  // `by_successor` all successors count as equal.
  explicit PrefixIndex(PagePool& pool, bool by_successor = false);
  ~PrefixIndex();
  PrefixIndex(const PrefixIndex&) = delete;
  PrefixIndex& operator=(const PrefixIndex&) = delete;

  // Makes a page in use findable. False if key and successor are known already (the page stays
  // private).
  bool publish(const Hash128& key, PageId page, TokenId successor = {});

  // The pages of the longest known prefix of full pages of `tokens`, which `successor` follows, the
  // key of the last one (`root` if there is none), and the key before that. No reference is taken.
  struct Match {
    std::vector<PageId> pages;
    Hash128 key;
    Hash128 key_before;
  };
  Match match(const Hash128& root, std::span<const TokenId> tokens, TokenId successor = {}) const;

  // Forgets everything: cached pages become free.
  void clear();

  int64_t size() const { return std::ssize(pages_); }
  void check_integrity() const;

 private:
  struct Name {
    Hash128 key;
    TokenId successor;

    friend bool operator==(const Name&, const Name&) = default;
  };
  struct NameHash {
    size_t operator()(const Name& name) const noexcept {
      return name.key.low + static_cast<uint32_t>(name.successor.value) * 0x9E3779B97F4A7C15U;
    }
  };
  struct KeyHash {
    size_t operator()(const Hash128& key) const noexcept { return key.low; }
  };
  // A published page and its neighbours among those of the same key; the null page ends the list.
  struct Published {
    Name name;
    PageId older;
    PageId newer;
  };
  Published& at(PageId page) { return published_[static_cast<size_t>(page.value)]; }
  void forget(PageId page);

  PagePool& pool_;
  bool by_successor_;
  std::unordered_map<Name, PageId, NameHash> pages_;
  std::unordered_map<Hash128, PageId, KeyHash> newest_;  // of each key
  std::vector<Published> published_;  // by page id; valid where the pool says cacheable
};

}  // namespace talon
