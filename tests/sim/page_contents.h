// What each position of each page holds, for target and drafter, as hashes in place of keys and
// values. Memory is taken when a page is first written. Knows no tables and no references.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <vector>

#include "base/ids.h"

namespace talon::test {

// No history hashes to it: nothing was written, or only a row that was later rejected.
inline constexpr uint64_t kPoison = 0;

struct PageCell {
  uint64_t target = kPoison;   // of the history up to and with the position's own token
  uint64_t drafter = kPoison;  // of the history up to and with the token after it
  TokenId token;               // the position's own, valid where `target` is
};

using PageCells = std::array<PageCell, kPageTokens>;

struct PageContent {
  PageCells cells{};
  uint32_t version = 1;  // changes with every write; 0 is never reached by one page in a test
  // Of the plan being run: in how many tables of its rows the page stands.
  int64_t users_round = 0;
  int32_t num_users = 0;
  int32_t num_writers = 0;  // peers that may write it from elsewhere
};

class PageContents {
 public:
  explicit PageContents(int32_t num_pages) : pages_(static_cast<size_t>(num_pages)) {}

  bool contains(PageId page) const {
    return page.value > 0 && page.value < static_cast<int32_t>(pages_.size());
  }

  // `page` must be contained.
  PageContent& at(PageId page) {
    std::unique_ptr<PageContent>& content = pages_[static_cast<size_t>(page.value)];
    if (content == nullptr) {
      content = std::make_unique<PageContent>();
    }
    return *content;
  }

 private:
  std::vector<std::unique_ptr<PageContent>> pages_;
};

}  // namespace talon::test
