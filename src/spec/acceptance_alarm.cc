#include "spec/acceptance_alarm.h"

#include "base/check.h"

namespace talon {

std::optional<double> AcceptanceAlarm::observe(int32_t drafted, int32_t accepted) {
  TALON_CHECK(accepted >= 0 && accepted <= drafted, "{} of {} drafts", accepted, drafted);
  if (drafted == 0) {
    return std::nullopt;
  }
  ++num_rounds_;
  num_first_accepted_ += accepted > 0 ? 1 : 0;
  if (num_rounds_ < kWindow) {
    return std::nullopt;
  }
  const double share = static_cast<double>(num_first_accepted_) / kWindow;
  num_rounds_ = 0;
  num_first_accepted_ = 0;
  const bool is_news = share < kFloor && !in_episode_;
  in_episode_ = share < kFloor || (in_episode_ && share < kRecovered);
  return is_news ? std::optional(share) : std::nullopt;
}

}  // namespace talon
