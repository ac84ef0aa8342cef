#include "text/bpe.h"

#include <algorithm>
#include <bit>
#include <functional>

#include "base/check.h"
#include "base/ids.h"
#include "text/vocabulary.h"

namespace talon::text {
namespace {

constexpr int32_t kNoId = -1;
constexpr uint32_t kNone = 0xFFFFFFFF;  // no neighbour

// Up to here shifting arrays beats a heap.
constexpr size_t kMaxInPlace = 96;

constexpr size_t kMinSlots = 64;

uint64_t pair_key(int32_t left, int32_t right) {
  return (static_cast<uint64_t>(static_cast<uint32_t>(left)) << 32) | static_cast<uint32_t>(right);
}

}  // namespace

Bpe::Bpe(const Vocabulary& vocabulary, std::span<const Merge> merges, const BpeOptions& options)
    : vocabulary_(vocabulary), unknown_(options.unknown), fuse_unknown_(options.fuse_unknown) {
  TALON_CHECK(merges.size() < kNoRank / 4, "{} merges", merges.size());
  const size_t num_slots = std::bit_ceil(std::max(kMinSlots, merges.size() * 2));
  slots_.resize(num_slots);
  hash_shift_ = 64 - std::countr_zero(num_slots);
  for (uint32_t rank = 0; rank < merges.size(); ++rank) {
    const Merge& merge = merges[rank];
    slots_[slot_of(merge.left.value, merge.right.value)] = {
        pair_key(merge.left.value, merge.right.value), rank, merge.merged.value};
  }
  for (int byte = 0; byte < 256; ++byte) {
    const char c = static_cast<char>(byte);
    const std::optional<TokenId> id = vocabulary.find_bytes(std::string_view(&c, 1));
    byte_ids_[byte] = id ? id->value : kNoId;
  }
  mark_whole_tokens(options.ignore_merges);
}

size_t Bpe::slot_of(int32_t left, int32_t right) const {
  constexpr uint64_t kMultiplier = 0x9E3779B97F4A7C15;  // 2^64 / golden ratio
  const uint64_t key = pair_key(left, right);
  const size_t mask = slots_.size() - 1;
  size_t i = (key * kMultiplier) >> hash_shift_;
  while (slots_[i].rank != kNoRank && slots_[i].pair != key) {
    i = (i + 1) & mask;
  }
  return i;
}

void Bpe::mark_whole_tokens(bool all) {
  std::vector<bool> marks(static_cast<size_t>(vocabulary_.size()));
  Scratch scratch;
  std::vector<TokenId> ids;
  for (int32_t i = 0; i < vocabulary_.size(); ++i) {
    const TokenId id(i);
    if (!vocabulary_.is_byte_level(id)) {
      continue;
    }
    ids.clear();
    if (!all) {
      encode_by_merges(vocabulary_.bytes(id), scratch, ids);
    }
    marks[static_cast<size_t>(i)] = all || (ids.size() == 1 && ids[0] == id);
  }
  is_whole_ = std::move(marks);
}

void Bpe::encode(std::string_view piece, Scratch& scratch, std::vector<TokenId>& ids) const {
  const std::optional<TokenId> whole = vocabulary_.find_bytes(piece);
  if (whole && is_whole_[static_cast<size_t>(whole->value)]) {
    ids.push_back(*whole);
    return;
  }
  encode_by_merges(piece, scratch, ids);
}

void Bpe::encode_by_merges(std::string_view piece,
                           Scratch& scratch,
                           std::vector<TokenId>& ids) const {
  TALON_CHECK(piece.size() < kNone, "a piece of {} bytes", piece.size());
  split_to_bytes(piece, scratch.ids_);
  if (scratch.ids_.size() <= kMaxInPlace) {
    merge_in_place(scratch);
  } else {
    merge_by_heap(scratch);
  }
  for (const int32_t id : scratch.ids_) {
    ids.push_back(TokenId(id));
  }
}

void Bpe::split_to_bytes(std::string_view piece, std::vector<int32_t>& ids) const {
  ids.clear();
  bool after_unknown = false;
  for (const char c : piece) {
    const int32_t id = byte_ids_[static_cast<uint8_t>(c)];
    if (id != kNoId) {
      ids.push_back(id);
    } else if (unknown_ && !(fuse_unknown_ && after_unknown)) {
      ids.push_back(unknown_->value);
    }
    after_unknown = id == kNoId;
  }
}

void Bpe::merge_in_place(Scratch& scratch) const {
  std::vector<int32_t>& ids = scratch.ids_;
  std::vector<uint32_t>& ranks = scratch.ranks_;
  if (ids.size() < 2) {
    return;
  }
  ranks.resize(ids.size() - 1);
  for (size_t i = 0; i < ranks.size(); ++i) {
    ranks[i] = rank_of(ids[i], ids[i + 1]);
  }
  while (!ranks.empty()) {
    const auto best = std::min_element(ranks.begin(), ranks.end());
    if (*best == kNoRank) {
      return;
    }
    const auto i = static_cast<size_t>(best - ranks.begin());
    ids[i] = find(ids[i], ids[i + 1]).merged;
    ids.erase(ids.begin() + static_cast<std::ptrdiff_t>(i) + 1);
    ranks.erase(best);
    if (i < ranks.size()) {
      ranks[i] = rank_of(ids[i], ids[i + 1]);
    }
    if (i > 0) {
      ranks[i - 1] = rank_of(ids[i - 1], ids[i]);
    }
  }
}

// Sets the rank of the pair that starts at `position` and queues it if it can merge.
void Bpe::queue_pair(Scratch& scratch, uint32_t position) const {
  const uint32_t next = scratch.next_[position];
  const uint32_t rank =
      next == kNone ? kNoRank : rank_of(scratch.ids_[position], scratch.ids_[next]);
  scratch.ranks_[position] = rank;
  if (rank == kNoRank) {
    return;
  }
  scratch.heap_.push_back((static_cast<uint64_t>(rank) << 32) | position);
  std::push_heap(scratch.heap_.begin(), scratch.heap_.end(), std::greater<>());
}

// The symbols are a linked list over positions. A candidate in the heap is out of date unless its
// rank is still the rank of the pair at its position: a pair, once changed, only grows, so it never
// gets an earlier rank back.
void Bpe::merge_by_heap(Scratch& scratch) const {
  std::vector<int32_t>& ids = scratch.ids_;
  const auto num_symbols = static_cast<uint32_t>(ids.size());
  scratch.ranks_.assign(num_symbols, kNoRank);
  scratch.next_.resize(num_symbols);
  scratch.previous_.resize(num_symbols);
  scratch.heap_.clear();
  for (uint32_t i = 0; i < num_symbols; ++i) {
    scratch.next_[i] = i + 1 < num_symbols ? i + 1 : kNone;
    scratch.previous_[i] = i > 0 ? i - 1 : kNone;
  }
  for (uint32_t i = 0; i < num_symbols; ++i) {
    queue_pair(scratch, i);
  }
  while (!scratch.heap_.empty()) {
    std::pop_heap(scratch.heap_.begin(), scratch.heap_.end(), std::greater<>());
    const uint64_t best = scratch.heap_.back();
    scratch.heap_.pop_back();
    const auto left = static_cast<uint32_t>(best);
    if (scratch.ranks_[left] != best >> 32) {
      continue;
    }
    const uint32_t right = scratch.next_[left];
    ids[left] = find(ids[left], ids[right]).merged;
    ids[right] = kNoId;
    scratch.ranks_[right] = kNoRank;
    scratch.next_[left] = scratch.next_[right];
    if (scratch.next_[left] != kNone) {
      scratch.previous_[scratch.next_[left]] = left;
    }
    queue_pair(scratch, left);
    if (scratch.previous_[left] != kNone) {
      queue_pair(scratch, scratch.previous_[left]);
    }
  }
  std::erase(ids, kNoId);
}

}  // namespace talon::text
