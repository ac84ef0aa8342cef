// Which cached pages hold which prefix: full pages by chain key,
//
//   key(i) = XXH3-128(key(i - 1) || tokens of page i),   key(-1) = XXH3-128(salt)
//
// so that equal keys mean equal tokens from position 0 on. Host only; the engine thread owns it. It
// holds no references: a page stays findable while it is in use or cached in the pool, which tells
// the index when it gives a cached page away.
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
  // Takes over the pool's eviction callback; the pool must outlive the index.
  explicit PrefixIndex(PagePool& pool);
  ~PrefixIndex();
  PrefixIndex(const PrefixIndex&) = delete;
  PrefixIndex& operator=(const PrefixIndex&) = delete;

  // Makes a page in use findable. False if the key is known already (the page stays private).
  bool publish(const Hash128& key, PageId page);

  // The pages of the longest known prefix of full pages of `tokens`, and the key of the last one
  // (`root` if there is none). No reference is taken.
  struct Match {
    std::vector<PageId> pages;
    Hash128 key;
  };
  Match match(const Hash128& root, std::span<const TokenId> tokens) const;

  // Forgets everything: cached pages become free.
  void clear();

  int64_t size() const { return std::ssize(pages_); }
  void check_integrity() const;

 private:
  struct KeyHash {
    size_t operator()(const Hash128& key) const noexcept { return key.low; }
  };
  void forget(PageId page);

  PagePool& pool_;
  std::unordered_map<Hash128, PageId, KeyHash> pages_;
  std::vector<Hash128> keys_;  // by page id; valid where the pool says cacheable
};

}  // namespace talon
