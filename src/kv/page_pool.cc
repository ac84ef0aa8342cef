#include "kv/page_pool.h"

#include <utility>

#include "base/check.h"
#include "base/checked_int.h"

namespace talon {

PagePool::PagePool(int32_t num_pages) : references_(static_cast<size_t>(num_pages), 0) {
  TALON_CHECK(num_pages >= 2, "{} pages hold nothing beside the null page", num_pages);
  references_[0] = 1;
  free_.reserve(references_.size() - 1);
  for (int32_t id = num_pages - 1; id > 0; --id) {
    free_.push_back(PageId{id});
  }
}

PagePool::~PagePool() {
  TALON_CHECK(num_free() == num_pages() - 1, "{} pages leaked", num_pages() - 1 - num_free());
}

std::optional<PageId> PagePool::allocate() {
  if (free_.empty()) {
    return std::nullopt;
  }
  const PageId page = free_.back();
  free_.pop_back();
  int32_t& count = references_[static_cast<size_t>(page.value)];
  TALON_CHECK(page != kNullPage && count == 0, "page {} has {} references", page.value, count);
  count = 1;
  return page;
}

void PagePool::add_reference(PageId page) {
  TALON_CHECK(num_references(page) > 0, "page {} is free", page.value);
  ++references_[static_cast<size_t>(page.value)];
}

void PagePool::release(PageId page) {
  TALON_CHECK(page != kNullPage, "the null page cannot be released");
  TALON_CHECK(num_references(page) > 0, "page {} is freed twice", page.value);
  if (--references_[static_cast<size_t>(page.value)] == 0) {
    free_.push_back(page);
  }
}

int32_t PagePool::num_references(PageId page) const {
  TALON_CHECK(page.value >= 0 && page.value < num_pages(), "page {}", page.value);
  return references_[static_cast<size_t>(page.value)];
}

void PagePool::check_integrity() const {
  std::vector<bool> is_free(references_.size(), false);
  for (const PageId page : free_) {
    TALON_CHECK(!is_free[static_cast<size_t>(page.value)], "page {} twice free", page.value);
    is_free[static_cast<size_t>(page.value)] = true;
  }
  for (size_t id = 0; id < references_.size(); ++id) {
    TALON_CHECK((references_[id] == 0) == is_free[id], "page {}: {}", id, references_[id]);
  }
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
  if (missing > pool_->num_free()) {
    return false;
  }
  for (int64_t i = 0; i < missing; ++i) {
    const std::optional<PageId> page = pool_->allocate();
    TALON_CHECK(page.has_value(), "the pool counted {} free pages", pool_->num_free());
    pages_.push_back(*page);
  }
  return true;
}

void PageTable::clear() {
  for (const PageId page : pages_) {
    pool_->release(page);
  }
  pages_.clear();
}

}  // namespace talon
