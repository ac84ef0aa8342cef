#include "spec/survival.h"

#include "base/check.h"

namespace talon {
namespace {

// Share of the rate at which positions drift that nothing is known of: within some 200 rounds.
constexpr double kDrift = 0.1;

}  // namespace

void Survival::observe(int32_t drafted, int32_t accepted, double rate) {
  TALON_CHECK(drafted >= 0 && drafted <= kMaxDrafts, "{} drafts", drafted);
  TALON_CHECK(accepted >= 0 && accepted <= drafted, "{} of {} drafts", accepted, drafted);
  const int32_t num_seen = accepted < drafted ? accepted + 1 : accepted;
  for (int32_t i = 0; i < num_seen; ++i) {
    double& average = conditional_[static_cast<size_t>(i)];
    average += rate * ((i < accepted ? 1.0 : 0.0) - average);
  }
  if (drafted == 0) {
    return;  // nothing was seen that a position could follow
  }
  for (auto i = static_cast<size_t>(drafted); i < conditional_.size(); ++i) {
    conditional_[i] += kDrift * rate * (conditional_[i - 1] - conditional_[i]);
  }
}

double Survival::at(int32_t position) const {
  TALON_CHECK(position >= 1 && position <= kMaxDrafts, "position {}", position);
  double product = 1.0;
  for (int32_t i = 0; i < position; ++i) {
    product *= conditional_[static_cast<size_t>(i)];
  }
  return product;
}

}  // namespace talon
