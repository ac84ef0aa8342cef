#include <algorithm>

#include "base/check.h"
#include "spec/policy.h"

namespace talon {
namespace {

class FixedPolicy final : public SpecPolicy {
 public:
  std::string_view name() const override { return "fixed"; }

  void choose(std::span<const SpecRow> rows, std::span<int32_t> num_drafts) override {
    TALON_CHECK(rows.size() == num_drafts.size(), "{} rows, {} results", rows.size(),
                num_drafts.size());
    std::transform(rows.begin(), rows.end(), num_drafts.begin(),
                   [](const SpecRow& row) { return row.max_drafts; });
  }
};

}  // namespace

std::unique_ptr<SpecPolicy> make_fixed_policy() { return std::make_unique<FixedPolicy>(); }

}  // namespace talon
