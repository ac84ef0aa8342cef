#include "text/normalizer.h"

#include <utf8proc.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <vector>

#include "base/check.h"
#include "base/utf8.h"

namespace talon::text {
namespace {

constexpr auto kOptions = static_cast<utf8proc_option_t>(UTF8PROC_STABLE | UTF8PROC_COMPOSE);

// The longest decomposition has 18 code points; canonical ones are shorter.
constexpr size_t kMaxDecomposition = 32;

// Every character below U+0300 is its own NFC form and combines with nothing below U+0300 either.
// In UTF-8 these are the characters whose lead byte is below 0xCC.
bool is_surely_nfc(std::string_view text) {
  return std::all_of(text.begin(), text.end(),
                     [](char c) { return static_cast<uint8_t>(c) < 0xCC; });
}

int combining_class(utf8proc_int32_t code_point) {
  return utf8proc_get_property(code_point)->combining_class;
}

std::vector<utf8proc_int32_t> decompose(std::string_view text) {
  std::vector<utf8proc_int32_t> code_points;
  code_points.reserve(text.size() + 1);
  std::array<utf8proc_int32_t, kMaxDecomposition> parts{};
  while (!text.empty()) {
    const Utf8Unit unit = next_utf8(text);
    text.remove_prefix(unit.num_bytes);
    int ignored_boundary = 0;
    const utf8proc_ssize_t count = utf8proc_decompose_char(
        static_cast<utf8proc_int32_t>(unit.code_point), parts.data(),
        static_cast<utf8proc_ssize_t>(parts.size()), kOptions, &ignored_boundary);
    TALON_CHECK(count >= 0 && static_cast<size_t>(count) <= parts.size(), "utf8proc: {}", count);
    code_points.insert(code_points.end(), parts.begin(), parts.begin() + count);
  }
  return code_points;
}

// Canonical ordering: runs of combining marks in order of their class. utf8proc would do it by
// swapping neighbours, whose cost is the square of the run, and users choose the run.
void order_marks(std::vector<utf8proc_int32_t>& code_points) {
  const auto by_class = [](utf8proc_int32_t a, utf8proc_int32_t b) {
    return combining_class(a) < combining_class(b);
  };
  auto begin = code_points.begin();
  while (begin != code_points.end()) {
    if (combining_class(*begin) == 0) {
      ++begin;
      continue;
    }
    const auto end = std::find_if(begin, code_points.end(),
                                  [](utf8proc_int32_t c) { return combining_class(c) == 0; });
    std::stable_sort(begin, end, by_class);
    begin = end;
  }
}

}  // namespace

std::string_view normalize(Normalization form, std::string_view text, std::string& storage) {
  if (form == Normalization::kNone || is_surely_nfc(text)) {
    return text;
  }
  std::vector<utf8proc_int32_t> code_points = decompose(text);
  order_marks(code_points);
  // Composes and writes UTF-8 over the code points, with a zero behind it.
  const auto length = static_cast<utf8proc_ssize_t>(code_points.size());
  code_points.push_back(0);
  const utf8proc_ssize_t num_bytes = utf8proc_reencode(code_points.data(), length, kOptions);
  TALON_CHECK(num_bytes >= 0, "utf8proc: {}", utf8proc_errmsg(num_bytes));
  storage.assign(reinterpret_cast<const char*>(code_points.data()), static_cast<size_t>(num_bytes));
  return storage;
}

}  // namespace talon::text
