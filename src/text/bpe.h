// Byte-pair merging: bytes of one pre-token to ids.
//
// The pair of neighbours with the lowest rank merges first, the leftmost of equals, until no pair
// has a rank. Short pieces are merged in place, long ones through a heap, so a piece of n bytes
// costs O(n log n). Immutable, shared by threads; keeps a reference to the vocabulary, which must
// outlive it. Scratch belongs to one thread.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "base/ids.h"
#include "text/vocabulary.h"

namespace talon::text {

struct Merge {
  TokenId left;
  TokenId right;
  TokenId merged;
};

struct BpeOptions {
  // A pre-token that is a vocabulary entry is taken whole.
  bool ignore_merges = false;
  // Stands for a byte without a token. Without it such a byte is dropped, as by the tokenizers
  // package.
  std::optional<TokenId> unknown = std::nullopt;
  // Neighbouring unknown bytes share one token.
  bool fuse_unknown = false;
};

class Bpe {
 public:
  class Scratch {
   private:
    friend class Bpe;
    std::vector<int32_t> ids_;
    std::vector<uint32_t> ranks_;  // of the pair that starts here
    std::vector<uint32_t> next_;
    std::vector<uint32_t> previous_;
    std::vector<uint64_t> heap_;  // rank in the high half, position in the low half
  };

  // `merges` are in order of rank; of two with the same pair the later one counts.
  Bpe(const Vocabulary& vocabulary, std::span<const Merge> merges, const BpeOptions& options);

  // Appends the ids of `piece`.
  void encode(std::string_view piece, Scratch& scratch, std::vector<TokenId>& ids) const;

 private:
  static constexpr uint32_t kNoRank = 0xFFFFFFFF;

  // Open addressing with linear probing, keyed by both ids.
  struct Slot {
    uint64_t pair = 0;
    uint32_t rank = kNoRank;
    int32_t merged = 0;
  };

  // The slot of the pair, or the free slot where it belongs.
  size_t slot_of(int32_t left, int32_t right) const;
  const Slot& find(int32_t left, int32_t right) const { return slots_[slot_of(left, right)]; }
  uint32_t rank_of(int32_t left, int32_t right) const { return find(left, right).rank; }
  void mark_whole_tokens(bool all);
  void encode_by_merges(std::string_view piece, Scratch& scratch, std::vector<TokenId>& ids) const;
  void split_to_bytes(std::string_view piece, std::vector<int32_t>& ids) const;
  void merge_in_place(Scratch& scratch) const;
  void merge_by_heap(Scratch& scratch) const;
  void queue_pair(Scratch& scratch, uint32_t position) const;

  const Vocabulary& vocabulary_;
  std::vector<Slot> slots_;
  int hash_shift_ = 0;
  int32_t byte_ids_[256];  // kNoId for a byte without a token
  std::optional<TokenId> unknown_;
  bool fuse_unknown_ = false;
  // By id: a piece with these bytes is this one token, because the file says so (ignore_merges) or
  // because merging gives it; the latter is found once, at construction.
  std::vector<bool> is_whole_;
};

}  // namespace talon::text
