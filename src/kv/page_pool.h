// Hands out page ids, not memory, and counts their references. Host only; not thread safe: the
// engine thread owns it. Page 0 is the null page and never leaves the pool.
//
// A page is free, in use (one reference or more), or cached: without a reference, but its content
// may be wanted again. Cached pages are given away, the one released longest ago first, when no
// page is free.
//
// A page id comes back with other content. Who remembers a page without holding a reference, as the
// two sides of a handoff do, remembers its generation too, which every allocation raises.
//
// PageTable is a sequence's list of pages in order; it returns its references when destroyed, and
// the pool checks that it got all of them back.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <vector>

#include "base/ids.h"

namespace talon {

// A page as it was given out once: of two allocations of one id at most one is current.
struct PageRef {
  PageId page;
  uint32_t generation = 0;

  friend bool operator==(const PageRef&, const PageRef&) = default;
};

class PagePool {
 public:
  // num_pages counts the null page.
  explicit PagePool(int32_t num_pages);
  ~PagePool();
  PagePool(const PagePool&) = delete;
  PagePool& operator=(const PagePool&) = delete;

  // A page with one reference, or nothing if none is free or cached.
  std::optional<PageId> allocate();
  void add_reference(PageId page);  // to a page in use or cached
  void release(PageId page);

  // Whether a page in use becomes cached rather than free with its last reference.
  void set_cacheable(PageId page, bool cacheable);
  bool is_cacheable(PageId page) const;
  // Called with each cached page that is about to be given away, no longer cacheable.
  void set_eviction_callback(std::function<void(PageId)> callback);
  // Makes every cached page free, with the callback.
  void evict_all();

  int32_t num_pages() const { return static_cast<int32_t>(pages_.size()); }
  int32_t num_free() const { return static_cast<int32_t>(free_.size()); }
  int32_t num_cached() const { return num_cached_; }
  int64_t num_evictions() const { return num_evictions_; }  // cached pages given away, ever
  int32_t num_available() const { return num_free() + num_cached_; }
  int32_t num_references(PageId page) const;

  // The page as of its last allocation; generation 0: it was never given out. Wraps after 2^32.
  PageRef ref(PageId page) const;
  // Whether the page is in use or cached since the allocation that `ref` names, so that what was
  // written then is there still. False also for ids that are no page of this pool.
  bool is_current(PageRef ref) const;

  // Aborts unless free, cached and referenced pages add up.
  void check_integrity() const;

 private:
  struct Page {
    int32_t references = 0;  // the null page holds one for ever
    bool cacheable = false;
    bool cached = false;
    uint32_t generation = 0;  // allocations so far
    int32_t older = 0;  // neighbours in the list of cached pages; the null page closes the ring
    int32_t newer = 0;
  };
  Page& at(PageId page);
  const Page& at(PageId page) const;
  void push_cached(PageId page);
  void remove_cached(PageId page);
  PageId evict_oldest();

  std::vector<Page> pages_;   // by page id
  std::vector<PageId> free_;  // last in, first out
  int32_t num_cached_ = 0;
  int64_t num_evictions_ = 0;
  std::function<void(PageId)> on_eviction_;
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

  // Appends pages that others hold or that are cached, with a reference of its own each.
  void share(std::span<const PageId> pages);

  // Parts with the pages from index `first` on, references and all.
  [[nodiscard]] PageTable split(int64_t first);

  // Returns all pages, the last first, so that a prefix outlives what follows it in the cache.
  void clear();

 private:
  PagePool* pool_;
  std::vector<PageId> pages_;
};

}  // namespace talon
