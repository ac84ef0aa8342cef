#include "kv/page_pool.h"

#include <utility>

#include "base/check.h"
#include "base/checked_int.h"

namespace talon {

PagePool::PagePool(int32_t num_pages) : pages_(static_cast<size_t>(num_pages)) {
  TALON_CHECK(num_pages >= 2, "{} pages hold nothing beside the null page", num_pages);
  pages_[0].references = 1;
  free_.reserve(pages_.size() - 1);
  for (int32_t id = num_pages - 1; id > 0; --id) {
    free_.push_back(PageId{id});
  }
}

PagePool::~PagePool() {
  TALON_CHECK(num_available() == num_pages() - 1, "{} pages leaked",
              num_pages() - 1 - num_available());
}

PagePool::Page& PagePool::at(PageId page) {
  TALON_CHECK(page.value >= 0 && page.value < num_pages(), "page {}", page.value);
  return pages_[static_cast<size_t>(page.value)];
}

const PagePool::Page& PagePool::at(PageId page) const {
  TALON_CHECK(page.value >= 0 && page.value < num_pages(), "page {}", page.value);
  return pages_[static_cast<size_t>(page.value)];
}

std::optional<PageId> PagePool::allocate() {
  if (num_available() == 0) {
    return std::nullopt;
  }
  PageId page;
  if (free_.empty()) {
    page = evict_oldest();
  } else {
    page = free_.back();
    free_.pop_back();
  }
  Page& state = at(page);
  TALON_CHECK(page != kNullPage && state.references == 0, "page {} has {} references", page.value,
              state.references);
  state.references = 1;
  ++state.generation;
  return page;
}

void PagePool::add_reference(PageId page) {
  Page& state = at(page);
  TALON_CHECK(state.references > 0 || state.cached, "page {} is free", page.value);
  if (state.cached) {
    remove_cached(page);
  }
  ++state.references;
}

void PagePool::release(PageId page) {
  TALON_CHECK(page != kNullPage, "the null page cannot be released");
  Page& state = at(page);
  TALON_CHECK(state.references > 0, "page {} is freed twice", page.value);
  if (--state.references > 0) {
    return;
  }
  if (state.cacheable) {
    push_cached(page);
  } else {
    free_.push_back(page);
  }
}

void PagePool::set_cacheable(PageId page, bool cacheable) {
  Page& state = at(page);
  TALON_CHECK(page != kNullPage && state.references > 0, "page {} is not in use", page.value);
  state.cacheable = cacheable;
}

bool PagePool::is_cacheable(PageId page) const { return at(page).cacheable; }

void PagePool::set_eviction_callback(std::function<void(PageId)> callback) {
  on_eviction_ = std::move(callback);
}

void PagePool::evict_all() {
  while (num_cached_ > 0) {
    free_.push_back(evict_oldest());
  }
}

void PagePool::push_cached(PageId page) {
  Page& state = at(page);
  Page& ring = pages_[0];
  state.cached = true;
  state.newer = 0;
  state.older = ring.older;
  pages_[static_cast<size_t>(ring.older)].newer = page.value;
  ring.older = page.value;
  ++num_cached_;
}

void PagePool::remove_cached(PageId page) {
  Page& state = at(page);
  pages_[static_cast<size_t>(state.older)].newer = state.newer;
  pages_[static_cast<size_t>(state.newer)].older = state.older;
  state.cached = false;
  --num_cached_;
}

PageId PagePool::evict_oldest() {
  const PageId page{pages_[0].newer};
  Page& state = at(page);
  TALON_CHECK(state.cached && state.references == 0, "page {} is not cached", page.value);
  remove_cached(page);
  state.cacheable = false;
  ++num_evictions_;
  if (on_eviction_) {
    on_eviction_(page);
  }
  return page;
}

int32_t PagePool::num_references(PageId page) const { return at(page).references; }

PageRef PagePool::ref(PageId page) const {
  return {.page = page, .generation = at(page).generation};
}

bool PagePool::is_current(PageRef ref) const {
  if (ref.page.value <= kNullPage.value || ref.page.value >= num_pages()) {
    return false;
  }
  const Page& state = at(ref.page);
  return state.generation == ref.generation && (state.references > 0 || state.cached);
}

void PagePool::check_integrity() const {
  std::vector<bool> is_free(pages_.size(), false);
  for (const PageId page : free_) {
    TALON_CHECK(!is_free[static_cast<size_t>(page.value)], "page {} twice free", page.value);
    is_free[static_cast<size_t>(page.value)] = true;
  }
  int32_t cached = 0;
  for (size_t id = 0; id < pages_.size(); ++id) {
    const Page& page = pages_[id];
    cached += page.cached ? 1 : 0;
    TALON_CHECK(!page.cached || page.cacheable, "page {} is cached and not cacheable", id);
    TALON_CHECK((page.references == 0) == (is_free[id] || page.cached), "page {}: {} references",
                id, page.references);
  }
  int32_t listed = 0;
  for (int32_t id = pages_[0].newer; id != 0; id = pages_[static_cast<size_t>(id)].newer) {
    TALON_CHECK(pages_[static_cast<size_t>(id)].cached, "page {} is listed", id);
    ++listed;
  }
  TALON_CHECK(cached == num_cached_ && listed == cached, "{} cached, {} listed, {} counted", cached,
              listed, num_cached_);
}

PageTable::PageTable(PageTable&& other) noexcept
    : pool_(other.pool_), pages_(std::exchange(other.pages_, {})) {}

PageTable& PageTable::operator=(PageTable&& other) noexcept {
  if (this != &other) {
    clear();
    pool_ = other.pool_;
    pages_ = std::exchange(other.pages_, {});
  }
  return *this;
}

bool PageTable::reserve(int64_t num_tokens) {
  const int64_t missing = ceil_div(num_tokens, kPageTokens) - std::ssize(pages_);
  if (missing > pool_->num_available()) {
    return false;
  }
  for (int64_t i = 0; i < missing; ++i) {
    const std::optional<PageId> page = pool_->allocate();
    TALON_CHECK(page.has_value(), "the pool counted {} pages", pool_->num_available());
    pages_.push_back(*page);
  }
  return true;
}

void PageTable::share(std::span<const PageId> pages) {
  for (const PageId page : pages) {
    pool_->add_reference(page);
    pages_.push_back(page);
  }
}

PageTable PageTable::split(int64_t first) {
  TALON_CHECK(first >= 0 && first <= std::ssize(pages_), "{} of {} pages", first, pages_.size());
  PageTable tail(*pool_);
  tail.pages_.assign(pages_.begin() + first, pages_.end());
  pages_.resize(static_cast<size_t>(first));
  return tail;
}

void PageTable::clear() {
  while (!pages_.empty()) {
    pool_->release(pages_.back());
    pages_.pop_back();
  }
}

}  // namespace talon
