// Says when the acceptance of an engine stays far below what a head gives that fits its target. A
// wrong tap, a head of another checkpoint or a prompt without its chat template look just like
// that: the text is right, only slow, and nothing else tells (spec/eagle3.md, 15, rows 1 and 22).
// Host only, a value; fed with the committed rounds of all requests.
#pragma once

#include <cstdint>
#include <optional>

namespace talon {

class AcceptanceAlarm {
 public:
  static constexpr int32_t kWindow = 512;  // rounds with drafts
  // Share of the window's rounds that accept the first draft. Wrong taps give about 3 % (1.2 % of
  // all drafts at K = 3), a head that fits 80 %, and 40 % on text it was not trained for.
  static constexpr double kFloor = 0.15;
  static constexpr double kRecovered = 0.25;  // ends the episode

  // One verify of one sequence; without drafts it says nothing. Gives the share when a whole window
  // lies below the floor, once until a window has recovered.
  std::optional<double> observe(int32_t drafted, int32_t accepted);

 private:
  int32_t num_rounds_ = 0;  // of this window
  int32_t num_first_accepted_ = 0;
  bool in_episode_ = false;
};

}  // namespace talon
