// Hands out page ids, not memory, and counts their references. Host only; not thread safe: the
// engine thread owns it. Page 0 is the null page and never leaves the pool.
//
// PageTable is a sequence's list of pages in order; it returns its references when destroyed, and
// the pool checks that it got all of them back.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "base/ids.h"

namespace talon {

class PagePool {
 public:
  // num_pages counts the null page.
  explicit PagePool(int32_t num_pages);
  ~PagePool();
  PagePool(const PagePool&) = delete;
  PagePool& operator=(const PagePool&) = delete;

  // A page with one reference, or nothing if none is free.
  std::optional<PageId> allocate();
  void add_reference(PageId page);
  void release(PageId page);

  int32_t num_pages() const { return static_cast<int32_t>(references_.size()); }
  int32_t num_free() const { return static_cast<int32_t>(free_.size()); }
  int32_t num_references(PageId page) const;

  // Aborts unless free pages and references add up.
  void check_integrity() const;

 private:
  std::vector<int32_t> references_;  // by page id; the null page holds one for ever
  std::vector<PageId> free_;         // last in, first out
};

class PageTable {
 public:
  explicit PageTable(PagePool& pool) : pool_(&pool) {}
  ~PageTable() { clear(); }
  PageTable(PageTable&& other) noexcept;
  PageTable& operator=(PageTable&& other) noexcept;
  PageTable(const PageTable&) = delete;
  PageTable& operator=(const PageTable&) = delete;

  std::span<const PageId> pages() const { return pages_; }
  int64_t capacity_tokens() const { return int64_t{kPageTokens} * std::ssize(pages_); }

  // Appends pages until `num_tokens` positions fit. False, and nothing taken, if the pool is short.
  [[nodiscard]] bool reserve(int64_t num_tokens);

  // Returns all pages.
  void clear();

 private:
  PagePool* pool_;
  std::vector<PageId> pages_;
};

}  // namespace talon
