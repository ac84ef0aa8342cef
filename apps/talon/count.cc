#include "count.h"

#include <algorithm>
#include <charconv>
#include <system_error>

namespace talon {
namespace {

constexpr int64_t kMax = int64_t{1} << 62;
constexpr size_t kMaxDigits = 18;

struct Unit {
  int64_t size;
  char letter;
  bool is_decimal;
};

constexpr Unit kUnits[] = {
    {1'000, 'k', true},
    {1'000'000, 'm', true},
    {1'000'000'000, 'g', true},
    {int64_t{1} << 10, 'K', false},
    {int64_t{1} << 20, 'M', false},
    {int64_t{1} << 30, 'G', false},
};

std::optional<int64_t> digits(std::string_view text) {
  int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  const bool is_whole = error == std::errc() && end == text.data() + text.size();
  const bool fits = !text.empty() && text.size() <= kMaxDigits && text.front() != '-';
  return is_whole && fits ? std::optional(value) : std::nullopt;
}

}  // namespace

std::optional<int64_t> parse_count(std::string_view text) {
  Unit unit{.size = 1, .letter = ' ', .is_decimal = false};
  const auto* found = std::ranges::find_if(
      kUnits, [&](const Unit& one) { return !text.empty() && one.letter == text.back(); });
  if (found != std::end(kUnits)) {
    unit = *found;
    text.remove_suffix(1);
  }
  const size_t dot = text.find('.');
  const std::optional<int64_t> whole = digits(text.substr(0, dot));
  if (!whole.has_value() || *whole > kMax / unit.size) {
    return std::nullopt;
  }
  if (dot == std::string_view::npos) {
    return *whole * unit.size;
  }
  const std::string_view behind = text.substr(dot + 1);
  const std::optional<int64_t> fraction = digits(behind);
  int64_t divisor = 1;
  for (size_t i = 0; i < behind.size() && divisor <= unit.size; ++i) {
    divisor *= 10;
  }
  // A unit is a power of ten, so a fraction comes out whole if it has no more digits than that.
  if (!unit.is_decimal || !fraction.has_value() || divisor > unit.size) {
    return std::nullopt;
  }
  return *whole * unit.size + *fraction * (unit.size / divisor);
}

}  // namespace talon
